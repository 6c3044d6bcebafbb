//! Files to tools: reads, parses, merges, and reports every problem of every file at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonc_parser::ast::Value as Ast;

use super::Loaded;
use super::command;
use super::diagnostic::{Diagnostic, Report, Severity, place};
use super::last_wins::LastWins;
use super::node::{Entry, Keys, Reader, opening};
use super::service;
use super::source::{Source, Span};
use crate::limits;
use crate::model::name::ToolName;
use crate::model::tool::Tool;

const ROOT: Keys = Keys {
    what: "a config",
    // `$schema` is for editors.
    read: &["services", "commands", "$schema"],
    not_yet: &[],
    tuning: &[],
    idle: &[],
};

/// A tool, and where it comes from.
#[derive(Debug)]
pub(super) struct Found {
    /// The tool.
    pub tool: Tool,
    /// The file.
    pub source: Arc<Source>,
    /// The place of its `id`.
    pub at: Span,
}

/// Reads and loads files. `env` is the environment that `${VAR}` and `tokenEnvVar` look in.
pub(super) fn files(
    paths: &[PathBuf],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Report> {
    let mut report = Report::default();
    let mut sources = Vec::with_capacity(paths.len());
    for (number, path) in paths.iter().enumerate() {
        match read(path) {
            Ok(text) => sources.push(Arc::new(Source::new(number, path.clone(), text))),
            Err(error) => {
                let source = Arc::new(Source::new(number, path.clone(), String::new()));
                report.push(whole_file(source, error.to_string()));
            }
        }
    }
    sources_to_tools(&sources, env, report)
}

/// Loads texts that are read already.
pub(super) fn texts(
    texts: &[(PathBuf, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Report> {
    let numbered = texts.iter().enumerate();
    let sources: Vec<_> = numbered
        .map(|(number, (path, text))| Arc::new(Source::new(number, path.clone(), text.clone())))
        .collect();
    sources_to_tools(&sources, env, Report::default())
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("cannot read the file: {0}")]
    Io(std::io::Error),
    #[error("cannot read the file: it is no regular file")]
    Kind,
    #[error("the file is over {} bytes", limits::CONFIG_BYTES)]
    Size,
    #[error("the file is no UTF-8 text; byte {0} is the first wrong one")]
    Utf8(usize),
}

fn read(path: &Path) -> Result<String, ReadError> {
    // A pipe would block the open, a device the read.
    if !std::fs::metadata(path).map_err(ReadError::Io)?.is_file() {
        return Err(ReadError::Kind);
    }
    let file = File::open(path).map_err(ReadError::Io)?;
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > limits::CONFIG_BYTES) {
        return Err(ReadError::Size);
    }
    String::from_utf8(bytes).map_err(|error| ReadError::Utf8(error.utf8_error().valid_up_to()))
}

fn whole_file(source: Arc<Source>, message: String) -> Diagnostic {
    Diagnostic { severity: Severity::Error, source, span: None, message, help: None }
}

/// A service or a group, with its file.
struct Part<'a> {
    source: &'a Arc<Source>,
    entry: Entry<'a>,
}

fn sources_to_tools(
    sources: &[Arc<Source>],
    env: &dyn Fn(&str) -> Option<String>,
    mut report: Report,
) -> Result<Loaded, Report> {
    let mut asts = Vec::with_capacity(sources.len());
    for source in sources {
        match parse(source) {
            Ok(ast) => asts.push((source, ast)),
            Err(diagnostic) => report.push(diagnostic),
        }
    }
    let (mut services, mut commands) = (LastWins::default(), LastWins::default());
    for (source, ast) in &asts {
        let mut cx = Reader { source: Arc::clone(source), env, report: &mut report };
        let Some(root) = cx.fields(ast, &ROOT) else { continue };
        let mut n_parts = 0;
        for (key, parts) in [("services", &mut services), ("commands", &mut commands)] {
            let Some(entry) = root.get(key) else { continue };
            let Some(entries) = cx.map(entry.value, &root.name(key)) else { continue };
            n_parts += entries.len();
            for entry in entries {
                merge(&mut cx, parts, Part { source, entry }, key);
            }
        }
        if n_parts == 0 && root.get("services").is_none_or(|entry| is_object(entry.value)) {
            let help = "add an entry to `services` or `commands`";
            cx.error(opening(ast), "the file has neither services nor commands", help);
        }
    }
    let mut found = Vec::new();
    for Part { source, entry } in services.into_entries() {
        let mut cx = Reader { source: Arc::clone(source), env, report: &mut report };
        found.extend(service::read(&mut cx, entry));
    }
    for Part { source, entry } in commands.into_entries() {
        let mut cx = Reader { source: Arc::clone(source), env, report: &mut report };
        found.extend(command::read(&mut cx, entry));
    }
    check_names(&found, &mut report);
    report.sort();
    if report.n_errors() > 0 {
        return Err(report);
    }
    Ok(Loaded { tools: found.into_iter().map(|found| found.tool).collect(), warnings: report })
}

fn is_object(value: &Ast<'_>) -> bool {
    matches!(value, Ast::Object(_))
}

/// The later of two entries with one key is used.
fn merge<'a>(cx: &mut Reader<'_>, parts: &mut LastWins<Part<'a>>, part: Part<'a>, kind: &str) {
    let Entry { key, key_span, .. } = part.entry;
    if let Some(first) = parts.insert(key.to_owned(), part) {
        let there = place(first.source, Some(first.entry.key_span));
        let message = format!("`{key}` of `{kind}` replaces the one at {there}");
        cx.warning(key_span, message, "rename or remove one");
    }
}

/// Parses strict JSON. `serde_json` judges, so that what the second parser sees is JSON, and not
/// nested deeper than 128; the second one knows where everything is.
fn parse(source: &Arc<Source>) -> Result<Ast<'_>, Diagnostic> {
    let broken = |at: usize, message: String| {
        let rest = source.text.get(at..).unwrap_or_default();
        let end = at + rest.chars().next().filter(|&c| c != '\n').map_or(0, char::len_utf8);
        let help = rest
            .starts_with("${")
            .then(|| "a variable is expanded inside a string only; write it in quotes".to_owned());
        Diagnostic {
            severity: Severity::Error,
            source: Arc::clone(source),
            span: Some(Span { start: at, end }),
            message: format!("the file is no JSON: {message}"),
            help,
        }
    };
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&source.text) {
        let at = source.offset(error.line(), error.column());
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        return Err(broken(at, message.to_owned()));
    }
    let strict = jsonc_parser::ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let collect = jsonc_parser::CollectOptions::default();
    match jsonc_parser::parse_to_ast(&source.text, &collect, &strict) {
        Ok(parsed) => parsed.value.ok_or_else(|| broken(0, "there is nothing in it".to_owned())),
        Err(error) => Err(broken(error.range().start, error.kind().to_string())),
    }
}

/// Reads a tool's name.
pub(super) fn tool_name(cx: &mut Reader<'_>, name: &str, id: Span) -> Option<ToolName> {
    match name.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("the tool's name `{name}` {error}");
            let help = "a tool is named by the service's key, or `command`, `_`, and the `id`";
            cx.error(id, message, help);
            None
        }
    }
}

fn check_names(found: &[Found], report: &mut Report) {
    let mut seen: BTreeMap<&ToolName, &Found> = BTreeMap::new();
    for this in found {
        let Some(first) = seen.insert(&this.tool.name, this) else { continue };
        let there = place(&first.source, Some(first.at));
        report.push(Diagnostic {
            severity: Severity::Error,
            source: Arc::clone(&this.source),
            span: Some(this.at),
            message: format!("two tools are named `{}`", this.tool.name),
            help: Some(format!("the other is at {there}; give one another `id`")),
        });
    }
}
