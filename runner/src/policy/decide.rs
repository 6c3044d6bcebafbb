//! The decision: a pure function of the policy, the request and the work directory's name.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use proto::{Denial, DenyCode, Execute, StdinMode, Text, limit};

use super::grammar::{self, echo};
use super::principal::Principal;
use super::rule::{Policy, Rule, WORKDIR};
use super::scope;
use super::value::Value;
use crate::diagnostic::nearest;
use crate::plan::{Confinement, Plan, Processes};

/// The shortest time that a run is given, whatever the caller asks for.
const MIN_WALL: Duration = Duration::from_millis(1);

/// What the policy says to a request.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes, and exactly this may run.
    Permit(Box<Plan>),
    /// No.
    Deny(Denial),
}

/// Holds a request against the policy. `workdir` is the private directory of the run; it replaces
/// `%workdir` in the policy's own words and never in the caller's. `now` is held against the times of
/// engagements.
pub fn decide(policy: &Policy, request: &Execute, workdir: &str, now: SystemTime) -> Decision {
    match plan(policy, request, workdir, now) {
        Ok(plan) => Decision::Permit(Box::new(plan)),
        Err(denial) => Decision::Deny(denial),
    }
}

fn plan(
    policy: &Policy,
    request: &Execute,
    workdir: &str,
    now: SystemTime,
) -> Result<Plan, Denial> {
    request.check_total().map_err(|over| {
        denial(DenyCode::Argument, None, None, &format!("the arguments: {over}"))
    })?;
    let rule = find(policy, &request.command)?;
    let deny = |code, argument, reason: &str| denial(code, Some(rule), argument, reason);
    let principal = granted(policy, rule, &request.principal)?;
    if let Some(why) = &rule.unavailable {
        return Err(deny(DenyCode::UnknownCommand, None, why));
    }
    let words = Words { workdir };
    let mut values = Vec::new();
    let argv = argv(rule, request, &words, &mut values)?;
    let env = env(rule, request, &words, &mut values)?;
    let engagement = scope::engagement(policy, principal, &values, now)
        .map_err(|no| deny(no.code, no.argument, &no.reason))?;
    Ok(Plan {
        rule: rule.name.clone(),
        principal: principal.map(|principal| principal.name.clone()),
        engagement: engagement.map(|engagement| engagement.name.clone()),
        program: rule.program.clone(),
        argv,
        env,
        cwd: cwd(rule, request, &words)?,
        stdin: match (rule.stdin, request.stdin) {
            (_, StdinMode::Closed) => StdinMode::Closed,
            (StdinMode::Piped, StdinMode::Piped) => StdinMode::Piped,
            (StdinMode::Closed, StdinMode::Piped) => {
                return Err(deny(DenyCode::Stdin, None, "this command takes no stdin"));
            }
        },
        limits: {
            let mut limits = rule.limits.clone();
            if let Some(ms) = request.timeout_ms {
                let asked = Duration::from_millis(u64::from(ms)).max(MIN_WALL);
                limits.wall = limits.wall.min(asked);
            }
            // No run goes on when its engagement is over.
            if let Some(left) = engagement.and_then(|engagement| engagement.window.left(now)) {
                limits.wall = limits.wall.min(left.max(MIN_WALL));
            }
            limits
        },
        confinement: Confinement {
            ro: words.paths(&rule.reach.ro),
            rw: words.paths(&rule.reach.rw),
            exec: words.paths(&rule.reach.exec),
            network: rule.reach.network.0.clone(),
            processes: if rule.reach.host_processes { Processes::Host } else { Processes::Own },
            capabilities: rule.reach.capabilities.clone(),
        },
    })
}

/// Finds the rule, or says which name was probably meant.
pub(super) fn find<'p>(policy: &'p Policy, key: &str) -> Result<&'p Rule, Denial> {
    if let Some(rule) = policy.find(key) {
        return Ok(rule);
    }
    let reason = if let Some(names) = policy.shared_paths.get(key) {
        format!("several commands run this file: ask for one of {}", names.join(", "))
    } else {
        match nearest(key, policy.rules.keys().map(String::as_str)) {
            Some(near) => format!("no command is called \"{}\"; the nearest is {near}", echo(key)),
            None => format!("no command is called \"{}\"", echo(key)),
        }
    };
    Err(denial(DenyCode::UnknownCommand, None, None, &reason))
}

/// The principal that may run the rule; `None` where the policy has no principals, and so anyone may.
fn granted<'p>(
    policy: &'p Policy,
    rule: &Rule,
    user: &str,
) -> Result<Option<&'p Principal>, Denial> {
    let deny = |reason: &str| Err(denial(DenyCode::Principal, Some(rule), None, reason));
    if policy.principals.is_empty() {
        return Ok(None);
    }
    match policy.principal(user) {
        Some(principal) if principal.may_run(&rule.name) => Ok(Some(principal)),
        Some(principal) => deny(&format!(
            "the principal {} may not run {}: its commands do not name it",
            principal.name, rule.name
        )),
        None => deny("no principal of the policy has this user"),
    }
}

/// The whole command line. What the caller gave is added to `values`.
fn argv(
    rule: &Rule,
    request: &Execute,
    words: &Words<'_>,
    values: &mut Vec<Value>,
) -> Result<Vec<String>, Denial> {
    let given: Vec<&str> = request.args.iter().map(Text::as_str).collect();
    let items = grammar::parse(&rule.grammar, &given)
        .map_err(|no| denial(DenyCode::Argument, Some(rule), no.argument, &no.reason))?;
    values.extend(grammar::values(&items).cloned());
    let mut argv = rule.head.clone();
    argv.extend(rule.prefix.iter().map(|word| words.expand(word)));
    argv.extend(grammar::render(&items));
    argv.extend(rule.suffix.iter().map(|word| words.expand(word)));
    let deny = |reason: &str| Err(denial(DenyCode::Argument, Some(rule), None, reason));
    if argv.len() > 2 * limit::ARGS {
        return deny("the whole command line has too many words");
    }
    if argv.iter().any(|word| word.len() > limit::ARG || word.contains('\0')) {
        return deny("a word of the whole command line is too long");
    }
    Ok(argv)
}

fn env(
    rule: &Rule,
    request: &Execute,
    words: &Words<'_>,
    values: &mut Vec<Value>,
) -> Result<Vec<(String, String)>, Denial> {
    let deny = |reason: &str| Err(denial(DenyCode::Environment, Some(rule), None, reason));
    let mut env = rule.env.clone();
    for value in env.values_mut() {
        *value = words.expand(value);
    }
    let mut set: Vec<&str> = Vec::new();
    for var in request.env.iter() {
        let name = var.name.as_str();
        let Some((name, value_type)) = rule.settable_env.get_key_value(name) else {
            let names: Vec<_> = rule.settable_env.keys().map(String::as_str).collect();
            let which = match names.as_slice() {
                [] => "no variable may".to_owned(),
                names => format!("these may: {}", names.join(", ")),
            };
            return deny(&format!("{} may not be set; {which}", echo(name)));
        };
        if set.contains(&name.as_str()) {
            return deny(&format!("{name} is set twice"));
        }
        set.push(name);
        match value_type.accept(&var.value) {
            Ok(value) => {
                env.insert(name.clone(), value.as_str().to_owned());
                values.push(value);
            }
            Err(why) => return deny(&format!("{name}: {why}; allowed is {value_type}")),
        }
    }
    Ok(env.into_iter().collect())
}

fn cwd(rule: &Rule, request: &Execute, words: &Words<'_>) -> Result<PathBuf, Denial> {
    let cwd = words.expand(&rule.cwd);
    match &request.cwd {
        Some(expected) if expected.as_str() != cwd => {
            let reason = match rule.cwd.as_str() {
                WORKDIR => "this command runs in a private empty directory: name none",
                _ => "this command runs in a directory that the policy names: name none",
            };
            Err(denial(DenyCode::WorkingDirectory, Some(rule), None, reason))
        }
        _ => Ok(PathBuf::from(cwd)),
    }
}

fn denial(code: DenyCode, rule: Option<&Rule>, argument: Option<usize>, reason: &str) -> Denial {
    Denial {
        code,
        rule: rule.map(|rule| Text::clipped(rule.name.as_str())),
        argument: argument.and_then(|n| u16::try_from(n).ok()),
        reason: Text::clipped(reason),
    }
}

/// The policy's own words, with the work directory put in.
struct Words<'a> {
    workdir: &'a str,
}

impl Words<'_> {
    fn expand(&self, word: &str) -> String {
        word.replace(WORKDIR, self.workdir)
    }

    fn paths(&self, paths: &BTreeSet<String>) -> Vec<PathBuf> {
        paths.iter().map(|path| PathBuf::from(self.expand(path))).collect()
    }
}
