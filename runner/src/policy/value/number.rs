//! Types of numbers: integers, times, sizes, ports.

use super::Unacceptable;

/// Two ends, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// How a number with a unit is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// Digits only: seconds or bytes.
    Plain,
    /// With the base unit: `90s`, `4096B`.
    Unit,
}

const SECONDS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
const BYTES: [(&str, u64); 5] =
    [("B", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

pub(super) fn accept_int(given: &str, range: &Range) -> Result<String, Unacceptable> {
    in_range(digits(given)?, range).map(|n| n.to_string())
}

pub(super) fn accept_duration(
    given: &str,
    range: &Range,
    rendering: Rendering,
) -> Result<String, Unacceptable> {
    let seconds = in_range(with_unit(given, &SECONDS)?, range)?;
    Ok(match rendering {
        Rendering::Plain => seconds.to_string(),
        Rendering::Unit => format!("{seconds}s"),
    })
}

pub(super) fn accept_size(
    given: &str,
    range: &Range,
    rendering: Rendering,
) -> Result<String, Unacceptable> {
    let bytes = in_range(with_unit(given, &BYTES)?, range)?;
    Ok(match rendering {
        Rendering::Plain => bytes.to_string(),
        Rendering::Unit => format!("{bytes}B"),
    })
}

/// Reads a size as policies write it: `64M`, `1G`, `4096`. Units are powers of 1024.
pub fn size(given: &str) -> Result<u64, Unacceptable> {
    with_unit(given, &BYTES)
}

/// Ports are sorted and joined where they touch, so that one set has one spelling.
pub(super) fn accept_ports(given: &str, max: u64) -> Result<String, Unacceptable> {
    let mut ranges = Vec::new();
    for part in given.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(Unacceptable::new("a range of ports runs backwards"));
        }
        ranges.push((first, last));
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    let n: u64 = merged.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
    if n > max {
        return Err(Unacceptable::new(format!("it names {n} ports, the limit is {max}")));
    }
    let written = merged.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    Ok(written.collect::<Vec<_>>().join(","))
}

fn port(given: &str) -> Result<u16, Unacceptable> {
    match u16::try_from(digits(given)?) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Unacceptable::new("a port is not in 1 to 65535")),
    }
}

fn in_range(n: u64, range: &Range) -> Result<u64, Unacceptable> {
    if n < range.min {
        return Err(Unacceptable::new(format!("{n} is less than {}", range.min)));
    }
    if n > range.max {
        return Err(Unacceptable::new(format!("{n} is more than {}", range.max)));
    }
    Ok(n)
}

fn with_unit(given: &str, units: &[(&str, u64)]) -> Result<u64, Unacceptable> {
    for (unit, factor) in units {
        if let Some(number) = given.strip_suffix(unit) {
            return digits(number)?
                .checked_mul(*factor)
                .ok_or_else(|| Unacceptable::new("the number is too large"));
        }
    }
    digits(given)
}

/// Decimal digits only. No sign, no space, and no leading zero, which some programs read as octal.
fn digits(given: &str) -> Result<u64, Unacceptable> {
    if given.is_empty() || !given.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unacceptable::new("it is not a number in plain decimal digits"));
    }
    if given.len() > 1 && given.starts_with('0') {
        return Err(Unacceptable::new("it has a leading zero, which some programs read as octal"));
    }
    given.parse().map_err(|_overflow| Unacceptable::new("the number is too large"))
}
