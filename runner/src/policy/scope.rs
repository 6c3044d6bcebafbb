//! Whether the values of a request lie inside an engagement that its principal has and that is open.

use std::time::SystemTime;

use proto::DenyCode;

use super::engagement::{Cover, Engagement};
use super::principal::Principal;
use super::rule::Policy;
use super::value::Value;
use super::value::target::Target;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outside {
    pub(super) code: DenyCode,
    /// Which of the caller's words, from 0, if it is about one.
    pub(super) argument: Option<usize>,
    /// Repeats no value.
    pub(super) reason: String,
}

/// The one engagement that has all targets of a request; `None` if it has no target. One and not
/// several, so that the log can say under whose permission a run was made.
pub(super) fn engagement<'p>(
    policy: &'p Policy,
    principal: Option<&Principal>,
    values: &[Value],
    now: SystemTime,
) -> Result<Option<&'p Engagement>, Outside> {
    let of = |value: &Value| value.targets().iter().map(|t| (value.word(), t.clone())).collect();
    let targets: Vec<(Option<usize>, Target)> = values.iter().flat_map::<Vec<_>, _>(of).collect();
    let Some((first, _)) = targets.first() else { return Ok(None) };
    let no = |code, argument, reason: String| Err(Outside { code, argument, reason });
    let Some(principal) = principal else {
        let reason = "it leads to a host, and the policy has no principal with an engagement";
        return no(DenyCode::Scope, *first, reason.to_owned());
    };
    let ours: Vec<&Engagement> =
        principal.engagements.iter().filter_map(|name| policy.engagements.get(name)).collect();
    let has = |engagement: &&&Engagement| {
        targets.iter().all(|(_, target)| engagement.cover(target) == Cover::Inside)
    };
    let having: Vec<&Engagement> = ours.iter().filter(has).copied().collect();
    if let Some(open) = having.iter().find(|engagement| engagement.window.is_open(now)) {
        return Ok(Some(open));
    }
    if let Some(closed) = having.first() {
        let reason = format!("the engagement {} is open {}", closed.name, closed.window);
        return no(DenyCode::Window, None, reason);
    }
    for (word, target) in &targets {
        let covers: Vec<Cover> = ours.iter().map(|one| one.cover(target)).collect();
        if covers.contains(&Cover::Inside) {
            continue;
        }
        let excluding = ours.iter().zip(&covers).find(|(_, cover)| **cover == Cover::Excluded);
        let reason = match (excluding, ours.as_slice()) {
            (Some((by, _)), _) => {
                format!("the engagement {} excludes it: {}", by.name, by.excludes)
            }
            (None, []) => {
                format!("it leads to a host, and {} has no engagement", principal.name)
            }
            (None, some) => {
                let shown: Vec<String> =
                    some.iter().map(|one| format!("{} has {}", one.name, one.includes)).collect();
                format!("it is outside of every engagement: {}", shown.join("; "))
            }
        };
        return no(DenyCode::Scope, *word, reason);
    }
    let reason = "no engagement has all of these hosts: ask for those of each one alone";
    no(DenyCode::Scope, None, reason.to_owned())
}
