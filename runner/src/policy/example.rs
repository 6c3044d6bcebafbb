//! The examples of a rule, which are its tests: they run at every load, and a failing one stops it.
//! They are about words, so they run where the program is not installed as well. Where the words lead
//! is held against the engagement that an example names; without one, a refusal may also be that no
//! engagement has it.

use std::collections::BTreeMap;

use toml::Spanned;

use super::engagement::Engagement;
use super::grammar::{self, Item};
use super::grants;
use super::parse::At;
use super::raw::RawExample;
use super::rule::Rule;
use super::value::target::Target;
use crate::diagnostic::{Place, Report};

/// Runs the examples of a rule.
pub(super) fn run(
    rule: &Rule,
    raw: &[Spanned<RawExample>],
    engagements: &BTreeMap<String, Engagement>,
    place: &Place,
    at: &At,
    report: &mut Report,
) {
    let allowing = raw.iter().filter(|example| example.get_ref().allow.is_some()).count();
    if allowing == 0 || allowing == raw.len() {
        report
            .warning(place, format!("the command {} lacks an example", rule.name))
            .help("add one [[command.NAME.example]] that allows and one that denies");
    }
    for example in raw {
        let place = at.place(example.span());
        let because = match &example.get_ref().because {
            Some(because) => format!(" ({because})"),
            None => String::new(),
        };
        let engagement = match &example.get_ref().engagement {
            None => None,
            Some(name) => {
                let found = engagements.get(name.get_ref());
                if found.is_none() {
                    let known: Vec<&str> = engagements.keys().map(String::as_str).collect();
                    report.unknown_word(
                        &at.place(name.span()),
                        "engagement",
                        name.get_ref(),
                        &known,
                    );
                    continue;
                }
                found
            }
        };
        match (&example.get_ref().allow, &example.get_ref().deny) {
            (Some(words), None) => {
                let why = match (grammar::parse(&rule.grammar, words), engagement) {
                    (Ok(items), Some(one)) if !grants::has_all(one, &targets(&items)) => {
                        format!("the engagement {} does not have its hosts", one.name)
                    }
                    (Ok(_), _) => continue,
                    (Err(no), _) => {
                        let which = no.argument.map(|n| format!("argument {n}: "));
                        format!("{}{no}", which.unwrap_or_default())
                    }
                };
                report
                    .error(&place, format!("this example must be allowed{because}, but is denied"))
                    .help(why);
            }
            (None, Some(words)) => {
                let Ok(items) = grammar::parse(&rule.grammar, words) else { continue };
                let targets = targets(&items);
                let somebody_has = match engagement {
                    Some(one) => grants::has_all(one, &targets),
                    None => engagements.values().any(|one| grants::has_all(one, &targets)),
                };
                if targets.is_empty() || somebody_has {
                    report
                        .error(
                            &place,
                            format!("this example must be denied{because}, but is allowed"),
                        )
                        .help(format!("it would run as {:?}", grammar::render(&items)));
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                report.error(&place, "an example has either \"allow\" or \"deny\"");
            }
        }
    }
}

fn targets(items: &[Item<'_>]) -> Vec<Target> {
    grammar::values(items).flat_map(|value| value.targets().iter().cloned()).collect()
}
