//! A report for people (`file:line:column` with an excerpt) and for programs (a JSON object a line).

use std::borrow::Cow;
use std::fmt;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::diagnostic::{Diagnostic, Report, Severity};
use super::source::Position;

/// A longer line is not shown: its place is.
const MAX_EXCERPT: usize = 4_096;

/// A report as text with excerpts, without colours.
#[derive(Debug)]
pub struct Text<'a>(pub &'a Report);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0.diagnostics {
            writeln!(f, "{}\n", text(diagnostic))?;
        }
        if self.0.omitted > 0 {
            writeln!(f, "{} more problems are not shown\n", self.0.omitted)?;
        }
        Ok(())
    }
}

/// A report as JSON lines.
#[derive(Debug)]
pub struct JsonLines<'a>(pub &'a Report);

impl fmt::Display for JsonLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0.diagnostics {
            let line = serde_json::to_string(&object(diagnostic)).map_err(|_error| fmt::Error)?;
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn text(diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = diagnostic.source.path.display().to_string();
    let place: Element<'_> = match diagnostic.span {
        None => Origin::path(path).into(),
        Some(span) => {
            let Position { line: number, column } = diagnostic.source.position(span.start);
            let line = diagnostic.source.line(number);
            if line.shown.len() > MAX_EXCERPT {
                Origin::path(path).line(number).char_column(column).into()
            } else {
                let start = (span.start - line.start).min(line.shown.len());
                let end = (span.end - line.start).clamp(start, line.shown.len());
                let mark = AnnotationKind::Primary.span(start..end);
                Snippet::source(line.shown).line_start(number).path(path).annotation(mark).into()
            }
        }
    };
    let group = level.primary_title(diagnostic.message.as_str()).element(place);
    let help = diagnostic.help.as_deref().map(|help| Level::HELP.message(help));
    Renderer::plain().render(&[group.elements(help)])
}

/// A problem for programs; what it has not is `null`.
#[derive(Serialize)]
struct Object<'a> {
    severity: &'static str,
    file: Cow<'a, str>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    message: &'a str,
    help: Option<&'a str>,
}

fn object(diagnostic: &Diagnostic) -> Object<'_> {
    let at = |offset| diagnostic.source.position(offset);
    let (start, end) = diagnostic.span.map(|span| (at(span.start), at(span.end))).unzip();
    Object {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        file: diagnostic.source.path.to_string_lossy(),
        line: start.map(|at| at.line),
        column: start.map(|at| at.column),
        end_line: end.map(|at| at.line),
        end_column: end.map(|at| at.column),
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
    }
}
