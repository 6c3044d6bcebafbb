//! Reads a chain again, over all the files that it went through, and names the first line that is
//! not as it was written.
//!
//! A chain proves itself except for its two ends. Where it begins is known: number 0, or the head
//! that an earlier verification printed. Where it ended is known to whoever kept a head of it: the
//! runner's own log has one for every thousand lines and one for each stop.

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use serde::Deserialize;

use super::chain::{MAX_LINE, ORIGIN, hash};

/// The hash of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash(String);

impl Hash {
    /// In lower-case hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 digits of 0 to 9 and a to f")]
pub struct InvalidHash;

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == ORIGIN.len() && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidHash)
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The first thing that is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The line that follows was written after another line.
    #[error(
        "{place}: changed: {next} was written after another line than this, or was changed itself"
    )]
    Changed {
        /// The line.
        place: Place,
        /// The one after it.
        next: Place,
    },
    /// The first line does not follow what it should.
    #[error("{place}: changed, or the lines before it are not those that were named")]
    Start {
        /// The line.
        place: Place,
    },
    /// A line that no runner writes.
    #[error("{place}: changed: this is no line of an audit log: {reason}")]
    Form {
        /// The line.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// The head is not among the lines.
    #[error("{place}: lines are missing or changed at the end: none is the head {head}")]
    Head {
        /// The last line there is.
        place: Place,
        /// What was looked for.
        head: String,
    },
    /// Numbers are left out.
    #[error(
        "{place}: lines are missing before this one: number {expected} comes next, and this is \
         {found}; name all files in the order in which they were written, the oldest first"
    )]
    Missing {
        /// The line behind the gap.
        place: Place,
        /// The number that comes next.
        expected: u64,
        /// Its number.
        found: u64,
    },
    /// A number that was there before.
    #[error("{place}: out of order: number {expected} comes next, and this is {found}")]
    Order {
        /// The line.
        place: Place,
        /// The number that comes next.
        expected: u64,
        /// Its number.
        found: u64,
    },
    /// The file cannot be read.
    #[error("cannot read {place}: {source}")]
    Read {
        /// Where reading stopped.
        place: Place,
        /// Why.
        source: io::Error,
    },
    /// The end of a line is not there.
    #[error(
        "{place}: torn: the line does not end; a runner that writes just now may be the reason"
    )]
    Torn {
        /// The line.
        place: Place,
    },
}

/// A chain that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many lines were read.
    pub lines: u64,
    /// The time of the first.
    pub first: Option<String>,
    /// The time of the last.
    pub last: Option<String>,
    /// The hash of the last line.
    pub head: Hash,
    /// How many lines follow the head that was looked for.
    pub behind_head: Option<u64>,
}

/// Reads files one after the other.
#[derive(Debug)]
pub struct Verifier {
    prev: String,
    /// The next number; not known behind a head of which only the hash is known.
    seq: Option<u64>,
    wanted: Option<Hash>,
    before: Option<Place>,
    chain: Chain,
}

#[derive(Deserialize)]
struct Line {
    v: u64,
    seq: u64,
    ts: String,
    prev: String,
}

impl Verifier {
    /// For a chain from its begin, or from behind the line of which `after` is the hash. `head` is
    /// a line that must be in it.
    pub fn new(after: Option<Hash>, head: Option<Hash>) -> Self {
        let seq = after.is_none().then_some(0);
        let prev = after.map_or_else(|| ORIGIN.to_owned(), |Hash(after)| after);
        let chain = Chain {
            lines: 0,
            first: None,
            last: None,
            head: Hash(prev.clone()),
            behind_head: None,
        };
        Self { prev, seq, wanted: head, before: None, chain }
    }

    /// Reads the next file.
    pub fn read(&mut self, name: &str, mut source: impl BufRead) -> Result<(), Fault> {
        let mut text = Vec::new();
        for line in 1.. {
            let place = Place { file: name.to_owned(), line };
            text.clear();
            let read = io::Read::take(&mut source, MAX_LINE).read_until(b'\n', &mut text);
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(source) => return Err(Fault::Read { place, source }),
            }
            match text.strip_suffix(b"\n") {
                Some(whole) => self.line(place, whole)?,
                None if text.len() < usize::try_from(MAX_LINE).unwrap_or(usize::MAX) => {
                    return Err(Fault::Torn { place });
                }
                None => {
                    let reason = format!("it is longer than {MAX_LINE} bytes");
                    return Err(Fault::Form { place, reason });
                }
            }
        }
        Ok(())
    }

    /// Ends the verification.
    pub fn finish(self) -> Result<Chain, Fault> {
        if let Some(Hash(head)) = self.wanted
            && self.chain.behind_head.is_none()
            && head != self.prev
        {
            let nowhere = Place { file: "(no line)".to_owned(), line: 0 };
            return Err(Fault::Head { place: self.before.unwrap_or(nowhere), head });
        }
        Ok(self.chain)
    }

    fn line(&mut self, place: Place, text: &[u8]) -> Result<(), Fault> {
        let line = match serde_json::from_slice::<Line>(text) {
            Ok(line) if line.v == 1 => line,
            Ok(line) => {
                let reason = format!("its version is {}", line.v);
                return Err(Fault::Form { place, reason });
            }
            Err(error) => return Err(Fault::Form { place, reason: error.to_string() }),
        };
        let (expected, found) = (self.seq.unwrap_or(line.seq), line.seq);
        if found > expected {
            return Err(Fault::Missing { place, expected, found });
        }
        if found < expected {
            return Err(Fault::Order { place, expected, found });
        }
        if line.prev != self.prev {
            return Err(match self.before.take() {
                Some(before) => Fault::Changed { place: before, next: place },
                None => Fault::Start { place },
            });
        }
        let Some(next) = found.checked_add(1) else {
            return Err(Fault::Form { place, reason: "its number is too high".to_owned() });
        };
        self.seq = Some(next);
        self.prev = hash(text);
        self.before = Some(place);
        let chain = &mut self.chain;
        chain.lines += 1;
        chain.first.get_or_insert_with(|| line.ts.clone());
        chain.last = Some(line.ts);
        chain.head = Hash(self.prev.clone());
        if let Some(behind) = &mut chain.behind_head {
            *behind += 1;
        } else if self.wanted.as_ref() == Some(&chain.head) {
            chain.behind_head = Some(0);
        }
        Ok(())
    }
}

/// The chain of these files, which is whole.
#[cfg(test)]
pub(super) fn whole(paths: &[&std::path::Path]) -> Chain {
    let mut verifier = Verifier::new(None, None);
    for path in paths {
        let text = std::fs::read(path).unwrap();
        verifier.read(&path.display().to_string(), text.as_slice()).unwrap();
    }
    verifier.finish().unwrap()
}

#[cfg(test)]
mod tests;
