//! An engagement: the hosts that somebody allowed us to reach, and when. Pure: it is asked about
//! values that were parsed, and resolves no name.

use std::fmt;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

use super::value::net::Net;
use super::value::target::Target;

/// Most entries that a text shows.
const SHOWN: usize = 8;

/// Hosts, and the time in which they may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engagement {
    /// Its name.
    pub name: String,
    /// `file:line` of it.
    pub place: String,
    /// What it has.
    pub includes: Hosts,
    /// What is taken out of that.
    pub excludes: Hosts,
    /// When it is open.
    pub window: Window,
}

/// Networks and names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Networks.
    pub nets: Vec<Net>,
    /// Names.
    pub names: Vec<NamePattern>,
}

/// A host name of an engagement, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePattern {
    /// `*.lab.example`: one or more labels before it, and never the apex itself.
    Beneath(String),
    /// This name alone.
    Exact(String),
}

/// From when and until when; both ends belong to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub not_before: Option<SystemTime>,
    /// The last moment.
    pub not_after: Option<SystemTime>,
}

/// What an engagement says to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// It has a part of it taken out, or all.
    Excluded,
    /// It has all of it.
    Inside,
    /// It does not have all of it.
    Outside,
}

impl Engagement {
    /// Holds a target against networks and names, not against the time.
    pub fn cover(&self, target: &Target) -> Cover {
        if !self.includes.have(target) {
            Cover::Outside
        } else if self.excludes.touch(target) {
            Cover::Excluded
        } else {
            Cover::Inside
        }
    }
}

impl Hosts {
    fn have(&self, target: &Target) -> bool {
        match target {
            Target::Host(name) => self.names.iter().any(|pattern| pattern.matches(name)),
            Target::Net(net) => self.nets.iter().any(|ours| ours.contains(net)),
        }
    }

    fn touch(&self, target: &Target) -> bool {
        match target {
            Target::Host(name) => self.names.iter().any(|pattern| pattern.matches(name)),
            Target::Net(net) => self.nets.iter().any(|ours| ours.overlaps(net)),
        }
    }
}

impl NamePattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            // The dot is what tells a label from a suffix: badlab.example is not beneath lab.example.
            Self::Beneath(apex) => name
                .strip_suffix(apex.as_str())
                .and_then(|labels| labels.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty()),
            Self::Exact(exact) => name == exact,
        }
    }
}

impl Window {
    /// Whether it is open at that moment.
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.not_before.is_none_or(|first| first <= now) && !self.is_over(now)
    }

    /// How long it is still open, if it ever ends.
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        self.not_after.map(|last| last.duration_since(now).unwrap_or(Duration::ZERO))
    }

    /// Whether it will not be open again.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.not_after.is_some_and(|last| now > last)
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nets = self.nets.iter().map(ToString::to_string);
        let all: Vec<String> = nets.chain(self.names.iter().map(ToString::to_string)).collect();
        let shown: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
        f.write_str(&shown.join(", "))?;
        match all.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beneath(apex) => write!(f, "*.{apex}"),
            Self::Exact(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.not_before, self.not_after) {
            (None, None) => f.write_str("at all times"),
            (Some(first), None) => write!(f, "from {}", format_rfc3339_seconds(first)),
            (None, Some(last)) => write!(f, "until {}", format_rfc3339_seconds(last)),
            (Some(first), Some(last)) => write!(
                f,
                "from {} until {}",
                format_rfc3339_seconds(first),
                format_rfc3339_seconds(last)
            ),
        }
    }
}
