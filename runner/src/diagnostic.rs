//! What is wrong with a policy, and where: all of it at once, with the lines of the file that it is
//! about. A `Report` collects and renders; it decides nothing.

use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Most diagnostics that a rendering shows: the rest says nothing that the first did not.
const MAX_SHOWN: usize = 100;

/// One file of a policy: its name for people, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name, with as much of the path as helps to find it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: Arc<str>,
    /// Bytes of its text.
    pub span: Range<usize>,
}

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy loads; somebody should look.
    Warning,
    /// The policy does not load.
    Error,
}

/// One thing to say about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// The file or directory that it is about.
    pub file: Arc<str>,
    /// Bytes of the file, if it is about a part of its text.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Adds what to do.
    pub fn help(&mut self, text: impl Into<String>) {
        self.help = Some(text.into());
    }
}

/// All that is to be said about a policy. Its `Display` is the text for a terminal or a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    sources: Vec<SourceFile>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// A report that can show lines of these files.
    pub fn new(sources: &[SourceFile]) -> Self {
        Self { sources: sources.to_vec(), diagnostics: Vec::new() }
    }

    /// Says that a place of a file is wrong.
    pub fn error(&mut self, at: &Place, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, &at.file, Some(at.span.clone()), message.into())
    }

    /// Says that a place of a file wants a look.
    pub fn warning(&mut self, at: &Place, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, &at.file, Some(at.span.clone()), message.into())
    }

    /// Says that a file or directory as a whole is wrong.
    pub fn file_error(&mut self, file: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, &Arc::from(file), None, message.into())
    }

    /// Says that a name is taken, naming both places.
    pub fn duplicate(&mut self, at: &Place, first: &Place, what: &str) {
        let first_at = self.locate(first);
        self.error(at, format!("{what} is defined twice")).help(format!(
            "the first is at {first_at}; order and overriding do not exist: keep one of them"
        ));
    }

    /// Says that a word is none of those that exist, and which is the nearest.
    pub fn unknown_word(&mut self, at: &Place, what: &str, found: &str, known: &[&str]) {
        let near = nearest(found, known.iter().copied());
        let diagnostic =
            self.error(at, format!("no {what} is called \"{}\"", found.escape_debug()));
        match near {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
            None if known.is_empty() => {}
            None => diagnostic.help(format!("there are: {}", known.join(", "))),
        }
    }

    /// Whether anything forbids the policy to load.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether nothing is to be said.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Everything, in the order of discovery.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// `file:line:column`, from 1, columns in characters.
    pub fn locate(&self, at: &Place) -> String {
        let (line, column) = self.line_column(&at.file, at.span.start);
        format!("{}:{line}:{column}", at.file)
    }

    /// The line of a place, from 1.
    pub fn line(&self, at: &Place) -> usize {
        self.line_column(&at.file, at.span.start).0
    }

    fn push(
        &mut self,
        severity: Severity,
        file: &Arc<str>,
        span: Option<Range<usize>>,
        message: String,
    ) -> &mut Diagnostic {
        let file = Arc::clone(file);
        self.diagnostics.push(Diagnostic { severity, file, span, message, help: None });
        match self.diagnostics.last_mut() {
            Some(last) => last,
            None => unreachable!("one was pushed above"),
        }
    }

    fn source(&self, file: &str) -> Option<&SourceFile> {
        self.sources.iter().find(|source| source.name == file)
    }

    fn line_column(&self, file: &str, offset: usize) -> (usize, usize) {
        let Some(before) = self.source(file).and_then(|source| source.text.get(..offset)) else {
            return (1, 1);
        };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn render(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let shown = diagnostic
            .span
            .clone()
            .and_then(|span| self.source(&diagnostic.file).map(|source| (source, span)));
        let mut group = match shown {
            Some((source, span)) => level.primary_title(diagnostic.message.as_str()).element(
                Snippet::source(source.text.as_str())
                    .path(source.name.as_str())
                    .annotation(AnnotationKind::Primary.span(within(&source.text, &span))),
            ),
            None => level
                .primary_title(format!("{}: {}", diagnostic.file, diagnostic.message))
                .elements(Vec::<annotate_snippets::Message<'_>>::new()),
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().decor_style(DecorStyle::Ascii).render(&[group])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ordered: Vec<&Diagnostic> = self.diagnostics.iter().collect();
        ordered.sort_by_key(|d| Reverse(d.severity));
        for (n, diagnostic) in ordered.iter().take(MAX_SHOWN).enumerate() {
            if n > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&self.render(diagnostic))?;
        }
        if ordered.len() > MAX_SHOWN {
            write!(f, "\n\n{} more are not shown", ordered.len() - MAX_SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// The known word that a person most likely meant, if one is near enough.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(found, word), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// The part of `span` that lies in `text`, on character boundaries.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Report, Place) {
        let text = "a = 1\nb = \"\u{e9}\"; c = 3\n".to_owned();
        let report = Report::new(&[SourceFile { name: "10-x.toml".to_owned(), text }]);
        (report, Place { file: Arc::from("10-x.toml"), span: 12..13 })
    }

    #[test]
    fn renders_the_place_and_the_line_and_the_help() {
        let (mut report, at) = sample();
        report.error(&at, "the value is odd").help("make it even");
        let text = report.to_string();
        assert!(text.contains("error: the value is odd"), "{text}");
        assert!(text.contains("10-x.toml:2:"), "{text}");
        assert!(text.contains("make it even"), "{text}");
    }

    #[test]
    fn a_span_outside_of_the_text_is_no_panic() {
        let (mut report, mut at) = sample();
        at.span = 11..999;
        report.error(&at, "beyond");
        at.span = 500..600;
        report.warning(&at, "far beyond");
        assert!(report.to_string().contains("far beyond"));
    }

    #[test]
    fn warnings_never_crowd_an_error_out_of_the_text() {
        let (mut report, at) = sample();
        for n in 0..MAX_SHOWN + 50 {
            report.warning(&at, format!("warning {n}"));
        }
        assert!(!report.has_errors());
        report.error(&at, "the one").help("this");
        assert!(report.has_errors());
        let text = report.to_string();
        assert!(text.contains("the one") && text.contains("51 more"), "{text}");
    }

    #[test]
    fn columns_are_characters() {
        let (report, at) = sample();
        let at = Place { span: 15..16, ..at };
        assert_eq!(report.locate(&at), "10-x.toml:2:9");
    }

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("--script-arg", ["--script", "--script-args"]), Some("--script-args"));
        assert_eq!(nearest("zzz", ["--script"]), None);
    }
}
