//! One config file: its path, its text, and where in it a byte is. What it shows of itself in a
//! diagnostic is masked, so that an excerpt never carries a secret.

use std::fmt;
use std::path::PathBuf;

use super::mask;

/// Bytes of a file, from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Where a person finds it; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A line as a diagnostic shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The byte that it begins at.
    pub start: usize,
    /// Its text without the line end, secrets masked byte for byte.
    pub shown: &'a str,
}

/// A config file.
pub struct Source {
    /// Its number in the order of loading, from 0.
    pub number: usize,
    /// The path, as the operator wrote it.
    pub path: PathBuf,
    /// The text.
    pub text: String,
    shown: String,
    starts: Vec<usize>,
}

impl Source {
    /// Takes a file in. An unreadable one has no text.
    pub fn new(number: usize, path: PathBuf, text: String) -> Self {
        let shown = mask::mask(&text);
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { number, path, text, shown, starts }
    }

    /// Where a byte is. One past the end is the end.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.line_start(line);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Position { line, column }
    }

    /// The byte of a line (from 1) and a column in bytes (from 1), on a character's edge.
    pub fn offset(&self, line: usize, byte_column: usize) -> usize {
        let offset = self.line_start(line) + byte_column.saturating_sub(1);
        self.text.floor_char_boundary(offset)
    }

    /// A line, counted from 1.
    pub fn line(&self, number: usize) -> Line<'_> {
        let start = self.line_start(number);
        let rest = self.shown.get(start..).unwrap_or_default();
        Line { start, shown: rest.lines().next().unwrap_or_default() }
    }

    fn line_start(&self, number: usize) -> usize {
        self.starts.get(number.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(0, "a.json".into(), text.to_owned())
    }

    #[test]
    fn a_position_counts_characters_and_lines_from_one() {
        let source = source("ab\n\u{e4}\u{f6}x\n");
        let at = |offset| {
            let Position { line, column } = source.position(offset);
            (line, column)
        };
        assert_eq!([at(0), at(1), at(3)], [(1, 1), (1, 2), (2, 1)]);
        assert_eq!([at(7), at(9)], [(2, 3), (3, 1)]);
    }

    #[test]
    fn a_line_has_no_line_end_and_an_offset_no_half_character() {
        let source = source("ab\r\n\u{e4}\u{f6}\n");
        assert_eq!(source.line(1), Line { start: 0, shown: "ab" });
        assert_eq!(source.line(2), Line { start: 4, shown: "\u{e4}\u{f6}" });
        assert_eq!(source.line(9).shown, "");
        assert_eq!(source.offset(2, 2), 4);
        assert_eq!(source.offset(2, 3), 6);
    }

    #[test]
    fn debug_output_has_no_text() {
        assert_eq!(format!("{:?}", source("secret")), "\"a.json\"");
    }
}
