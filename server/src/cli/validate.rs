//! `mcpfusion validate`: says what is wrong with config files, and starts nothing.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::diagnostic::Report;
use crate::config::{self, Loaded, render};

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object a line: one a problem, then one with the counts.
    Json,
    /// Excerpts and sentences.
    Text,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The files can be used.
    Fine,
    /// A file is not there.
    NoInput,
    /// The files cannot be used; under `strict`, not without a warning.
    Problems,
}

impl Exit {
    /// The process's exit status, as sysexits.h has them.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::NoInput => 66,
            Self::Problems => 78,
        }
    }
}

/// Loads the files, in which `${NAME}` is what `env` says, and writes what is wrong to `out`.
///
/// # Errors
/// Only those of writing.
pub fn run(
    files: &[PathBuf],
    strict: bool,
    format: Format,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let (report, n_tools) = match config::load(files, env) {
        Ok(Loaded { tools, warnings }) => (warnings, Some(tools.len())),
        Err(report) => (report, None),
    };
    let report = if strict { report.into_errors() } else { report };
    let n_tools = n_tools.filter(|_| report.n_errors() == 0);
    match format {
        Format::Json => json(&report, n_tools, out)?,
        Format::Text => text(&report, n_tools, files.len(), out)?,
    }
    let is_missing = |file: &PathBuf| matches!(file.try_exists(), Ok(false));
    Ok(match n_tools {
        _ if files.iter().any(is_missing) => Exit::NoInput,
        Some(_) => Exit::Fine,
        None => Exit::Problems,
    })
}

fn json(report: &Report, n_tools: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", render::JsonLines(report))?;
    let summary = serde_json::json!({
        "summary": {
            "tools": n_tools,
            "errors": report.n_errors(),
            "warnings": report.n_warnings(),
        }
    });
    writeln!(out, "{summary}")
}

fn text(
    report: &Report,
    n_tools: Option<usize>,
    n_files: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "{}", render::Text(report))?;
    let files = count(n_files, "file");
    let (errors, warnings) =
        (count(report.n_errors(), "error"), count(report.n_warnings(), "warning"));
    match n_tools {
        Some(n_tools) => writeln!(out, "{files}: {}, {warnings}", count(n_tools, "tool")),
        None => writeln!(out, "{files}: {errors}, {warnings}; no tools are loaded"),
    }
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = r#"{"services": {"s": {"name": "S", "baseURL": "https://h",
        "auth": {"type": "none"}, "endpoints": [
            {"id": "e", "name": "E", "method": "GET", "path": "/"}]}}}"#;

    fn validate(text: &str, strict: bool, format: Format) -> (Exit, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let exit = run(&[path], strict, format, &|_| None, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_good_config_says_how_many_tools_it_has() {
        let (exit, out) = validate(GOOD, true, Format::Text);
        assert_eq!(exit, Exit::Fine);
        assert_eq!(out, "1 file: 1 tool, 0 warnings\n");
        let (exit, out) = validate(GOOD, true, Format::Json);
        assert_eq!(exit, Exit::Fine);
        assert_eq!(out, "{\"summary\":{\"errors\":0,\"tools\":1,\"warnings\":0}}\n");
    }

    #[test]
    fn strict_makes_a_warning_an_error() {
        let text = GOOD.replace(r#""id""#, r#""extra": 1, "id""#);
        let (exit, out) = validate(&text, false, Format::Text);
        assert_eq!(exit, Exit::Fine);
        assert!(out.starts_with("warning: unknown key `extra` in an endpoint\n"), "{out}");
        assert!(out.ends_with("\n1 file: 1 tool, 1 warning\n"), "{out}");
        let (exit, out) = validate(&text, true, Format::Text);
        assert_eq!(exit, Exit::Problems);
        assert!(out.starts_with("error: unknown key `extra` in an endpoint\n"), "{out}");
        assert!(out.ends_with("\n1 file: 1 error, 0 warnings; no tools are loaded\n"), "{out}");
    }

    #[test]
    fn a_broken_config_is_a_problem_in_both_formats() {
        for (format, end) in [
            (Format::Text, "1 file: 1 error, 0 warnings; no tools are loaded\n"),
            (Format::Json, "{\"summary\":{\"errors\":1,\"tools\":null,\"warnings\":0}}\n"),
        ] {
            let (exit, out) = validate("{", false, format);
            assert_eq!(exit, Exit::Problems);
            assert!(out.ends_with(end), "{out}");
        }
    }

    #[test]
    fn a_missing_file_is_no_input() {
        let mut out = Vec::new();
        let files = [PathBuf::from("no/such.json")];
        let exit = run(&files, false, Format::Text, &|_| None, &mut out).unwrap();
        assert_eq!(exit, Exit::NoInput);
    }

    #[test]
    fn exit_statuses_are_those_of_sysexits() {
        let codes = [Exit::Fine, Exit::NoInput, Exit::Problems].map(Exit::code);
        assert_eq!(codes, [0, 66, 78]);
    }
}
