//! From the caller's words to typed values, and from those to the canonical words. Every token must
//! be named by the rule or be a value of a type; there are no abbreviations, no bundles, no guesses.

use std::borrow::Cow;

use super::rule::{Node, Opt, Positional, Rest, Style};
use super::value::Value;
use crate::diagnostic::nearest;

/// Longest piece of a caller's word that a refusal repeats, characters.
const MAX_ECHO: usize = 40;

/// Why words are not in the language of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Which word, from 0, if it is about one.
    pub argument: Option<usize>,
    /// What is wrong and what would be right. Repeats no value.
    pub reason: String,
}

/// One piece of a parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'r> {
    /// `--` before positionals.
    EndOfOptions,
    /// A flag of the rule.
    Flag(&'r str),
    /// An option of the rule with its value.
    Option(&'r str, Style, Value),
    /// A positional of the rule.
    Positional(&'r str, Value),
    /// A sub-command of the rule.
    Sub(&'r str),
}

/// Parses the caller's words. The items are in canonical order.
pub fn parse<'r, S: AsRef<str>>(node: &'r Node, words: &[S]) -> Result<Vec<Item<'r>>, Refused> {
    let mut items = Vec::new();
    let mut node = node;
    let mut rest: Vec<(usize, &str)> = words.iter().map(AsRef::as_ref).enumerate().collect();
    loop {
        let level = Level::read(node, &rest)?;
        let given = level.complete(node)?;
        items.extend(given);
        match &node.rest {
            Rest::Positionals(positionals) => {
                positionals_of(positionals, node, &level.plain, &mut items)?;
                return Ok(items);
            }
            Rest::Subs(subs) => {
                let names: Vec<&str> = subs.keys().map(String::as_str).collect();
                let Some(((at, word), after)) = level.plain.split_first() else {
                    return refuse(None, format!("a sub-command is missing: {}", names.join(", ")));
                };
                let Some((name, sub)) = subs.get_key_value(*word) else {
                    return refuse(Some(*at), no_such("sub-command", word, &names));
                };
                items.push(Item::Sub(name));
                node = sub;
                rest = after.to_vec();
            }
        }
    }
}

/// The values among items.
pub fn values<'a>(items: &'a [Item<'_>]) -> impl Iterator<Item = &'a Value> {
    items.iter().filter_map(|item| match item {
        Item::Option(_, _, value) | Item::Positional(_, value) => Some(value),
        Item::EndOfOptions | Item::Flag(_) | Item::Sub(_) => None,
    })
}

/// Writes items as words of a command line.
pub fn render(items: &[Item<'_>]) -> Vec<String> {
    let mut words = Vec::new();
    for item in items {
        match item {
            Item::EndOfOptions => words.push("--".to_owned()),
            Item::Flag(name) | Item::Sub(name) => words.push((*name).to_owned()),
            Item::Option(name, Style::Attached, value) => {
                words.push(format!("{name}{}", value.as_str()));
            }
            Item::Option(name, Style::Equals, value) => {
                words.push(format!("{name}={}", value.as_str()));
            }
            Item::Option(name, Style::Separate, value) => {
                words.push((*name).to_owned());
                words.push(value.as_str().to_owned());
            }
            Item::Positional(_, value) => words.push(value.as_str().to_owned()),
        }
    }
    words
}

/// What one level of a command line said.
struct Level<'r, 'w> {
    /// Flags and options in the caller's order, each with its place.
    given: Vec<(usize, Item<'r>)>,
    /// The other words. Where sub-commands follow, everything from the first of them.
    plain: Vec<(usize, &'w str)>,
}

impl<'r, 'w> Level<'r, 'w> {
    fn read(node: &'r Node, words: &[(usize, &'w str)]) -> Result<Self, Refused> {
        let mut level = Self { given: Vec::new(), plain: Vec::new() };
        let mut words = words.iter().copied();
        while let Some((at, word)) = words.next() {
            if let Some(flag) = node.flags.get(word) {
                if level.times(flag) > 0 {
                    return refuse(Some(at), format!("{flag} is given twice"));
                }
                level.given.push((at, Item::Flag(flag)));
            } else if let Some((name, option, attached)) = option_of(node, word) {
                let Some((value_at, value)) =
                    attached.map(|value| (at, value)).or_else(|| words.next())
                else {
                    return refuse(Some(at), format!("{name} needs a value: {}", option.value));
                };
                if level.times(name) >= option.repeat {
                    let reason = match option.repeat {
                        1 => format!("{name} is given twice"),
                        n => format!("{name} may be given at most {n} times"),
                    };
                    return refuse(Some(at), reason);
                }
                let value = option.value.accept(value).map_err(|why| Refused {
                    argument: Some(value_at),
                    reason: format!("the value of {name}: {why}; allowed is {}", option.value),
                })?;
                let value = value.in_word(value_at);
                level.given.push((at, Item::Option(name, option.style, value)));
            } else if word == "--" && node.end_of_options {
                level.plain.extend(words);
                break;
            } else if word.starts_with('-') {
                return refuse(Some(at), unknown_token(node, word));
            } else if matches!(node.rest, Rest::Subs(_)) {
                level.plain.push((at, word));
                level.plain.extend(words);
                break;
            } else {
                level.plain.push((at, word));
            }
        }
        Ok(level)
    }

    /// Adds what the rule adds, and checks what the words say together.
    fn complete(&self, node: &'r Node) -> Result<Vec<Item<'r>>, Refused> {
        let mut items: Vec<Item<'r>> = self.given.iter().map(|(_, item)| item.clone()).collect();
        for (name, option) in &node.options {
            if self.times(name) > 0 {
                continue;
            }
            if let Some(default) = &option.default {
                // Checked when the policy was loaded; asked again so that only `accept` makes values.
                let value = option.value.accept(default).map_err(|why| Refused {
                    argument: None,
                    reason: format!("the rule's default of {name}: {why}"),
                })?;
                items.push(Item::Option(name, option.style, value));
            } else if option.required {
                return refuse(None, format!("{name} is missing: {}", option.value));
            }
        }
        let has = |name: &String| items.iter().any(|item| named(item) == Some(name));
        let at = |name: &String| {
            self.given.iter().find(|(_, item)| named(item) == Some(name)).map(|(at, _)| *at)
        };
        for group in &node.at_most_one_of {
            let mut found = group.iter().filter(|name| has(name));
            if let (Some(first), Some(second)) = (found.next(), found.next()) {
                let reason = format!("{first} and {second}: at most one of them may be given");
                return refuse(at(second).max(at(first)), reason);
            }
        }
        for group in &node.requires {
            let Some((first, others)) = group.split_first() else { continue };
            if let Some(missing) = others.iter().find(|name| !has(name)).filter(|_| has(first)) {
                return refuse(at(first), format!("{first} needs {missing} beside it"));
            }
        }
        for group in &node.conflicts {
            let Some((first, others)) = group.split_first() else { continue };
            if let Some(other) = others.iter().find(|name| has(name)).filter(|_| has(first)) {
                return refuse(
                    at(other).max(at(first)),
                    format!("{first} does not go with {other}"),
                );
            }
        }
        Ok(items)
    }

    fn times(&self, name: &str) -> usize {
        self.given.iter().filter(|(_, item)| named(item) == Some(name)).count()
    }
}

fn named<'a>(item: &Item<'a>) -> Option<&'a str> {
    match item {
        Item::Flag(name) | Item::Option(name, ..) => Some(name),
        Item::EndOfOptions | Item::Positional(..) | Item::Sub(_) => None,
    }
}

/// The option that a word names, and the value if it is in the word.
fn option_of<'r, 'w>(node: &'r Node, word: &'w str) -> Option<(&'r str, &'r Opt, Option<&'w str>)> {
    if let Some((name, option)) = node.options.get_key_value(word) {
        return (option.style == Style::Separate).then_some((name.as_str(), option, None));
    }
    node.options.iter().find_map(|(name, option)| {
        let tail = word.strip_prefix(name.as_str())?;
        let value = match option.style {
            Style::Attached => tail,
            Style::Equals => tail.strip_prefix('=')?,
            Style::Separate => return None,
        };
        Some((name.as_str(), option, Some(value)))
    })
}

fn positionals_of<'r>(
    positionals: &'r [Positional],
    node: &Node,
    plain: &[(usize, &str)],
    items: &mut Vec<Item<'r>>,
) -> Result<(), Refused> {
    if node.end_of_options && !plain.is_empty() {
        items.push(Item::EndOfOptions);
    }
    let mut plain = plain.iter();
    for positional in positionals {
        let mut n = 0;
        while n < positional.max {
            let Some((at, word)) = plain.next() else { break };
            let value = positional.value.accept(word).map_err(|why| Refused {
                argument: Some(*at),
                reason: format!("{}: {why}; allowed is {}", positional.name, positional.value),
            })?;
            items.push(Item::Positional(&positional.name, value.in_word(*at)));
            n += 1;
        }
        if n < positional.min {
            let reason = match positional.min {
                1 => format!("{} is missing: {}", positional.name, positional.value),
                min => format!("{} wants at least {min}: {}", positional.name, positional.value),
            };
            return refuse(None, reason);
        }
    }
    match plain.next() {
        None => Ok(()),
        Some((at, _)) if positionals.is_empty() => {
            refuse(Some(*at), "this takes only its own flags and options".to_owned())
        }
        Some((at, _)) => {
            let max: usize = positionals.iter().map(|positional| positional.max).sum();
            refuse(Some(*at), format!("too many values: at most {max} may be given"))
        }
    }
}

fn unknown_token(node: &Node, word: &str) -> String {
    if word == "--" {
        return "this takes no \"--\"".to_owned();
    }
    // What follows '=' may be a secret, and the name alone says what is wrong.
    let name = word.split('=').next().unwrap_or(word);
    if let Some((name, option)) = node.options.get_key_value(name) {
        return match option.style {
            Style::Attached => format!("{name} takes its value attached: {name}VALUE"),
            Style::Equals => format!("{name} takes its value after '=': {name}=VALUE"),
            Style::Separate => format!("{name} takes its value as the next argument"),
        };
    }
    if node.flags.contains(name) {
        return format!("{name} takes no value");
    }
    // The same for what is attached to a short option.
    let short = node.options.keys().find(|option| option.len() == 2 && name.starts_with(*option));
    if let Some(option) = short {
        return format!("{option} takes its value as the next argument, and nothing attached");
    }
    let known = node.flags.iter().chain(node.options.keys());
    no_such("flag or option", name, &known.map(String::as_str).collect::<Vec<_>>())
}

fn no_such(what: &str, word: &str, known: &[&str]) -> String {
    let shown = echo(word);
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("no {what} \"{shown}\" is allowed; the nearest is {near}"),
        None if known.is_empty() => format!("no {what} \"{shown}\" is allowed; there are none"),
        None => format!("no {what} \"{shown}\" is allowed; there are {}", known.join(", ")),
    }
}

/// A caller's word, short and without anything that acts on a terminal.
pub(super) fn echo(word: &str) -> Cow<'_, str> {
    let plain = word.bytes().all(|b| b.is_ascii_graphic());
    if plain && word.len() <= MAX_ECHO {
        return Cow::Borrowed(word);
    }
    let mut text: String = word.chars().take(MAX_ECHO).flat_map(char::escape_default).collect();
    if word.chars().nth(MAX_ECHO).is_some() {
        text.push_str("...");
    }
    Cow::Owned(text)
}

fn refuse<T>(argument: Option<usize>, reason: String) -> Result<T, Refused> {
    Err(Refused { argument, reason })
}
