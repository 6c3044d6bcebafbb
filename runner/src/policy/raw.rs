//! The policy file as it is written: TOML tables with the place of every value, nothing judged yet.
//! Reading goes on after a mistake, so that one run shows all of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::value::Datetime;

use crate::diagnostic::{Place, Report, SourceFile};

/// Most mistakes of one file that are looked for: each costs one more reading.
const MAX_MISTAKES: usize = 64;

pub(super) type Word = Spanned<String>;
pub(super) type Words = Vec<Word>;
pub(super) type Table<T> = BTreeMap<Word, T>;

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) version: Option<Spanned<i64>>,
    pub(super) require: Option<RawRequire>,
    pub(super) defaults: Option<Spanned<RawDefaults>>,
    #[serde(default)]
    pub(super) profile: Table<RawProfile>,
    #[serde(default)]
    pub(super) engagement: Table<RawEngagement>,
    #[serde(default)]
    pub(super) principal: Table<RawPrincipal>,
    #[serde(default)]
    pub(super) command: Table<RawCommand>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEngagement {
    #[serde(default)]
    pub(super) cidrs: Words,
    #[serde(default)]
    pub(super) hosts: Words,
    #[serde(default)]
    pub(super) exclude: Words,
    pub(super) not_before: Option<Spanned<Datetime>>,
    pub(super) not_after: Option<Spanned<Datetime>>,
    pub(super) resolve: Option<Word>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrincipal {
    #[serde(default)]
    pub(super) users: Words,
    #[serde(default)]
    pub(super) commands: Words,
    #[serde(default)]
    pub(super) engagements: Words,
    pub(super) max_concurrent: Option<Spanned<u64>>,
    pub(super) rate: Option<Word>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequire {
    pub(super) landlock_abi: Option<Spanned<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDefaults {
    pub(super) wall_s: Option<Spanned<RawSize>>,
    pub(super) grace_s: Option<Spanned<RawSize>>,
    pub(super) cpu_s: Option<Spanned<RawSize>>,
    pub(super) memory: Option<Spanned<RawSize>>,
    pub(super) pids: Option<Spanned<RawSize>>,
    pub(super) nofile: Option<Spanned<RawSize>>,
    pub(super) fsize: Option<Spanned<RawSize>>,
    pub(super) workdir_size: Option<Spanned<RawSize>>,
    pub(super) output: Option<RawOutput>,
    pub(super) stdin: Option<Spanned<RawSize>>,
    pub(super) concurrency: Option<Spanned<RawSize>>,
    pub(super) queue: Option<Spanned<RawSize>>,
    pub(super) queue_s: Option<Spanned<RawSize>>,
    pub(super) env: Option<Table<Word>>,
}

/// The limits of a command: the defaults without `env`, which a command has beside them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) wall_s: Option<Spanned<RawSize>>,
    pub(super) grace_s: Option<Spanned<RawSize>>,
    pub(super) cpu_s: Option<Spanned<RawSize>>,
    pub(super) memory: Option<Spanned<RawSize>>,
    pub(super) pids: Option<Spanned<RawSize>>,
    pub(super) nofile: Option<Spanned<RawSize>>,
    pub(super) fsize: Option<Spanned<RawSize>>,
    pub(super) workdir_size: Option<Spanned<RawSize>>,
    pub(super) output: Option<RawOutput>,
    pub(super) stdin: Option<Spanned<RawSize>>,
    pub(super) concurrency: Option<Spanned<RawSize>>,
    pub(super) queue: Option<Spanned<RawSize>>,
    pub(super) queue_s: Option<Spanned<RawSize>>,
    #[serde(default)]
    pub(super) allow_raise: Words,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOutput {
    pub(super) stdout: Option<Spanned<RawSize>>,
    pub(super) stderr: Option<Spanned<RawSize>>,
    pub(super) head: Option<Spanned<RawSize>>,
    pub(super) hard: Option<Spanned<RawSize>>,
}

/// A number, or one with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a whole number or a size such as \"64M\"")]
pub(super) enum RawSize {
    Number(u64),
    Text(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    pub(super) extends: Option<Word>,
    #[serde(default)]
    pub(super) ro: Words,
    #[serde(default)]
    pub(super) rw: Words,
    #[serde(default)]
    pub(super) exec: Words,
    #[serde(default)]
    pub(super) env: Table<Word>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    pub(super) about: Option<Word>,
    pub(super) path: Word,
    pub(super) interpreter: Option<Word>,
    pub(super) argv0: Option<Word>,
    #[serde(default)]
    pub(super) aliases: Words,
    pub(super) i_know: Option<Word>,
    pub(super) profile: Option<Word>,
    #[serde(default)]
    pub(super) ro: Words,
    #[serde(default)]
    pub(super) rw: Words,
    #[serde(default)]
    pub(super) exec: Words,
    #[serde(default)]
    pub(super) capabilities: Words,
    pub(super) network: Option<Spanned<RawNetwork>>,
    pub(super) processes: Option<Word>,
    #[serde(default)]
    pub(super) prefix: Words,
    #[serde(default)]
    pub(super) suffix: Words,
    #[serde(default)]
    pub(super) env: Table<Word>,
    #[serde(default)]
    pub(super) settable_env: Table<RawType>,
    pub(super) cwd: Option<Word>,
    pub(super) stdin: Option<Word>,
    pub(super) limits: Option<RawLimits>,
    #[serde(default)]
    pub(super) example: Vec<Spanned<RawExample>>,
    #[serde(default)]
    pub(super) flags: Words,
    #[serde(default)]
    pub(super) options: Table<RawType>,
    pub(super) positional: Option<RawPositionals>,
    #[serde(default)]
    pub(super) sub: Table<RawNode>,
    #[serde(default)]
    pub(super) at_most_one_of: Vec<Words>,
    #[serde(default)]
    pub(super) requires: Vec<Words>,
    #[serde(default)]
    pub(super) conflicts: Vec<Words>,
    pub(super) end_of_options: Option<Spanned<bool>>,
}

impl RawCommand {
    /// Takes the grammar out, which a sub-command has in the same words.
    pub(super) fn take_node(&mut self) -> RawNode {
        RawNode {
            flags: std::mem::take(&mut self.flags),
            options: std::mem::take(&mut self.options),
            positional: self.positional.take(),
            sub: std::mem::take(&mut self.sub),
            at_most_one_of: std::mem::take(&mut self.at_most_one_of),
            requires: std::mem::take(&mut self.requires),
            conflicts: std::mem::take(&mut self.conflicts),
            end_of_options: self.end_of_options.take(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    #[serde(default)]
    pub(super) flags: Words,
    #[serde(default)]
    pub(super) options: Table<RawType>,
    pub(super) positional: Option<RawPositionals>,
    #[serde(default)]
    pub(super) sub: Table<Self>,
    #[serde(default)]
    pub(super) at_most_one_of: Vec<Words>,
    #[serde(default)]
    pub(super) requires: Vec<Words>,
    #[serde(default)]
    pub(super) conflicts: Vec<Words>,
    pub(super) end_of_options: Option<Spanned<bool>>,
}

/// `[command.x.positional]` or `[[command.x.positional]]`. Not `untagged`, which would lose the
/// places.
#[derive(Debug)]
pub(super) struct RawPositionals(pub(super) Vec<RawPositional>);

impl<'de> Deserialize<'de> for RawPositionals {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = RawPositionals;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table, or an array of tables")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Self::Value, A::Error> {
                let one = serde::de::value::MapAccessDeserializer::new(map);
                RawPositional::deserialize(one).map(|one| RawPositionals(vec![one]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                seq: A,
            ) -> Result<Self::Value, A::Error> {
                let several = serde::de::value::SeqAccessDeserializer::new(seq);
                Vec::deserialize(several).map(RawPositionals)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPositional {
    pub(super) name: Word,
    pub(super) min: Option<Spanned<u64>>,
    pub(super) max: Option<Spanned<u64>>,
    #[serde(rename = "match")]
    pub(super) value: RawType,
}

/// A value type, and beside it what only an option has. One flat table, because a tagged enum would
/// lose the places; which key goes with which type is checked by `kind`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawType {
    #[serde(rename = "type")]
    pub(super) kind: Word,
    pub(super) style: Option<Word>,
    pub(super) required: Option<Spanned<bool>>,
    pub(super) default: Option<Spanned<RawScalar>>,
    pub(super) repeat: Option<Spanned<u64>>,
    pub(super) value: Option<Word>,
    pub(super) values: Option<Spanned<Words>>,
    pub(super) min: Option<Spanned<RawSize>>,
    pub(super) max: Option<Spanned<RawSize>>,
    pub(super) render: Option<Word>,
    pub(super) pattern: Option<Word>,
    pub(super) ip: Option<Spanned<bool>>,
    pub(super) schemes: Option<Spanned<Words>>,
    pub(super) max_hosts: Option<Spanned<u64>>,
    pub(super) scope: Option<Word>,
    pub(super) beneath: Option<Word>,
    pub(super) names: Option<Spanned<Table<Word>>>,
    pub(super) of: Option<Spanned<Box<Self>>>,
    pub(super) separator: Option<Word>,
    pub(super) max_len: Option<Spanned<u64>>,
    pub(super) lead: Option<Spanned<Words>>,
    pub(super) unicode: Option<Spanned<bool>>,
    pub(super) secret: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string, a whole number or a boolean")]
pub(super) enum RawScalar {
    Bool(bool),
    Number(i64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected \"none\", \"inspect\", \"any\" or { connect_tcp = [443] }")]
pub(super) enum RawNetwork {
    Word(String),
    Ports(RawPorts),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPorts {
    pub(super) connect_tcp: Vec<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExample {
    pub(super) allow: Option<Vec<String>>,
    pub(super) deny: Option<Vec<String>>,
    pub(super) engagement: Option<Word>,
    pub(super) because: Option<String>,
}

/// Reads a file and reports every mistake: each is cut out of the tree, and the rest is read again.
pub(super) fn read(source: &SourceFile, report: &mut Report) -> RawFile {
    let name: Arc<str> = Arc::from(source.name.as_str());
    let at = |span: Range<usize>| Place { file: Arc::clone(&name), span };
    let (root, syntax) = DeTable::parse_recoverable(&source.text);
    if !syntax.is_empty() {
        for error in &syntax {
            report.error(&at(error.span().unwrap_or_default()), error.message());
        }
        return RawFile::default();
    }
    let whole = root.span();
    let mut root = Spanned::new(whole.clone(), DeValue::Table(root.into_inner()));
    let mut cuts: Vec<Range<usize>> = Vec::new();
    for _ in 0..MAX_MISTAKES {
        let error = match RawFile::deserialize(ValueDeserializer::from(root.clone())) {
            Ok(file) => return file,
            Err(error) => error,
        };
        let span = error.span().unwrap_or_else(|| whole.clone());
        // What an earlier cut took away is not missing from the file.
        let ours = error.message().starts_with("missing field")
            && cuts.iter().any(|cut| span.start <= cut.start && cut.end <= span.end);
        if !ours {
            tell(&at(span.clone()), error.message(), report);
        }
        if !cut(root.get_mut(), &span) {
            break;
        }
        cuts.push(span);
    }
    RawFile::default()
}

/// Says what serde says, in the words of the other diagnostics.
fn tell(at: &Place, message: &str, report: &mut Report) {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.split_first() {
        Some((found, known)) if message.starts_with("unknown field") => {
            report.unknown_word(at, "key of this table", found, known);
        }
        Some((missing, _)) if message.starts_with("missing field") => {
            report.error(at, format!("the key \"{missing}\" is missing"));
        }
        _ => {
            report.error(at, message);
        }
    }
}

/// Removes the innermost entry that holds a span.
fn cut(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    match value {
        DeValue::Table(table) => {
            let mut found = None;
            for (key, entry) in table.iter_mut() {
                if cut(entry.get_mut(), span) {
                    return true;
                }
                if holds(key.span()) || holds(entry.span()) {
                    found = Some(key.get_ref().clone().into_owned());
                }
            }
            found.is_some_and(|key| table.remove(key.as_str()).is_some())
        }
        DeValue::Array(array) => array.iter_mut().any(|entry| cut(entry.get_mut(), span)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => false,
    }
}
