//! What a log shows of a request that was refused. Its words were not understood, so any of them may
//! be the secret that the rule takes: only the rule's own words are shown as they are.

use std::collections::BTreeSet;

use proto::Execute;

use super::rule::{Node, Policy, Rest};

impl Node {
    /// Whether a word of this language may be a secret.
    pub fn has_secret(&self) -> bool {
        self.options.values().any(|option| option.value.secret)
            || match &self.rest {
                Rest::Positionals(several) => several.iter().any(|one| one.value.secret),
                Rest::Subs(subs) => subs.values().any(Self::has_secret),
            }
    }
}

/// The arguments of a refused request. What may be a secret is shown as `mask` says.
pub fn shown_args(
    policy: &Policy,
    request: &Execute,
    mask: impl Fn(&str) -> String,
) -> Vec<String> {
    let mut known = BTreeSet::from(["--"]);
    let may_be_secret = match policy.find(&request.command) {
        Some(rule) => {
            words_of(&rule.grammar, &mut known);
            rule.grammar.has_secret()
        }
        // Nobody knows which rule was meant.
        None => policy.rules.values().any(|rule| rule.grammar.has_secret()),
    };
    let show = |word: &str| {
        if !may_be_secret || known.contains(word) {
            return word.to_owned();
        }
        match word.split_once('=') {
            Some((name, value)) if known.contains(name) => format!("{name}={}", mask(value)),
            Some(_) | None => mask(word),
        }
    };
    request.args.iter().map(|word| show(word.as_str())).collect()
}

fn words_of<'p>(node: &'p Node, words: &mut BTreeSet<&'p str>) {
    words.extend(node.flags.iter().chain(node.options.keys()).map(String::as_str));
    if let Rest::Subs(subs) = &node.rest {
        for (name, sub) in subs {
            words.insert(name);
            words_of(sub, words);
        }
    }
}

#[cfg(test)]
mod tests;
