//! How often a principal may run something, and how many at the same time. Kept apart from the
//! policy, so that reading that again forgets nothing.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When too many run at the same time: about how long until one of them has ended.
const NEXT_END: Duration = Duration::from_secs(1);

/// What a principal may take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Most runs at the same time.
    pub max_concurrent: Option<usize>,
    /// Most runs in any span of time.
    pub rate: Option<Rate>,
}

/// So many runs in any span of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Most runs.
    pub n_runs: usize,
    /// The length of the span.
    pub period: Duration,
}

/// Too much at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Which limit.
    pub reason: String,
    /// When it is worth asking again.
    pub retry_after: Duration,
}

/// What each principal has taken.
#[derive(Debug, Clone, Default)]
pub struct Admission(Arc<Mutex<BTreeMap<String, Taken>>>);

#[derive(Debug, Default)]
struct Taken {
    /// Runs that have not ended.
    n_running: usize,
    /// When the runs of the last period began, the oldest first.
    begun_at: VecDeque<Instant>,
}

/// One run that was let in; counts as running until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    principal: String,
    admission: Admission,
}

impl Admission {
    /// Lets a run of this principal in, or says when to ask again. A run that is not let in is not
    /// counted.
    pub fn admit(&self, principal: &str, quota: &Quota, now: Instant) -> Result<Admitted, Refused> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(principal.to_owned()).or_default();
        if let Some(max) = quota.max_concurrent
            && taken.n_running >= max
        {
            let reason = format!("{principal} already has {max} at the same time");
            return Err(Refused { reason, retry_after: NEXT_END });
        }
        match quota.rate {
            Some(rate) => {
                let old = |at: &Instant| now.saturating_duration_since(*at) >= rate.period;
                while taken.begun_at.front().is_some_and(old) {
                    taken.begun_at.pop_front();
                }
                // The one whose age makes room for the next: a reload may have lowered the rate.
                let over = taken.begun_at.len().checked_sub(rate.n_runs);
                if let Some(at) = over.and_then(|over| taken.begun_at.get(over)) {
                    let age = now.saturating_duration_since(*at);
                    let reason = format!("{principal} has had its {rate}");
                    return Err(Refused { reason, retry_after: rate.period.saturating_sub(age) });
                }
                taken.begun_at.push_back(now);
            }
            None => taken.begun_at.clear(),
        }
        taken.n_running += 1;
        Ok(Admitted { principal: principal.to_owned(), admission: self.clone() })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut all = self.admission.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.principal) {
            taken.n_running = taken.n_running.saturating_sub(1);
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period.as_secs() {
            1 => "a second",
            60 => "a minute",
            3_600 => "an hour",
            _ => "a day",
        };
        write!(f, "{} runs in {unit}", self.n_runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn rate(n_runs: usize) -> Quota {
        Quota { max_concurrent: None, rate: Some(Rate { n_runs, period: MINUTE }) }
    }

    #[test]
    fn no_span_of_the_period_has_more_runs_than_the_rate() {
        let (admission, start) = (Admission::default(), Instant::now());
        let mut let_in = Vec::new();
        // Every three seconds for ten minutes, at most five a minute.
        for n in 0..200 {
            let now = start + n * Duration::from_secs(3);
            if admission.admit("a", &rate(5), now).is_ok() {
                let_in.push(now);
            }
        }
        assert_eq!(let_in.len(), 50);
        for (n, first) in let_in.iter().enumerate() {
            let span = let_in[n..].iter().take_while(|at| **at - *first < MINUTE);
            assert!(span.count() <= 5);
        }
    }

    #[test]
    fn a_refusal_says_when_and_then_it_is_true() {
        let (admission, start) = (Admission::default(), Instant::now());
        for n in 0..3 {
            admission.admit("a", &rate(3), start + n * Duration::from_secs(10)).unwrap();
        }
        let now = start + Duration::from_secs(25);
        let refused = admission.admit("a", &rate(3), now).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(35));
        assert!(refused.reason.contains("3 runs in a minute"), "{refused}");
        let early = now + Duration::from_millis(34_999);
        admission.admit("a", &rate(3), early).unwrap_err();
        admission.admit("a", &rate(3), now + refused.retry_after).unwrap();
    }

    #[test]
    fn a_lower_rate_of_a_new_policy_counts_what_ran_before() {
        let (admission, start) = (Admission::default(), Instant::now());
        for n in 0..5 {
            admission.admit("a", &rate(5), start + n * Duration::from_secs(10)).unwrap();
        }
        let now = start + Duration::from_secs(45);
        let refused = admission.admit("a", &rate(2), now).unwrap_err();
        // The fourth, at 30 s, must be a minute old.
        assert_eq!(refused.retry_after, Duration::from_secs(45));
        admission.admit("a", &rate(2), now + refused.retry_after).unwrap();
    }

    #[test]
    fn runs_at_the_same_time_are_counted_until_they_end_and_for_each_principal_alone() {
        let (admission, now) = (Admission::default(), Instant::now());
        let quota = Quota { max_concurrent: Some(2), rate: None };
        let one = admission.admit("a", &quota, now).unwrap();
        let two = admission.admit("a", &quota, now).unwrap();
        let refused = admission.admit("a", &quota, now).unwrap_err();
        assert!(refused.retry_after > Duration::ZERO);
        drop(admission.admit("b", &quota, now).unwrap());
        drop(one);
        let three = admission.admit("a", &quota, now).unwrap();
        admission.admit("a", &quota, now).unwrap_err();
        drop((two, three));
        admission.admit("a", &quota, now).unwrap();
    }

    #[test]
    fn a_run_that_is_not_let_in_does_not_use_the_rate_up() {
        let (admission, now) = (Admission::default(), Instant::now());
        let quota = Quota { max_concurrent: Some(1), ..rate(2) };
        let one = admission.admit("a", &quota, now).unwrap();
        for _ in 0..10 {
            admission.admit("a", &quota, now).unwrap_err();
        }
        drop(one);
        admission.admit("a", &quota, now).unwrap();
    }
}
