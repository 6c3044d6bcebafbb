//! What time it is. Everything that reads a clock is given one, so that a test can move it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The seconds in here; a test moves them.
    Fixed(Arc<AtomicU64>),
    /// The host's.
    System,
}

impl Clock {
    /// A clock that stands at `seconds` since 1970.
    pub fn fixed(seconds: u64) -> Self {
        Self::Fixed(Arc::new(AtomicU64::new(seconds)))
    }

    /// The time. A host whose clock stands before 1970 reads as 1970.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Fixed(seconds) => Timestamp(seconds.load(Ordering::Relaxed)),
            Self::System => Timestamp(
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            ),
        }
    }
}

/// A moment: seconds since 1970-01-01T00:00:00Z. Prints as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `lifetime` later.
    #[must_use]
    pub fn after(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / SECONDS_OF_DAY, self.0 % SECONDS_OF_DAY);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

const SECONDS_OF_DAY: u64 = 86_400;

/// The Gregorian date of a day since 1970-01-01. Years are counted from March, so that the leap
/// day is a year's last; an era is the 400 years after which the calendar repeats.
fn civil(days: u64) -> (u64, u64, u64) {
    let since_march_0 = days + 719_468;
    let (era, day_of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// How long something stays valid, in seconds: never zero, at most [`Lifetime::MAX_DAYS`].
///
/// ```text
/// lifetime = number unit
/// unit     = "m" | "h" | "d" | "w"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Lifetime(u64);

impl Lifetime {
    /// A hundred years: whoever wants longer wants no end.
    pub const MAX_DAYS: u64 = 36_525;

    /// The seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

/// A text or a number is not a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a lifetime: write a number and one of m, h, d, w, such as 30d, up to 36525d")]
pub struct InvalidLifetime;

impl TryFrom<u64> for Lifetime {
    type Error = InvalidLifetime;

    fn try_from(seconds: u64) -> Result<Self, InvalidLifetime> {
        let valid = 1..=Self::MAX_DAYS * SECONDS_OF_DAY;
        valid.contains(&seconds).then_some(Self(seconds)).ok_or(InvalidLifetime)
    }
}

impl From<Lifetime> for u64 {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.0
    }
}

impl FromStr for Lifetime {
    type Err = InvalidLifetime;

    fn from_str(text: &str) -> Result<Self, InvalidLifetime> {
        let units = [('m', 60), ('h', 3_600), ('d', SECONDS_OF_DAY), ('w', 7 * SECONDS_OF_DAY)];
        let (number, seconds_of_unit) = units
            .into_iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
            .ok_or(InvalidLifetime)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidLifetime);
        }
        let number = number.parse::<u64>().ok();
        let seconds = number.and_then(|n| n.checked_mul(seconds_of_unit)).ok_or(InvalidLifetime)?;
        Self::try_from(seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_print_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_348_800, "2026-11-22T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_day_before() {
        let leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..292_200 {
            assert_eq!(civil(days), (year, month, day));
            let last = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn a_lifetime_is_a_number_and_a_unit() {
        assert_eq!("30d".parse(), Ok(Lifetime(30 * 86_400)));
        assert_eq!("90m".parse(), Ok(Lifetime(5_400)));
        assert_eq!("12h".parse(), Ok(Lifetime(43_200)));
        assert_eq!("2w".parse(), Ok(Lifetime(14 * 86_400)));
        for wrong in ["", "d", "0d", "30", "-1d", "+1d", "1y", "1 d", "36526d", "9999999999999999w"]
        {
            assert_eq!(wrong.parse::<Lifetime>(), Err(InvalidLifetime), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_moment_prints_and_any_text_is_judged(seconds: u64, text in ".{0,12}") {
            prop_assert!(Timestamp(seconds).to_string().ends_with('Z'));
            if let Ok(lifetime) = text.parse::<Lifetime>() {
                prop_assert!(lifetime.seconds() > 0);
            }
        }
    }
}
