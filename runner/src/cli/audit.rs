//! `audit verify`: reads logs that a runner wrote.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, print};
use crate::audit::verify::{Fault, Hash, Verifier};

/// sysexits.h: the data are not what they should be.
const DATA: u8 = 65;
/// sysexits.h: the data cannot be read.
const NO_INPUT: u8 = 66;

/// Smaller files would be put aside for nearly every line.
const MIN_MAX: u64 = 4 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check that no line of a log was changed or taken out.
    Verify {
        /// The log's files, the oldest first: audit.jsonl.* audit.jsonl
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A line that must be there: a head that the runner logged or an earlier verify printed.
        #[arg(long, value_name = "HASH")]
        head: Option<Hash>,
        /// The files begin behind this line, the head of files that are not here.
        #[arg(long, value_name = "HASH")]
        after: Option<Hash>,
    },
}

/// Runs it.
pub(super) fn run(command: Audit) -> Result<(), Failure> {
    let Audit::Verify { files, head, after } = command;
    let mut verifier = Verifier::new(after, head);
    for path in files {
        let name = path.display().to_string();
        let file =
            File::open(&path).map_err(|e| Failure(NO_INPUT, format!("cannot read {name}: {e}")))?;
        verifier.read(&name, BufReader::new(file)).map_err(|fault| failure(&fault))?;
    }
    let chain = verifier.finish().map_err(|fault| failure(&fault))?;
    print(format_args!("{} lines, the chain is whole", chain.lines))?;
    if let (Some(first), Some(last)) = (&chain.first, &chain.last) {
        print(format_args!("first {first}\nlast  {last}"))?;
    }
    print(format_args!("head  {}", chain.head.as_str()))?;
    match chain.behind_head {
        Some(0) | None => Ok(()),
        Some(1) => print(format_args!("1 line was written behind the head that was named")),
        Some(n) => print(format_args!("{n} lines were written behind the head that was named")),
    }
}

fn failure(fault: &Fault) -> Failure {
    let code = if matches!(fault, Fault::Read { .. }) { NO_INPUT } else { DATA };
    Failure(code, fault.to_string())
}

/// A size such as `64M`: how large a file of the log gets.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'G')) => (text.get(..at), 1 << 30),
        Some(_) | None => (Some(text), 1),
    };
    digits
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok()?.checked_mul(unit))
        .filter(|size| *size >= MIN_MAX)
        .ok_or_else(|| "not a size of at least 4K, such as 64M or 1G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn a_size_has_a_unit_and_a_least() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("4K"), Ok(4096));
        assert_eq!(size("5000"), Ok(5000));
        for wrong in ["", "M", "-1M", "+5M", "3K", "1T", "1.5G", "99999999999999G", "64MB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
