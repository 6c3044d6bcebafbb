//! From files to a policy, with every problem of all files reported at once. Files are merged without
//! order: a name exists once, wherever it stands.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::command::{self, Context};
use super::defaults;
use super::grants;
use super::raw::{self, RawCommand, RawEngagement, RawFile, RawPrincipal, RawProfile, Word};
use super::reach::Profiles;
use super::rule::Policy;
use super::trust::Trust;
use crate::diagnostic::{Place, Report, SourceFile};
use crate::plan::Limits;

/// The only version of the format.
const VERSION: i64 = 1;
/// The newest Landlock ABI that a policy may ask for.
const MAX_LANDLOCK_ABI: i64 = 9;

/// A policy that may be used, and what an operator should look at.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// Warnings only.
    pub warnings: Report,
}

/// Makes a policy of these files. Reads nothing but the programs that they name.
pub fn parse(files: &[SourceFile], trust: &Trust) -> Result<Loaded, Report> {
    let mut report = Report::new(files);
    let mut merged = Merged::default();
    for source in files {
        let told = report.diagnostics().len();
        let raw = raw::read(source, &mut report);
        let whole = report.diagnostics().len() == told;
        merged.add(raw, source, whole, &mut report);
    }
    let policy = merged.finish(files, trust, &mut report);
    if report.has_errors() {
        return Err(report);
    }
    Ok(Loaded { policy, warnings: report })
}

/// A file, as the owner of places.
#[derive(Debug, Clone)]
pub(super) struct At {
    file: Arc<str>,
}

impl At {
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place { file: Arc::clone(&self.file), span }
    }
}

/// Everything of one kind by its name, with the place of it.
pub(super) type Named<T> = BTreeMap<String, (At, Range<usize>, T)>;

/// The tables of all files.
#[derive(Default)]
struct Merged {
    landlock_abi: Option<i64>,
    defaults: Option<(Place, Limits, BTreeMap<String, String>)>,
    profiles: Named<RawProfile>,
    engagements: Named<RawEngagement>,
    principals: Named<RawPrincipal>,
    commands: Named<RawCommand>,
}

impl Merged {
    /// Adds a file; `whole` says that nothing of it was unreadable.
    fn add(&mut self, raw: RawFile, source: &SourceFile, whole: bool, report: &mut Report) {
        let at = At { file: Arc::from(source.name.as_str()) };
        match raw.version {
            Some(version) if *version.get_ref() == VERSION => {}
            Some(version) => {
                report
                    .error(&at.place(version.span()), "this version of the format is not known")
                    .help(format!("this runner reads version = {VERSION}"));
            }
            None if whole => {
                report
                    .file_error(&source.name, "the version of the format is missing")
                    .help(format!("begin the file with: version = {VERSION}"));
            }
            None => {}
        }
        if let Some(abi) = raw.require.and_then(|require| require.landlock_abi) {
            if (1..=MAX_LANDLOCK_ABI).contains(abi.get_ref()) {
                self.landlock_abi = self.landlock_abi.max(Some(*abi.get_ref()));
            } else {
                report
                    .error(&at.place(abi.span()), "there is no such Landlock ABI")
                    .help(format!("1 to {MAX_LANDLOCK_ABI}; Debian 12 has 2, Debian 13 has 6"));
            }
        }
        if let Some(raw) = raw.defaults {
            let place = at.place(raw.span());
            if let Some((first, ..)) = &self.defaults {
                report.duplicate(&place, first, "[defaults]");
            } else {
                let mut raw = raw.into_inner();
                let env =
                    raw.env.take().map_or_else(built_in_env, |env| command::env(&env, &at, report));
                let limits = defaults::of_file(raw, &at, report);
                self.defaults = Some((place, limits, env));
            }
        }
        merge(&mut self.profiles, raw.profile, &at, "the profile", report);
        merge(&mut self.engagements, raw.engagement, &at, "the engagement", report);
        merge(&mut self.principals, raw.principal, &at, "the principal", report);
        merge(&mut self.commands, raw.command, &at, "the command", report);
    }

    fn finish(self, files: &[SourceFile], trust: &Trust, report: &mut Report) -> Policy {
        let (limits, env) = match self.defaults {
            Some((_, limits, env)) => (limits, env),
            None => (defaults::built_in(), built_in_env()),
        };
        let landlock_abi = self.landlock_abi.and_then(|abi| u8::try_from(abi).ok()).unwrap_or(1);
        let profiles = Profiles(&self.profiles);
        let engagements = grants::engagements(&self.engagements, report);
        let context = Context {
            limits: &limits,
            env: &env,
            profiles: &profiles,
            engagements: &engagements,
            trust,
            landlock_abi,
        };
        profiles.check(report);
        let mut policy = Policy {
            sha256: digest(files),
            landlock_abi,
            rules: BTreeMap::new(),
            keys: BTreeMap::new(),
            shared_paths: BTreeMap::new(),
            engagements: engagements.clone(),
            principals: BTreeMap::new(),
            users: BTreeMap::new(),
        };
        let mut names: BTreeMap<String, Place> = BTreeMap::new();
        for (name, (at, span, _)) in &self.commands {
            names.insert(name.clone(), at.place(span.clone()));
        }
        for (at, _, raw) in self.commands.values() {
            let path = raw.path.get_ref().clone();
            names.entry(path).or_insert_with(|| at.place(raw.path.span()));
        }
        for (name, (at, span, raw)) in self.commands {
            let aliases: Vec<Word> = raw.aliases.clone();
            for alias in &aliases {
                let place = at.place(alias.span());
                if let Some(first) = names.get(alias.get_ref()) {
                    report.duplicate(&place, &first.clone(), "this key of a command");
                    continue;
                }
                names.insert(alias.get_ref().clone(), place);
                policy.keys.insert(alias.get_ref().clone(), name.clone());
            }
            let rule = context.rule(&name, &span, raw, &at, report);
            policy.rules.insert(name, rule);
        }
        index_paths(&mut policy);
        grants::principals(&self.principals, &mut policy, report);
        grants::review(&policy, &self.engagements, &self.principals, &names, report);
        if policy.rules.is_empty() && !report.has_errors() {
            let first = files.first().map_or("policy", |file| file.name.as_str());
            report
                .file_error(first, "the policy has no command")
                .help("add a [command.NAME] with a path, or copy one of the shipped policies");
        }
        policy
    }
}

fn merge<T>(
    all: &mut Named<T>,
    table: BTreeMap<Word, T>,
    at: &At,
    what: &str,
    report: &mut Report,
) {
    for (name, raw) in table {
        let span = name.span();
        let name = name.into_inner();
        let place = at.place(span.clone());
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !plain || name.is_empty() || name.len() > 64 || name.starts_with(['-', '.']) {
            report
                .error(&place, format!("{what} has a name that cannot be used"))
                .help("up to 64 letters, digits, '-', '_' and '.', a letter or digit first");
            continue;
        }
        if let Some((first_at, first, _)) = all.get(&name) {
            let first = first_at.place(first.clone());
            report.duplicate(&place, &first, &format!("{what} {name}"));
            continue;
        }
        all.insert(name, (at.clone(), span, raw));
    }
}

/// A path finds its rule as long as only one rule runs it.
fn index_paths(policy: &mut Policy) {
    let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in policy.rules.values() {
        by_path.entry(&rule.path).or_default().push(&rule.name);
    }
    let mut keys = Vec::new();
    for (path, names) in by_path {
        match names.as_slice() {
            [only] => keys.push((path.to_owned(), (*only).to_owned())),
            several => {
                let names = several.iter().map(|name| (*name).to_owned()).collect();
                policy.shared_paths.insert(path.to_owned(), names);
            }
        }
    }
    policy.keys.extend(keys);
}

fn built_in_env() -> BTreeMap<String, String> {
    defaults::ENV.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn digest(files: &[SourceFile]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        // Without the directory, so that hosts can be compared.
        let name = Path::new(&file.name).file_name().and_then(OsStr::to_str);
        for part in [name.unwrap_or(&file.name), &file.text] {
            let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
            hash.update(len.to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
