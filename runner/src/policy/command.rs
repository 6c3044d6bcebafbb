//! From a command as it is written to a rule: program, words, environment, grants, limits, examples.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use proto::StdinMode;

use super::check;
use super::defaults;
use super::engagement::Engagement;
use super::example;
use super::form;
use super::kind;
use super::parse::At;
use super::program::{self, Role, Unfit};
use super::raw::{RawCommand, RawLimits, Table, Word, Words};
use super::reach::{self, Profiles};
use super::rule::{Rule, WORKDIR};
use super::trust::Trust;
use super::value::{ValueType, file};
use crate::diagnostic::Report;
use crate::plan::Limits;

/// Most words that a policy may add to a command line before, and again after the caller's.
const MAX_FIXED: usize = 24;
/// Longest text about a command, bytes.
const MAX_ABOUT: usize = proto::limit::REASON;

/// What all commands of a policy share.
pub(super) struct Context<'a> {
    pub(super) limits: &'a Limits,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) profiles: &'a Profiles<'a>,
    pub(super) engagements: &'a BTreeMap<String, Engagement>,
    pub(super) trust: &'a Trust,
    pub(super) landlock_abi: u8,
}

impl Context<'_> {
    /// Makes a rule. Where something is wrong the report says so, and the rule is never used.
    pub(super) fn rule(
        &self,
        name: &str,
        span: &Range<usize>,
        mut raw: RawCommand,
        at: &At,
        report: &mut Report,
    ) -> Rule {
        let place = at.place(span.clone());
        let grammar = form::node(&raw.take_node(), span, 0, at, report);
        let (program, head, unavailable) = self.program(&raw, at, report);
        let (reach, profile_env) = reach::reach(&raw, self.profiles, self.landlock_abi, at, report);
        for path in reach.exec.iter().filter(|path| !path.starts_with(WORKDIR)) {
            if let Err(distrust) = program::check_beside(path, self.trust) {
                report
                    .error(&place, format!("{name} may execute {path}, but {distrust}"))
                    .help("only what trusted users alone can change may be executed");
            }
        }
        let mut env = self.env.clone();
        env.extend(profile_env);
        env.extend(self::env(&raw.env, at, report));
        let settable_env = settable_env(&raw, at, report);
        let about = match &raw.about {
            Some(about) if about.get_ref().len() > MAX_ABOUT => {
                report.error(&at.place(about.span()), format!("longer than {MAX_ABOUT} bytes"));
                String::new()
            }
            Some(about) => about.get_ref().clone(),
            None => {
                report
                    .warning(&place, format!("the command {name} does not say what it is for"))
                    .help("add about = \"...\": people and models read it");
                String::new()
            }
        };
        let no_limits = RawLimits::default();
        let limits = raw.limits.as_ref().unwrap_or(&no_limits);
        let rule = Rule {
            name: name.to_owned(),
            about,
            place: format!("{}:{}", place.file, report.line(&place)),
            path: raw.path.get_ref().clone(),
            program,
            unavailable,
            aliases: aliases(&raw.aliases, at, report),
            head,
            prefix: fixed("prefix", &raw.prefix, at, report),
            suffix: fixed("suffix", &raw.suffix, at, report),
            grammar,
            env,
            settable_env,
            cwd: cwd(raw.cwd.as_ref(), at, report),
            stdin: stdin(raw.stdin.as_ref(), at, report),
            limits: defaults::of_command(self.limits, limits, at, report),
            reach,
        };
        check::rule(&rule, &raw, &place, at, report);
        example::run(&rule, &raw.example, self.engagements, &place, at, report);
        rule
    }

    /// The file to execute, the words before the policy's, and why it cannot run here.
    fn program(
        &self,
        raw: &RawCommand,
        at: &At,
        report: &mut Report,
    ) -> (PathBuf, Vec<String>, Option<String>) {
        let roles = match &raw.interpreter {
            Some(interpreter) => vec![(interpreter, Role::Program), (&raw.path, Role::Script)],
            None => vec![(&raw.path, Role::Program)],
        };
        let mut unavailable = None;
        for (word, role) in roles {
            let path = word.get_ref();
            let place = at.place(word.span());
            if let Err(why) = file::check_normal(path) {
                report
                    .error(&place, format!("a program cannot be named like this: {why}"))
                    .help("write the whole path as it is on disk");
                continue;
            }
            match program::check(path, role, self.trust) {
                Ok(()) => {}
                Err(Unfit::Missing) => {
                    report
                        .warning(&place, format!("{path} is not installed here"))
                        .help("requests for it are refused; install it and reload the policy");
                    unavailable = Some("the program is not installed on this host".to_owned());
                }
                Err(Unfit::Refused(what, help)) => {
                    report.error(&place, what).help(help);
                }
            }
        }
        let program = raw.interpreter.as_ref().unwrap_or(&raw.path).get_ref();
        let argv0 = match &raw.argv0 {
            Some(argv0) => {
                let text = argv0.get_ref();
                if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
                    report.error(&at.place(argv0.span()), "this cannot be a program's own name");
                }
                text.clone()
            }
            None => match Path::new(program).file_name().and_then(|name| name.to_str()) {
                Some(name) => name.to_owned(),
                None => program.clone(),
            },
        };
        let mut head = vec![argv0];
        if raw.interpreter.is_some() {
            head.push(raw.path.get_ref().clone());
        }
        (PathBuf::from(program), head, unavailable)
    }
}

/// Checks the names and values of an environment that the policy sets.
pub(super) fn env(raw: &Table<Word>, at: &At, report: &mut Report) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in raw {
        check_env_name(name, at, report);
        if value.get_ref().contains('\0') || value.get_ref().len() > proto::limit::ARG {
            report.error(&at.place(value.span()), "the value is too long or has a NUL");
        }
        env.insert(name.get_ref().clone(), value.get_ref().clone());
    }
    env
}

fn check_env_name(name: &Word, at: &At, report: &mut Report) {
    let text = name.get_ref();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !plain || !first || text.len() > proto::limit::NAME {
        report
            .error(&at.place(name.span()), "this is no name of a variable")
            .help("letters, digits and '_', no digit first");
    }
}

fn settable_env(raw: &RawCommand, at: &At, report: &mut Report) -> BTreeMap<String, ValueType> {
    let mut settable = BTreeMap::new();
    for (name, raw_type) in &raw.settable_env {
        check_env_name(name, at, report);
        kind::refuse_option_keys(raw_type, at, report);
        if raw.env.contains_key(name.get_ref().as_str()) {
            report.error(
                &at.place(name.span()),
                format!("{} is fixed by env and settable as well", name.get_ref()),
            );
        }
        if let Some(value_type) = kind::value_type(raw_type, at, report) {
            settable.insert(name.get_ref().clone(), value_type);
        }
    }
    settable
}

fn aliases(raw: &Words, at: &At, report: &mut Report) -> Vec<String> {
    if let Some(over) = raw.get(proto::limit::NAMES) {
        report.error(&at.place(over.span()), "too many aliases");
    }
    for alias in raw {
        let text = alias.get_ref();
        if text.is_empty() || text.len() > proto::limit::NAME || text.chars().any(char::is_control)
        {
            report.error(&at.place(alias.span()), "this cannot be another name of a command");
        }
    }
    raw.iter().map(|alias| alias.get_ref().clone()).collect()
}

fn fixed(what: &str, raw: &Words, at: &At, report: &mut Report) -> Vec<String> {
    if let Some(over) = raw.get(MAX_FIXED) {
        report.error(&at.place(over.span()), format!("{what} has more than {MAX_FIXED} words"));
    }
    for word in raw {
        if word.get_ref().contains('\0') || word.get_ref().len() > proto::limit::ARG / 2 {
            report.error(&at.place(word.span()), "the word is too long or has a NUL");
        }
    }
    raw.iter().map(|word| word.get_ref().clone()).collect()
}

fn cwd(raw: Option<&Word>, at: &At, report: &mut Report) -> String {
    let Some(raw) = raw else { return WORKDIR.to_owned() };
    let mut one = BTreeSet::new();
    reach::add_paths(&mut one, &vec![raw.clone()], at, report);
    raw.get_ref().clone()
}

fn stdin(raw: Option<&Word>, at: &At, report: &mut Report) -> StdinMode {
    match raw.map(|raw| (raw.get_ref().as_str(), raw)) {
        None | Some(("closed", _)) => StdinMode::Closed,
        Some(("piped", _)) => StdinMode::Piped,
        Some((other, raw)) => {
            report.unknown_word(&at.place(raw.span()), "stdin", other, &["closed", "piped"]);
            StdinMode::Closed
        }
    }
}
