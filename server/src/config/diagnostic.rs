//! What is wrong with a config, and where: collected over all files, never thrown. A message names
//! keys and variables; a value that it quotes is quoted as it was written, not as it was expanded,
//! unless clients are shown it anyway.

use std::sync::Arc;

use super::source::{Source, Span};
use crate::limits;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The config cannot be used.
    Error,
    /// The config can be used, but perhaps not as it was meant.
    Warning,
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub source: Arc<Source>,
    /// Where in the file; `None` is the file as a whole.
    pub span: Option<Span>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// `file:line:column`, or the file alone.
    pub fn place(&self) -> String {
        place(&self.source, self.span)
    }
}

/// `file:line:column`, or the file alone.
pub(super) fn place(source: &Source, span: Option<Span>) -> String {
    let path = source.path.display();
    match span.map(|span| source.position(span.start)) {
        Some(at) => format!("{path}:{}:{}", at.line, at.column),
        None => path.to_string(),
    }
}

/// All problems of a load.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The problems, at most [`limits::CONFIG_DIAGNOSTICS`].
    pub diagnostics: Vec<Diagnostic>,
    /// Problems beyond that.
    pub omitted: usize,
    n_errors: usize,
}

impl Report {
    /// Adds a problem. Its words are cut where a config makes them long.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        let end = diagnostic.message.floor_char_boundary(limits::CONFIG_MESSAGE);
        diagnostic.message.truncate(end);
        if diagnostic.severity == Severity::Error {
            self.n_errors += 1;
        }
        if self.diagnostics.len() < limits::CONFIG_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        } else {
            self.omitted += 1;
        }
    }

    /// How many errors were found, the omitted ones included.
    pub fn n_errors(&self) -> usize {
        self.n_errors
    }

    /// How many warnings were found, the omitted ones included.
    pub fn n_warnings(&self) -> usize {
        self.diagnostics.len() + self.omitted - self.n_errors
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Puts the problems into the order of the files and the places in them.
    pub(super) fn sort(&mut self) {
        let place = |d: &Diagnostic| (d.source.number, d.span.map(|span| span.start));
        self.diagnostics.sort_by_key(place);
    }

    /// The same problems, each an error.
    #[must_use]
    pub fn into_errors(mut self) -> Self {
        self.n_errors = self.diagnostics.len() + self.omitted;
        for diagnostic in &mut self.diagnostics {
            diagnostic.severity = Severity::Error;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(severity: Severity) -> Diagnostic {
        let source = Arc::new(Source::new(0, "a.json".into(), "{\n  1}".to_owned()));
        let span = Some(Span { start: 4, end: 5 });
        Diagnostic { severity, source, span, message: "wrong".to_owned(), help: None }
    }

    #[test]
    fn a_report_is_bounded_and_still_counts() {
        let mut report = Report::default();
        for _ in 0..limits::CONFIG_DIAGNOSTICS {
            report.push(problem(Severity::Warning));
        }
        report.push(problem(Severity::Error));
        assert_eq!(report.diagnostics.len(), limits::CONFIG_DIAGNOSTICS);
        assert_eq!((report.n_errors(), report.omitted), (1, 1));
        assert_eq!(report.n_warnings(), limits::CONFIG_DIAGNOSTICS);
        assert_eq!(report.into_errors().n_errors(), limits::CONFIG_DIAGNOSTICS + 1);
    }

    #[test]
    fn a_place_is_what_editors_jump_to() {
        let mut problem = problem(Severity::Error);
        assert_eq!(problem.place(), "a.json:2:3");
        problem.span = None;
        assert_eq!(problem.place(), "a.json");
    }
}
