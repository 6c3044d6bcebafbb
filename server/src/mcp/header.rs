//! The headers that repeat a modern message for the proxies that route by them, and how they carry
//! text that a header cannot (2026-07-28, streamable HTTP).
//!
//! ```text
//! value   = text | wrapped
//! text    = *( SP / VCHAR )             ; neither blank at an end, nor like `wrapped`
//! wrapped = "=?base64?" base64 "?="     ; of UTF-8; RFC 4648, section 4
//! ```

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::HeaderName;

/// The header that repeats the method.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The header that repeats the tool's name.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";

/// `text` as a header can carry it.
pub fn encode(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with(OPENING);
    if is_plain {
        return Cow::Borrowed(text);
    }
    Cow::Owned([OPENING, &BASE64.encode(text), CLOSING].concat())
}

/// What a header's value says. A broken one says nothing, so that it is equal to nothing.
pub fn decode(value: &str) -> Option<Cow<'_, str>> {
    let wrapped = value.strip_prefix(OPENING).and_then(|rest| rest.strip_suffix(CLOSING));
    let Some(payload) = wrapped else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(BASE64.decode(payload).ok()?).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_plain_or_base64_and_a_broken_one_is_nothing() {
        for (value, expected) in [
            ("echo", Some("echo")),
            ("", Some("")),
            ("=?base64?ZWNobw==?=", Some("echo")),
            ("=?base64?w6k=?=", Some("\u{e9}")),
            ("=?base64??=", Some("")),
            ("=?base64?ZWNobw?=", None),
            ("=?base64?ZWNobx==?=", None),
            ("=?base64?/w==?=", None),
            ("=?BASE64?ZWNobw==?=", Some("=?BASE64?ZWNobw==?=")),
        ] {
            assert_eq!(decode(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn what_a_header_can_carry_goes_as_it_is() {
        assert_eq!(encode("a tool"), "a tool");
        assert_eq!(encode("\u{e9}"), "=?base64?w6k=?=");
    }

    proptest! {
        #[test]
        fn any_text_goes_through_a_header(text in r"(=\?base64\?)?(\PC|[ \t\n])*(\?=)?") {
            let sent = encode(&text);
            prop_assert!(HeaderValue::from_str(&sent).is_ok_and(|value| value.to_str().is_ok()));
            prop_assert_eq!(sent.trim(), sent.as_ref());
            let got = decode(&sent);
            prop_assert_eq!(got.as_deref(), Some(text.as_str()));
        }
    }
}
