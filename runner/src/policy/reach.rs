//! What a rule can reach, as it is written: paths of the command and its profiles, capabilities, the
//! network.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use super::command;
use super::parse::{At, Named};
use super::raw::{RawCommand, RawNetwork, RawProfile, Word, Words};
use super::rule::{NetworkGrant, Reach, WORKDIR};
use super::value::file;
use crate::diagnostic::Report;
use crate::plan::Network;

/// The first Landlock ABI that knows TCP ports.
const PORTS_ABI: u8 = 4;
/// Longest chain of profiles.
const MAX_EXTENDS: usize = 8;

/// The profiles of all files.
pub(super) struct Profiles<'a>(pub(super) &'a Named<RawProfile>);

/// Makes what a command can reach, and the environment that its profiles set.
pub(super) fn reach(
    raw: &RawCommand,
    profiles: &Profiles<'_>,
    landlock_abi: u8,
    at: &At,
    report: &mut Report,
) -> (Reach, BTreeMap<String, String>) {
    let (mut reach, env) = profiles.of_command(raw.profile.as_ref(), at, report);
    add_paths(&mut reach.ro, &raw.ro, at, report);
    add_paths(&mut reach.rw, &raw.rw, at, report);
    add_paths(&mut reach.exec, &raw.exec, at, report);
    if raw.interpreter.is_some() {
        reach.ro.insert(raw.path.get_ref().clone());
    }
    reach.capabilities = capabilities(&raw.capabilities, at, report);
    reach.network = network(raw, landlock_abi, at, report);
    reach.host_processes = host_processes(raw, at, report);
    (reach, env)
}

/// Why profiles do not stand on each other.
enum Broken {
    Endless,
    Missing,
}

impl Profiles<'_> {
    /// Reports profiles that stand on nothing, or on themselves, even if no command uses them.
    pub(super) fn check(&self, report: &mut Report) {
        for (at, span, raw) in self.0.values() {
            let mut reach = Reach::default();
            add_paths(&mut reach.ro, &raw.ro, at, report);
            add_paths(&mut reach.rw, &raw.rw, at, report);
            add_paths(&mut reach.exec, &raw.exec, at, report);
            command::env(&raw.env, at, report);
            let Some(extends) = &raw.extends else { continue };
            match self.chain(extends.get_ref()) {
                Ok(_) => {}
                Err(Broken::Endless) => {
                    report
                        .error(&at.place(span.clone()), "the profiles extend each other for ever")
                        .help(format!("a chain has at most {MAX_EXTENDS} profiles"));
                }
                // Told at the profile that names it.
                Err(Broken::Missing) if self.0.contains_key(extends.get_ref()) => {}
                Err(Broken::Missing) => self.tell_missing(extends, at, report),
            }
        }
    }

    /// A profile and those below it, the lowest first.
    fn chain(&self, name: &str) -> Result<Vec<&RawProfile>, Broken> {
        let mut chain = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let (_, _, raw) = self.0.get(name).ok_or(Broken::Missing)?;
            chain.push(raw);
            if chain.len() > MAX_EXTENDS {
                return Err(Broken::Endless);
            }
            next = raw.extends.as_ref().map(|extends| extends.get_ref().as_str());
        }
        chain.reverse();
        Ok(chain)
    }

    fn tell_missing(&self, name: &Word, at: &At, report: &mut Report) {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        report.unknown_word(&at.place(name.span()), "profile", name.get_ref(), &known);
    }

    fn of_command(
        &self,
        name: Option<&Word>,
        at: &At,
        report: &mut Report,
    ) -> (Reach, BTreeMap<String, String>) {
        let mut reach = Reach::default();
        let mut env = BTreeMap::new();
        let Some(name) = name else { return (reach, env) };
        if !self.0.contains_key(name.get_ref()) {
            self.tell_missing(name, at, report);
        }
        // A broken chain was told by `check`, and nothing is granted through it.
        let Ok(chain) = self.chain(name.get_ref()) else { return (reach, env) };
        let text = |words: &Words| words.iter().map(|w| w.get_ref().clone()).collect::<Vec<_>>();
        for raw in chain {
            reach.ro.extend(text(&raw.ro));
            reach.rw.extend(text(&raw.rw));
            reach.exec.extend(text(&raw.exec));
            for (name, value) in &raw.env {
                env.insert(name.get_ref().clone(), value.get_ref().clone());
            }
        }
        (reach, env)
    }
}

/// Adds paths, each absolute or beginning with `%workdir`.
pub(super) fn add_paths(paths: &mut BTreeSet<String>, raw: &Words, at: &At, report: &mut Report) {
    for word in raw {
        let text = word.get_ref();
        let path = match text.strip_prefix(WORKDIR) {
            Some("") => "/",
            Some(rest) => rest,
            None => text,
        };
        let why = match file::check_normal(path) {
            Err(why) => why.to_string(),
            Ok(()) if path.contains(WORKDIR) => "%workdir stands only at its start".to_owned(),
            Ok(()) if path.chars().any(char::is_control) || path.len() > proto::limit::ARG / 2 => {
                "it is too long or has control characters".to_owned()
            }
            Ok(()) => {
                paths.insert(text.clone());
                continue;
            }
        };
        report
            .error(&at.place(word.span()), format!("the path is not usable: {why}"))
            .help("write an absolute path, or one that starts with %workdir");
    }
}

fn capabilities(raw: &Words, at: &At, report: &mut Report) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for word in raw {
        let text = word.get_ref();
        let place = at.place(word.span());
        if !check::CAPABILITIES.contains(&text.as_str()) {
            if check::is_never_kept(text) {
                report
                    .error(
                        &place,
                        format!("{text} acts on the whole host, and no command may keep it"),
                    )
                    .help("take it out; a command that needs it is no command for this runner");
            } else {
                report.unknown_word(&place, "capability", text, &check::CAPABILITIES);
            }
        } else if names.contains(text) {
            report.error(&place, format!("{text} is listed twice"));
        }
        names.push(text.clone());
    }
    names
}

fn host_processes(raw: &RawCommand, at: &At, report: &mut Report) -> bool {
    let Some(word) = &raw.processes else { return false };
    match word.get_ref().as_str() {
        "own" => false,
        "host" => true,
        other => {
            report.unknown_word(&at.place(word.span()), "processes", other, &["own", "host"]);
            false
        }
    }
}

fn network(raw: &RawCommand, landlock_abi: u8, at: &At, report: &mut Report) -> NetworkGrant {
    let Some(raw) = &raw.network else { return NetworkGrant(Network::None) };
    NetworkGrant(match raw.get_ref() {
        RawNetwork::Word(word) => match word.as_str() {
            "none" => Network::None,
            "inspect" => Network::Inspect,
            "any" => Network::Any,
            other => {
                let known = ["none", "inspect", "any"];
                report.unknown_word(&at.place(raw.span()), "network", other, &known);
                Network::None
            }
        },
        RawNetwork::Ports(ports) => {
            if ports.connect_tcp.is_empty() || ports.connect_tcp.contains(&0) {
                report
                    .error(&at.place(raw.span()), "connect_tcp needs ports of 1 to 65535")
                    .help("for no network at all say network = \"none\"");
            }
            if landlock_abi < PORTS_ABI {
                report
                    .error(&at.place(raw.span()), "ports are held by Landlock only from ABI 4 on")
                    .help("require it: [require] landlock_abi = 4; or say network = \"any\"");
            }
            Network::Connect(ports.connect_tcp.clone())
        }
    })
}
