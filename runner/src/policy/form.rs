//! From a grammar as it is written to one that parses: flags, options, positionals, sub-commands.
//! What could be read in two ways is refused here, so that parsing never has to choose.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;

use super::kind::{refuse_option_keys, scalar, value_type};
use super::parse::At;
use super::raw::{RawNode, RawPositional, RawType, Table, Word, Words};
use super::rule::{Node, Opt, Positional, Rest, Style};
use crate::diagnostic::Report;

/// Deepest nesting of sub-commands.
const MAX_DEPTH: usize = 4;

/// Makes the grammar of a command or sub-command; `span` is the place of its name.
pub(super) fn node(
    raw: &RawNode,
    span: &Range<usize>,
    depth: usize,
    at: &At,
    report: &mut Report,
) -> Node {
    let flags = flags(&raw.flags, at, report);
    let options = options(&raw.options, at, report);
    check_overlap(raw, &options, at, report);
    let mut known: Vec<&str> = flags.iter().map(String::as_str).collect();
    known.extend(raw.options.keys().map(|name| name.get_ref().as_str()));
    let mut groups = |what, raw: &[Words]| groups(what, raw, &known, at, report);
    let at_most_one_of = groups("at_most_one_of", &raw.at_most_one_of);
    let requires = groups("requires", &raw.requires);
    let conflicts = groups("conflicts", &raw.conflicts);
    let end_of_options = raw.end_of_options.as_ref().is_some_and(|end| *end.get_ref());
    if !raw.sub.is_empty() && (raw.positional.is_some() || end_of_options) {
        report
            .error(&at.place(span.clone()), "sub-commands and values stand at the same place")
            .help("give positional and end_of_options to the sub-commands instead");
    }
    let rest = if raw.sub.is_empty() {
        let positionals = raw.positional.as_ref().map_or(&[][..], |several| several.0.as_slice());
        Rest::Positionals(self::positionals(positionals, at, report))
    } else {
        Rest::Subs(subs(&raw.sub, depth, at, report))
    };
    Node { flags, options, end_of_options, at_most_one_of, requires, conflicts, rest }
}

fn subs(
    raw: &Table<RawNode>,
    depth: usize,
    at: &At,
    report: &mut Report,
) -> BTreeMap<String, Node> {
    let mut subs = BTreeMap::new();
    for (name, raw) in raw {
        let text = name.get_ref();
        let place = at.place(name.span());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if !plain || text.is_empty() || text.starts_with('-') {
            report.error(&place, "this is no name of a sub-command");
        }
        if depth >= MAX_DEPTH {
            report.error(&place, format!("sub-commands nest deeper than {MAX_DEPTH}"));
            continue;
        }
        subs.insert(text.clone(), node(raw, &name.span(), depth + 1, at, report));
    }
    subs
}

fn flags(raw: &Words, at: &At, report: &mut Report) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for flag in raw {
        let place = at.place(flag.span());
        if !is_token(flag.get_ref()) {
            report.error(&place, "this is no flag").help(
                "a flag starts with '-' or '+' and is one printable word; \"--\" is end_of_options",
            );
        } else if !flags.insert(flag.get_ref().clone()) {
            report.error(&place, format!("{} is listed twice", flag.get_ref()));
        }
    }
    flags
}

fn options(raw: &Table<RawType>, at: &At, report: &mut Report) -> BTreeMap<String, Opt> {
    let mut options = BTreeMap::new();
    for (name, raw) in raw {
        if !is_token(name.get_ref()) || name.get_ref().contains('=') {
            report
                .error(&at.place(name.span()), "this is no name of an option")
                .help("it starts with '-' or '+' and has no '='; see style for NAME=VALUE");
        }
        if let Some(option) = option(name, raw, at, report) {
            options.insert(name.get_ref().clone(), option);
        }
    }
    options
}

fn option(name: &Word, raw: &RawType, at: &At, report: &mut Report) -> Option<Opt> {
    let style = match raw.style.as_ref().map(|style| (style.get_ref().as_str(), style)) {
        None | Some(("separate", _)) => Style::Separate,
        Some(("equals", _)) => Style::Equals,
        Some(("attached", _)) => Style::Attached,
        Some((other, style)) => {
            let known = ["separate", "equals", "attached"];
            report.unknown_word(&at.place(style.span()), "style", other, &known);
            return None;
        }
    };
    let value = value_type(raw, at, report)?;
    if style == Style::Attached && value.is_text() {
        report
            .error(&at.place(name.span()), "an attached text can spell any other option")
            .help("use style = \"separate\", or a regex of the characters that are meant");
    }
    let required = raw.required.as_ref().is_some_and(|required| *required.get_ref());
    let default = raw.default.as_ref().map(|default| scalar(default.get_ref()));
    if let (Some(text), Some(raw)) = (&default, &raw.default) {
        if let Err(why) = value.accept(text) {
            report
                .error(&at.place(raw.span()), format!("the default is no value of its type: {why}"))
                .help(format!("allowed is {value}"));
        }
        if value.secret {
            report
                .error(&at.place(raw.span()), "a secret with a default is told by the policy")
                .help("take the default out, and let the request give it");
        }
        if required {
            report
                .error(&at.place(raw.span()), "an option that must be given needs no default")
                .help(format!("{}: take one of them out", name.get_ref()));
        }
    }
    let repeat = match &raw.repeat {
        None => 1,
        Some(n) => match usize::try_from(*n.get_ref()) {
            Ok(times) if (1..=proto::limit::ARGS).contains(&times) => times,
            _ => {
                report.error(&at.place(n.span()), "repeat is not in 1 to 64");
                1
            }
        },
    };
    Some(Opt { value, style, required, default, repeat })
}

/// A word that an attached value would make ambiguous.
fn check_overlap(raw: &RawNode, options: &BTreeMap<String, Opt>, at: &At, report: &mut Report) {
    let words: Vec<&Word> = raw.flags.iter().chain(raw.options.keys()).collect();
    for (name, option) in options {
        let start = match option.style {
            Style::Attached => name.clone(),
            Style::Equals => format!("{name}="),
            Style::Separate => continue,
        };
        for word in &words {
            let text = word.get_ref();
            if text != name && text.starts_with(&start) {
                report
                    .error(
                        &at.place(word.span()),
                        format!("{text} can also be read as {name} and a value"),
                    )
                    .help(format!("give {name} another style, or take one of them out"));
            }
        }
    }
    for flag in &raw.flags {
        if options.contains_key(flag.get_ref()) {
            report.error(
                &at.place(flag.span()),
                format!("{} is a flag and an option", flag.get_ref()),
            );
        }
    }
}

fn groups(
    what: &str,
    raw: &[Words],
    known: &[&str],
    at: &At,
    report: &mut Report,
) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    for group in raw {
        for word in group {
            if !known.contains(&word.get_ref().as_str()) {
                report.unknown_word(
                    &at.place(word.span()),
                    "flag or option beside it",
                    word.get_ref(),
                    known,
                );
            }
        }
        if let [only] = group.as_slice() {
            report.error(&at.place(only.span()), format!("{what} needs two words or more"));
        }
        groups.push(group.iter().map(|word| word.get_ref().clone()).collect());
    }
    groups
}

fn positionals(raw: &[RawPositional], at: &At, report: &mut Report) -> Vec<Positional> {
    let mut positionals = Vec::new();
    let last = raw.len().saturating_sub(1);
    for (n, raw) in raw.iter().enumerate() {
        refuse_option_keys(&raw.value, at, report);
        let min = count(raw.min.as_ref(), 1, at, report);
        let max = count(raw.max.as_ref(), min.max(1), at, report);
        let place = at.place(raw.name.span());
        if max < min || max == 0 {
            report.error(&place, format!("{} has a max under its min", raw.name.get_ref()));
        }
        if n < last && min != max {
            report
                .error(&place, "only the last positional may come in a varying number")
                .help("give it the same min and max, or move it to the end");
        }
        let Some(value) = value_type(&raw.value, at, report) else { continue };
        positionals.push(Positional { name: raw.name.get_ref().clone(), min, max, value });
    }
    positionals
}

fn count(raw: Option<&Spanned<u64>>, base: usize, at: &At, report: &mut Report) -> usize {
    let Some(raw) = raw else { return base };
    match usize::try_from(*raw.get_ref()) {
        Ok(n) if n <= proto::limit::ARGS => n,
        _ => {
            report.error(
                &at.place(raw.span()),
                format!("more than {} arguments never come", proto::limit::ARGS),
            );
            base
        }
    }
}

/// A flag or the name of an option.
fn is_token(text: &str) -> bool {
    let starts = text.starts_with(['-', '+']);
    starts && text.len() > 1 && text != "--" && text.bytes().all(|b| b.is_ascii_graphic())
}
