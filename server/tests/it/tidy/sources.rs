//! The repository as text: its files, and Rust code without comments, literals and tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Of Rust: what is compiled into a program, line by line. Empty for everything else.
    pub(crate) code: String,
}

/// The files of the repository, or of a made-up one.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// The repository that this test was compiled from.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        walk(root, root, &mut files);
        Self::new(files)
    }

    /// Paths and texts.
    pub(crate) fn new(mut files: Vec<(String, String)>) -> Self {
        files.sort();
        let mut tests = BTreeSet::new();
        let rust = files.iter().filter(|(path, _)| is_rust(path));
        rust.for_each(|(path, text)| test_modules(path, text, &mut tests));
        let is_test = |path: &str| {
            path.contains("/tests/")
                || path.ends_with("/tests.rs")
                || tests.iter().any(|test| path == format!("{test}.rs"))
                || tests.iter().any(|test| path.starts_with(&format!("{test}/")))
        };
        let file = |(path, text): (String, String)| {
            let counts = is_rust(&path) && !is_test(&path);
            let code = if counts { without_tests(&blank(&text)) } else { String::new() };
            File { path, text, code }
        };
        Self { files: files.into_iter().map(file).collect() }
    }

    /// Rust code beneath a directory.
    pub(crate) fn code(&self, beneath: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.starts_with(beneath) && is_rust(&file.path))
    }

    /// Whether there is a file or directory of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let beneath = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&beneath))
    }
}

pub(crate) fn is_rust(path: &str) -> bool {
    ends_in(path, "rs")
}

pub(crate) fn ends_in(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// What is neither hidden nor made. A file that is no text is no source.
fn walk(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) {
    const MADE: [&str; 6] =
        [".git", "artifacts", "corpus", "node_modules", "target", "__pycache__"];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci" && name != ".github";
            if !hidden && !MADE.contains(&name) {
                walk(root, &path, files);
            }
        // In a second work tree `.git` is a file.
        } else if name != ".git"
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).unwrap().to_str().unwrap();
            files.push((path.to_owned(), text));
        }
    }
}

/// The modules that `path` declares for tests only, as paths without an ending.
fn test_modules(path: &str, text: &str, tests: &mut BTreeSet<String>) {
    let dir = match path.rsplit_once('/') {
        Some((dir, "lib.rs" | "main.rs" | "mod.rs")) => dir.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]") {
        let name = pair[1].rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
        tests.extend(name.map(|name| format!("{dir}/{name}")));
    }
}

/// `code` without what is compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let (mut depth, mut opened) = (0_usize, false);
        for line in lines.by_ref() {
            opened |= line.contains('{');
            depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
            if (opened && depth == 0) || (!opened && line.ends_with(';')) {
                break;
            }
        }
    }
    kept
}

/// `text` with its comments and the insides of its literals left out; line ends stay.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest, out.chars().next_back()));
        if let Some(n_bytes) = skipped {
            let (inside, after) = rest.split_at(n_bytes);
            out.push(' ');
            out.extend(inside.chars().filter(|c| *c == '\n'));
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The length of the comment that begins here.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let inside = rest.strip_prefix("/*")?;
    Some(inside.find("*/").map_or(rest.len(), |end| end + 4))
}

/// The length of the text or character literal that begins here. `before` is what stands before.
fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    let in_a_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_a_name || before == Some('b')) {
        let n_hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
        if raw[n_hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(n_hashes));
            let inside = &raw[n_hashes + 1..];
            let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
            return Some(1 + n_hashes + 1 + length);
        }
    }
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = &rest[1..];
    // A lifetime has no second quote behind its first character.
    let second = inside.chars().nth(1);
    if quote == '\'' && !inside.starts_with('\\') && second != Some('\'') {
        return None;
    }
    let mut escaped = false;
    let end = inside.char_indices().find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(rest.len(), |(at, _)| at + 2))
}
