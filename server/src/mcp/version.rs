//! The revisions of MCP that this server speaks, and which of its two eras a message belongs to:
//! sessions (until 2025-11-25) or self-contained requests (from 2026-07-28).

use http::HeaderMap;
use http::header::HeaderName;

use super::jsonrpc::{Message, Params};

/// The header that names a revision.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The header that names a session.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// A revision that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// The first one.
    V2024_11_05,
    /// Streamable HTTP.
    V2025_03_26,
    /// Structured content.
    V2025_06_18,
    /// The last one with sessions.
    V2025_11_25,
    /// The first one without.
    V2026_07_28,
}

impl Revision {
    /// All of them, the newest first.
    pub const ALL: [Self; 5] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
        Self::V2024_11_05,
    ];
    /// What `initialize` answers to a revision that it does not know.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// The revision that the headers name.
    pub fn of_header(headers: &HeaderMap) -> Option<Self> {
        headers.get(PROTOCOL_VERSION)?.to_str().ok().and_then(Self::named)
    }

    /// Whether its requests are self-contained.
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// What `initialize` answers: the client's choice, or our own latest (2025-11-25, lifecycle).
    pub fn negotiate(asked: Option<&str>) -> Self {
        let known = asked.and_then(Self::named).filter(|revision| !revision.is_modern());
        known.unwrap_or(Self::LATEST_LEGACY)
    }
}

/// Which rules a message is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Sessions; JSON-RPC errors come with status 200.
    Legacy,
    /// Each request stands alone; errors have statuses.
    Modern,
}

impl Era {
    /// The era of a message: modern if its `_meta` says a revision, if the header says one from
    /// 2026-07-28 on and this is not an `initialize`, or if it is `server/discover`.
    pub fn of(message: &Message<'_>, headers: &HeaderMap) -> Self {
        let (method, params) = match message {
            Message::Request(request) => (&*request.method, Some(&request.params)),
            Message::Notification(notification) => {
                (&*notification.method, Some(&notification.params))
            }
            Message::Response => ("", None),
        };
        let meant = params.is_some_and(Params::names_a_revision)
            || method == "server/discover"
            || (method != "initialize" && headers.get(PROTOCOL_VERSION).is_some_and(is_later));
        if meant { Self::Modern } else { Self::Legacy }
    }
}

/// Whether a header's value is a date from 2026-07-28 on, of a revision that we know or not.
fn is_later(value: &http::HeaderValue) -> bool {
    let text = value.as_bytes();
    let dated = text.len() == 10
        && text.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    dated && text >= Revision::V2026_07_28.as_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn initialize_echoes_what_we_speak_and_else_answers_our_latest() {
        for name in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            assert_eq!(Revision::negotiate(Some(name)).as_str(), name);
        }
        for name in [Some("2026-07-28"), Some("1.0"), Some(""), None] {
            assert_eq!(Revision::negotiate(name), Revision::V2025_11_25);
        }
    }

    #[test]
    fn a_later_date_is_modern_and_other_text_is_not() {
        for (text, later) in [
            ("2026-07-28", true),
            ("2026-07-29", true),
            ("2099-01-01", true),
            ("2026-07-27", false),
            ("2025-11-25", false),
            ("zzzz", false),
            ("9", false),
            ("2026-07-28x", false),
            ("", false),
        ] {
            assert_eq!(is_later(&HeaderValue::from_str(text).unwrap()), later, "{text}");
        }
    }
}
