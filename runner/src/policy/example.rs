//! The examples of a rule, which are its tests: they run at every load, and a failing one stops it.
//! They are about words, so they run where the program is not installed as well.

use toml::Spanned;

use super::grammar;
use super::parse::At;
use super::raw::RawExample;
use super::rule::Rule;
use crate::diagnostic::{Place, Report};

/// Runs the examples of a rule.
pub(super) fn run(
    rule: &Rule,
    raw: &[Spanned<RawExample>],
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
        match (&example.get_ref().allow, &example.get_ref().deny) {
            (Some(words), None) => {
                if let Err(no) = grammar::parse(&rule.grammar, words) {
                    let which = no.argument.map(|n| format!("argument {n}: ")).unwrap_or_default();
                    report
                        .error(
                            &place,
                            format!("this example must be allowed{because}, but is denied"),
                        )
                        .help(format!("{which}{no}"));
                }
            }
            (None, Some(words)) => {
                if let Ok(items) = grammar::parse(&rule.grammar, words) {
                    report
                        .error(
                            &place,
                            format!("this example must be denied{because}, but is allowed"),
                        )
                        .help(format!("it would run as {:?}", words_of(&items)));
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                report.error(&place, "an example has either \"allow\" or \"deny\"");
            }
        }
    }
}

fn words_of(items: &[grammar::Item<'_>]) -> Vec<String> {
    grammar::render(items).into_iter().map(|word| word.text).collect()
}
