//! Typed values: what one word of a command line may be, and how it is written when it is run.
//! A type says yes with the canonical spelling or no with the reason; there is no "clean up".

pub mod file;
pub mod host;
pub mod net;
pub mod number;
pub mod target;
pub mod text;

use std::collections::BTreeMap;
use std::fmt;

use self::number::{Range, Rendering};
use self::target::{Scope, Target};
use self::text::Pattern;

/// A type as one place of a policy uses it.
#[derive(Debug, Clone)]
pub struct ValueType {
    /// The language.
    pub kind: Kind,
    /// Longest spelling that is looked at, bytes.
    pub max_len: usize,
    /// First characters that are allowed although tools give them a meaning: `@`, `+`; never `-`.
    pub lead: Vec<char>,
    /// Whether printable characters beyond ASCII are allowed.
    pub unicode: bool,
}

/// The language of a type.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A span of time.
    Duration(Range, Rendering),
    /// One of these words.
    Enum(Vec<String>),
    /// A name that the policy maps to a path; rendered as the path.
    File(BTreeMap<String, String>),
    /// A host name, and with `ip` also an address.
    Hostname {
        /// Whether an IPv4 or IPv6 address is one too.
        ip: bool,
    },
    /// A whole number.
    Int(Range),
    /// Several values of a type in one word.
    List(Box<List>),
    /// This very word.
    Literal(String),
    /// A path beneath a directory. Lexical: what the path leads to is Landlock's concern.
    Path {
        /// The directory, absolute.
        beneath: String,
    },
    /// TCP or UDP ports and ranges of them; at most so many ports in all.
    Ports {
        /// Most ports.
        max: u64,
    },
    /// Text that a regular expression matches as a whole.
    Regex(Pattern),
    /// A number of bytes.
    Size(Range, Rendering),
    /// An address, a network or a host name.
    Target {
        /// Most addresses of a network.
        max_hosts: u64,
        /// Whether an engagement must have it.
        scope: Scope,
    },
    /// Any printable text.
    Text,
    /// A URL.
    Url {
        /// Schemes, lower case.
        schemes: Vec<String>,
        /// Whether its host may be an address.
        ip: bool,
        /// Whether an engagement must have its host.
        scope: Scope,
    },
    /// A URL, whose host may be an address, or a target.
    UrlOrTarget {
        /// Schemes, lower case.
        schemes: Vec<String>,
        /// Most addresses of a network.
        max_hosts: u64,
        /// Whether an engagement must have it.
        scope: Scope,
    },
}

/// A list type.
#[derive(Debug, Clone)]
pub struct List {
    /// The type of an item; not a list.
    pub of: ValueType,
    /// What stands between two items.
    pub separator: String,
    /// Most items.
    pub max: usize,
}

/// A value in its canonical spelling. Only [`ValueType::accept`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    text: String,
    /// What an engagement must have.
    targets: Vec<Target>,
    /// Which of the caller's words it was in, from 0.
    word: Option<usize>,
}

impl Value {
    /// What is put on the command line.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it leads to and an engagement must have; nothing for most types.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Which of the caller's words it was in, from 0.
    pub fn word(&self) -> Option<usize> {
        self.word
    }

    /// Notes which of the caller's words it was in.
    #[must_use]
    pub(super) fn in_word(self, word: usize) -> Self {
        Self { word: Some(word), ..self }
    }
}

/// Why a word is no value of a type: what is wrong with it. Never holds the word itself, which may
/// be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unacceptable(String);

impl Unacceptable {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl ValueType {
    /// Takes a word if it is of this type. What every type refuses is refused first, so that no
    /// type can forget it.
    pub fn accept(&self, given: &str) -> Result<Value, Unacceptable> {
        self.refuse_always(given)?;
        let mut targets = Vec::new();
        let mut hold = |(text, found): (String, Vec<Target>), scope: Scope| {
            if scope == Scope::Engagement {
                targets = found;
            }
            text
        };
        let text = match &self.kind {
            Kind::Bool => text::accept_bool(given),
            Kind::Duration(range, rendering) => number::accept_duration(given, range, *rendering),
            Kind::Enum(words) => text::accept_enum(given, words),
            Kind::File(names) => file::accept_file(given, names),
            Kind::Hostname { ip } => host::accept_hostname(given, *ip),
            Kind::Int(range) => number::accept_int(given, range),
            Kind::List(list) => {
                accept_list(given, list).map(|found| hold(found, Scope::Engagement))
            }
            Kind::Literal(word) => text::accept_literal(given, word),
            Kind::Path { beneath } => file::accept_path(given, beneath),
            Kind::Ports { max } => number::accept_ports(given, *max),
            Kind::Regex(pattern) => pattern.accept(given),
            Kind::Size(range, rendering) => number::accept_size(given, range, *rendering),
            Kind::Target { max_hosts, scope } => {
                target::accept_target(given, *max_hosts).map(|found| hold(found, *scope))
            }
            Kind::Text => Ok(given.to_owned()),
            Kind::Url { schemes, ip, scope } => host::accept_url(given, schemes, *ip)
                .map(|(url, host)| hold((url, vec![host]), *scope)),
            Kind::UrlOrTarget { schemes, max_hosts, scope } => {
                target::accept_url_or_target(given, schemes, *max_hosts)
                    .map(|found| hold(found, *scope))
            }
        }?;
        Ok(Value { text, targets, word: None })
    }

    /// Whether nearly anything can be said with it.
    pub fn is_free(&self) -> bool {
        if let Kind::List(list) = &self.kind {
            return list.of.is_free();
        }
        matches!(self.kind, Kind::Regex(_) | Kind::Text)
    }

    /// Whether anything printable can be said with it.
    pub fn is_text(&self) -> bool {
        if let Kind::List(list) = &self.kind {
            return list.of.is_text();
        }
        matches!(self.kind, Kind::Text)
    }

    /// Whether its values must lie inside an engagement, or could lead anywhere but need not.
    pub fn scope(&self) -> Option<Scope> {
        if let Kind::List(list) = &self.kind {
            return list.of.scope();
        }
        if let Kind::Target { scope, .. }
        | Kind::Url { scope, .. }
        | Kind::UrlOrTarget { scope, .. } = &self.kind
        {
            return Some(*scope);
        }
        None
    }

    /// Whether its values are hosts that no engagement is asked about.
    pub fn is_unscoped_host(&self) -> bool {
        if let Kind::List(list) = &self.kind {
            return list.of.is_unscoped_host();
        }
        matches!(self.kind, Kind::Hostname { .. })
    }

    /// The files and directories that its values lead to.
    pub fn paths(&self) -> Vec<&str> {
        if let Kind::File(names) = &self.kind {
            names.values().map(String::as_str).collect()
        } else if let Kind::Path { beneath } = &self.kind {
            vec![beneath]
        } else if let Kind::List(list) = &self.kind {
            list.of.paths()
        } else {
            Vec::new()
        }
    }

    fn refuse_always(&self, given: &str) -> Result<(), Unacceptable> {
        let Some(first) = given.chars().next() else {
            return Err(Unacceptable::new("it is empty"));
        };
        if given.len() > self.max_len {
            return Err(Unacceptable(format!(
                "it has {} bytes, the limit is {}",
                given.len(),
                self.max_len
            )));
        }
        if first == '-' {
            return Err(Unacceptable::new("it starts with '-' and could be taken for an option"));
        }
        if matches!(first, '@' | '+') && !self.lead.contains(&first) {
            return Err(Unacceptable(format!(
                "it starts with '{first}', which programs read as more than text"
            )));
        }
        for c in given.chars() {
            if is_hidden(c) {
                return Err(Unacceptable(format!(
                    "it has the control or invisible character U+{:04X}",
                    u32::from(c)
                )));
            }
            if !c.is_ascii() && !self.unicode {
                return Err(Unacceptable(format!(
                    "it has U+{:04X}, and only ASCII is taken here",
                    u32::from(c)
                )));
            }
        }
        Ok(())
    }
}

/// What the type allows, for a person or a model.
impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Bool => f.write_str("true or false"),
            Kind::Duration(range, _) => {
                write!(
                    f,
                    "a time of {} to {} seconds, as in 90, 90s, 5m or 1h",
                    range.min, range.max
                )
            }
            Kind::Enum(words) => {
                write!(f, "one of {}", shortened(&words.iter().collect::<Vec<_>>()))
            }
            Kind::File(names) => {
                write!(f, "one of the files {}", shortened(&names.keys().collect::<Vec<_>>()))
            }
            Kind::Hostname { ip: false } => f.write_str("a host name"),
            Kind::Hostname { ip: true } => f.write_str("a host name, an IPv4 or an IPv6 address"),
            Kind::Int(range) => write!(f, "a whole number of {} to {}", range.min, range.max),
            Kind::List(list) => write!(
                f,
                "at most {} items joined by \"{}\", each {}",
                list.max, list.separator, list.of
            ),
            Kind::Literal(word) => write!(f, "the word {word}"),
            Kind::Path { beneath } => {
                write!(f, "an absolute path beneath {beneath}, without . and ..")
            }
            Kind::Ports { max } => {
                write!(f, "ports of 1 to 65535 such as 22,80,8000-8100, at most {max} in all")
            }
            Kind::Regex(pattern) => write!(f, "text that matches {}", pattern.source()),
            Kind::Size(range, _) => {
                write!(f, "a size of {} to {} bytes, as in 512, 64K or 1M", range.min, range.max)
            }
            Kind::Target { max_hosts, scope } => write!(
                f,
                "an address, a network of at most {max_hosts} addresses, or a host name{}",
                inside(*scope)
            ),
            Kind::Text => write!(f, "printable text of at most {} bytes", self.max_len),
            Kind::Url { schemes, ip, scope } => write!(
                f,
                "a URL of {} with a host name{} and no user{}",
                schemes.join(" or "),
                if *ip { " or address" } else { "" },
                inside(*scope)
            ),
            Kind::UrlOrTarget { schemes, max_hosts, scope } => write!(
                f,
                "a URL of {} without a user, an address, a network of at most {max_hosts} \
                 addresses, or a host name{}",
                schemes.join(" or "),
                inside(*scope)
            ),
        }
    }
}

fn inside(scope: Scope) -> &'static str {
    match scope {
        Scope::Engagement => ", inside an engagement",
        Scope::Public => "",
    }
}

fn accept_list(given: &str, list: &List) -> Result<(String, Vec<Target>), Unacceptable> {
    let (mut items, mut targets) = (Vec::new(), Vec::new());
    for item in given.split(list.separator.as_str()) {
        if items.len() == list.max {
            return Err(Unacceptable(format!("it has more than {} items", list.max)));
        }
        let value = list
            .of
            .accept(item)
            .map_err(|why| Unacceptable(format!("item {}: {why}", items.len() + 1)))?;
        if value.as_str().contains(list.separator.as_str()) {
            return Err(Unacceptable::new("an item would be written with the separator in it"));
        }
        items.push(value.text);
        targets.extend(value.targets);
    }
    Ok((items.join(&list.separator), targets))
}

/// Control characters, and those that make text look like other text: bidirectional controls,
/// zero-width characters, separators, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

fn shortened(words: &[&String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<&str> = words.iter().take(SHOWN).map(|word| word.as_str()).collect();
    match words.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
