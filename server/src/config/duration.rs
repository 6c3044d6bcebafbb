//! Go's duration syntax, which the config format uses.
//!
//! ```text
//! duration = 1*( number unit )
//! number   = 1*DIGIT [ "." *DIGIT ] / "." 1*DIGIT
//! unit     = "h" / "m" / "s" / "ms" / "us" / "ns"
//! ```

use std::time::Duration;

/// Reads `300ms`, `1.5s`, `1h30m`. `None` for anything else, for zero and for what overflows.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let unit = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
        rest = tail;
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, millis) in [
            ("300ms", 300),
            ("1s", 1_000),
            ("1.5s", 1_500),
            ("5m", 300_000),
            ("1h30m0s", 5_400_000),
            (".5s", 500),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in
            ["", "0s", "10", "s", "1 s", "-1s", "1d", "1..2s", "1e3s", "99999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in r"(\PC|[0-9.hmsun])*") {
            parse(&text);
        }
    }
}
