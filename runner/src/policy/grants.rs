//! From engagements and principals as they are written to what `decide` asks, and what a reviewer
//! would object to in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use toml::Spanned;
use toml::value::{Datetime, Offset};

use super::engagement::{Cover, Engagement, Hosts, NamePattern, Window};
use super::parse::{At, Named};
use super::principal::{ANY, Commands, Principal};
use super::raw::{RawEngagement, RawPrincipal, Word, Words};
use super::rule::Policy;
use super::value::ValueType;
use super::value::host::hostname;
use super::value::net::Net;
use super::value::target::Target;
use crate::admission::{Quota, Rate};
use crate::diagnostic::{Place, Report};
use crate::plan::Network;

/// Most runs of a rate, for each is remembered.
const MAX_RATE: usize = 10_000;

/// Makes the engagements.
pub(super) fn engagements(
    raw: &Named<RawEngagement>,
    report: &mut Report,
) -> BTreeMap<String, Engagement> {
    let mut engagements = BTreeMap::new();
    for (name, (at, span, raw)) in raw {
        let engagement = engagement(name, span, raw, at, report);
        engagements.insert(name.clone(), engagement);
    }
    engagements
}

fn engagement(
    name: &str,
    span: &Range<usize>,
    raw: &RawEngagement,
    at: &At,
    report: &mut Report,
) -> Engagement {
    let place = at.place(span.clone());
    let mut includes = Hosts::default();
    for word in &raw.cidrs {
        match Net::parse(word.get_ref()) {
            Ok(Some(net)) if net.is_too_wide() => {
                report
                    .error(&at.place(word.span()), format!("{net} is wider than any engagement"))
                    .help("at least /8 of IPv4, /16 of IPv6: name the networks that are meant");
            }
            Ok(Some(net)) => includes.nets.push(net),
            Ok(None) => no_net(word, "it is no address", at, report),
            Err(why) => no_net(word, &why.to_string(), at, report),
        }
    }
    for word in &raw.hosts {
        includes.names.extend(name_pattern(word, at, report));
    }
    if raw.cidrs.is_empty() && raw.hosts.is_empty() {
        report
            .error(&place, format!("the engagement {name} has no host"))
            .help("add cidrs = [\"10.20.0.0/16\"] or hosts = [\"app.example\"]");
    }
    let excludes = excludes(raw, &includes, at, report);
    match raw.resolve.as_ref().map(|word| (word.get_ref().as_str(), word)) {
        None | Some(("trust", _)) => {}
        Some(("runner", word)) => {
            report
                .error(&at.place(word.span()), "the runner does not resolve names yet")
                .help("write resolve = \"trust\": a name in hosts is enough, wherever it leads");
        }
        Some((other, word)) => {
            report.unknown_word(&at.place(word.span()), "resolve", other, &["runner", "trust"]);
        }
    }
    Engagement {
        name: name.to_owned(),
        place: format!("{}:{}", place.file, report.line(&place)),
        includes,
        excludes,
        window: window(raw, at, report),
    }
}

fn excludes(raw: &RawEngagement, includes: &Hosts, at: &At, report: &mut Report) -> Hosts {
    let mut excludes = Hosts::default();
    for word in &raw.exclude {
        let place = at.place(word.span());
        match Net::parse(word.get_ref()) {
            Ok(Some(net)) => {
                if let Some(all) = includes.nets.iter().find(|ours| net.contains(ours)) {
                    report
                        .error(&place, format!("{net} excludes all of {all}"))
                        .help("take that network out of cidrs instead");
                } else if !includes.nets.iter().any(|ours| ours.overlaps(&net)) {
                    report
                        .warning(&place, format!("{net} is in none of the cidrs"))
                        .help("what is not in cidrs is out of scope without being excluded");
                }
                excludes.nets.push(net);
            }
            Ok(None) => {
                let Some(pattern) = name_pattern(word, at, report) else { continue };
                if includes.names.contains(&pattern) {
                    report
                        .error(&place, format!("{pattern} is in hosts and excluded"))
                        .help("take it out of hosts instead");
                }
                excludes.names.push(pattern);
            }
            Err(why) => no_net(word, &why.to_string(), at, report),
        }
    }
    excludes
}

fn no_net(word: &Word, why: &str, at: &At, report: &mut Report) {
    report
        .error(&at.place(word.span()), format!("this is no network: {why}"))
        .help("as in 10.20.0.0/16, 10.20.3.4 or 2001:db8:20::/48");
}

fn name_pattern(word: &Word, at: &At, report: &mut Report) -> Option<NamePattern> {
    let text = word.get_ref();
    let beneath = text.strip_prefix("*.");
    let name = match hostname(beneath.unwrap_or(text)) {
        Ok(name) => name,
        Err(why) => {
            report
                .error(&at.place(word.span()), format!("this is no host of an engagement: {why}"))
                .help("as in app.example.org, or *.lab.example.org for all names beneath it");
            return None;
        }
    };
    if beneath.is_none() {
        return Some(NamePattern::Exact(name));
    }
    if !name.contains('.') {
        report
            .error(&at.place(word.span()), format!("*.{name} is wider than any engagement"))
            .help("name the domain that is meant, as in *.example.org");
        return None;
    }
    Some(NamePattern::Beneath(name))
}

fn window(raw: &RawEngagement, at: &At, report: &mut Report) -> Window {
    let mut read = |raw: Option<&Spanned<Datetime>>| {
        let raw = raw?;
        match moment(raw.get_ref()) {
            Ok(moment) => Some(moment),
            Err(why) => {
                report
                    .error(&at.place(raw.span()), why)
                    .help("a day, a time and a zone, as in 2026-10-01T00:00:00Z or +02:00 for Z");
                None
            }
        }
    };
    let window = Window {
        not_before: read(raw.not_before.as_ref()),
        not_after: read(raw.not_after.as_ref()),
    };
    if let (Some(first), Some(last), Some(raw)) =
        (window.not_before, window.not_after, &raw.not_after)
        && last <= first
    {
        report.error(&at.place(raw.span()), "not_after is not after not_before");
    }
    window
}

fn moment(raw: &Datetime) -> Result<SystemTime, &'static str> {
    let minutes = match raw.offset {
        Some(Offset::Z) => 0,
        Some(Offset::Custom { minutes }) => i64::from(minutes),
        None => return Err("a time without a zone is another moment on every host"),
    };
    let at_zero = Datetime { offset: Some(Offset::Z), ..*raw };
    let moment = humantime::parse_rfc3339(&at_zero.to_string())
        .map_err(|_syntax| "this is no moment that an engagement can have")?;
    let shift = Duration::from_secs(minutes.unsigned_abs() * 60);
    let moment = if minutes < 0 { moment.checked_add(shift) } else { moment.checked_sub(shift) };
    moment.ok_or("this is no moment that an engagement can have")
}

/// Makes the principals of a policy that has its rules and engagements, and says which user is which.
pub(super) fn principals(raw: &Named<RawPrincipal>, policy: &mut Policy, report: &mut Report) {
    let mut first_at: BTreeMap<String, Place> = BTreeMap::new();
    for (name, (at, span, raw)) in raw {
        let place = at.place(span.clone());
        if raw.users.is_empty() {
            report
                .error(&place, format!("the principal {name} has no user"))
                .help("add users = [\"...\"] with the ids of `mcpfusion user list`, or \"*\"");
        }
        for user in &raw.users {
            let (text, at) = (user.get_ref(), at.place(user.span()));
            let plain = text.bytes().all(|b| b.is_ascii_graphic());
            if text.is_empty() || text.len() > proto::limit::NAME || !plain {
                report.error(&at, "this can be no user's id");
            } else if let Some(first) = first_at.get(text) {
                report.duplicate(&at, &first.clone(), "the principal of this user");
            } else {
                first_at.insert(text.clone(), at);
                policy.users.insert(text.clone(), name.clone());
            }
        }
        let principal = Principal {
            name: name.clone(),
            place: format!("{}:{}", place.file, report.line(&place)),
            commands: commands(&raw.commands, policy, at, report),
            engagements: names_of("engagement", &raw.engagements, &policy.engagements, at, report),
            quota: quota(raw, at, report),
        };
        if raw.commands.is_empty() {
            report
                .warning(&place, format!("the principal {name} may run nothing"))
                .help("add commands = [\"...\"]");
        }
        policy.principals.insert(name.clone(), principal);
    }
}

fn commands(raw: &Words, policy: &Policy, at: &At, report: &mut Report) -> Commands {
    if raw.iter().any(|word| word.get_ref() == ANY) {
        return Commands::All;
    }
    Commands::Only(names_of("command", raw, &policy.rules, at, report).into_iter().collect())
}

/// The names, each of which must be one of the policy.
fn names_of<T>(
    what: &str,
    raw: &Words,
    known: &BTreeMap<String, T>,
    at: &At,
    report: &mut Report,
) -> Vec<String> {
    for word in raw {
        if !known.contains_key(word.get_ref()) {
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            report.unknown_word(&at.place(word.span()), what, word.get_ref(), &known);
        }
    }
    raw.iter().map(|word| word.get_ref().clone()).collect()
}

fn quota(raw: &RawPrincipal, at: &At, report: &mut Report) -> Quota {
    let max_concurrent = raw.max_concurrent.as_ref().and_then(|raw| {
        if *raw.get_ref() == 0 {
            report.error(&at.place(raw.span()), "a max_concurrent of 0 allows nothing");
        }
        usize::try_from(*raw.get_ref()).ok()
    });
    let rate = raw.rate.as_ref().and_then(|raw| {
        let rate = rate(raw.get_ref());
        if rate.is_none() {
            report.error(&at.place(raw.span()), "this is no rate").help(format!(
                "runs and a span, as in \"60/h\": 1 to {MAX_RATE}, then /s, /m, /h or /d"
            ));
        }
        rate
    });
    Quota { max_concurrent, rate }
}

/// ```text
/// rate = digits "/" ( "s" | "m" | "h" | "d" )
/// ```
fn rate(text: &str) -> Option<Rate> {
    let (runs, unit) = text.split_once('/')?;
    let plain = runs.bytes().all(|b| b.is_ascii_digit());
    let n_runs = runs.parse().ok().filter(|n| plain && (1..=MAX_RATE).contains(n))?;
    let period = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return None,
    };
    Some(Rate { n_runs, period })
}

/// Objects to what cannot work, or was hardly meant.
pub(super) fn review(
    policy: &Policy,
    engagements: &Named<RawEngagement>,
    principals: &Named<RawPrincipal>,
    commands: &BTreeMap<String, Place>,
    report: &mut Report,
) {
    let granted: BTreeSet<&str> = policy
        .principals
        .values()
        .flat_map(|principal| principal.engagements.iter().map(String::as_str))
        .collect();
    for (name, (at, span, _)) in engagements {
        if !granted.contains(name.as_str()) {
            report
                .warning(&at.place(span.clone()), format!("nobody has the engagement {name}"))
                .help("name it in the engagements of a [principal]");
        }
    }
    for (name, (at, span, _)) in principals {
        let Some(principal) = policy.principals.get(name) else { continue };
        let scoped =
            policy.rules.values().find(|rule| rule.has_scope() && principal.may_run(&rule.name));
        if let (Some(rule), []) = (scoped, principal.engagements.as_slice()) {
            report
                .warning(
                    &at.place(span.clone()),
                    format!("{name} may run {} but has no engagement to run it in", rule.name),
                )
                .help("add engagements = [\"...\"], or take the command out");
        }
    }
    for rule in policy.rules.values() {
        let Some(place) = commands.get(&rule.name) else { continue };
        let granted = policy.principals.values().any(|principal| principal.may_run(&rule.name));
        if !policy.principals.is_empty() && !granted {
            report
                .warning(place, format!("nobody may run {}", rule.name))
                .help("name it in the commands of a [principal]");
        }
        if policy.principals.is_empty() && rule.has_scope() {
            report
                .warning(
                    place,
                    format!("{} leads to hosts, and there is no [principal]", rule.name),
                )
                .help("requests with a target are refused until a principal has an engagement");
        }
        let reaches = !matches!(rule.reach.network.0, Network::None | Network::Inspect);
        let unasked = rule.grammar.types().into_iter().any(ValueType::is_unscoped_host);
        if !policy.engagements.is_empty() && reaches && unasked {
            report
                .warning(
                    place,
                    format!("{} takes hosts that no engagement is asked about", rule.name),
                )
                .help("use type = \"target\" for what it connects to");
        }
    }
}

/// Whether an engagement has all of these, whatever the time.
pub(super) fn has_all(engagement: &Engagement, targets: &[Target]) -> bool {
    targets.iter().all(|target| engagement.cover(target) == Cover::Inside)
}

#[cfg(test)]
mod tests;
