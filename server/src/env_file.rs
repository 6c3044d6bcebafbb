//! The file that stands in for environment variables, such as `/etc/mcpfusion/env`. A variable of
//! the process beats it. Its values may be secrets: they are not printed, not even in errors.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::limits;
use crate::model::secret::Secret;

/// A parsed file.
#[derive(Debug)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    variables: BTreeMap<String, Variable>,
}

/// A variable of the file.
#[derive(Debug)]
pub struct Variable {
    /// The line it is on, from 1.
    pub line: usize,
    /// Its value.
    pub value: Secret,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 is the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// `${`, which other readers of such files expand.
    #[error("variables are not expanded here; write the value out, or put it in single quotes")]
    Expansion,
    /// No `=`.
    #[error("not NAME=value")]
    NoAssignment,
    /// A name that no shell would take.
    #[error("the name before = is not letters, digits and _")]
    Name,
    /// More than [`limits::ENV_FILE_BYTES`].
    #[error("the file is longer than {max} bytes", max = limits::ENV_FILE_BYTES)]
    TooLong,
    /// Text behind a closing quote.
    #[error("there is something behind the closing quote")]
    Trailing,
    /// A quote without its other half.
    #[error("the quote is not closed on this line")]
    Unclosed,
    /// Not text, or a NUL in it.
    #[error("the file is not UTF-8 text")]
    Utf8,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.line {
            0 => write!(f, "{path}: {}", self.what),
            line => write!(f, "{path}:{line}: {}", self.what),
        }
    }
}

impl EnvFile {
    /// Where the file may be; the first that can be read counts.
    pub fn candidates(home: Option<&str>) -> Vec<PathBuf> {
        let system = ["/etc/mcpfusion/env", "/opt/mcpfusion/env"].map(PathBuf::from);
        let own = home.map(|home| Path::new(home).join(".config/mcpfusion/env"));
        system.into_iter().chain(own).collect()
    }

    /// Reads the first of `candidates` that can be read; `None` if none can.
    pub fn first_readable(candidates: &[PathBuf]) -> Result<Option<Self>, Vec<Problem>> {
        for path in candidates {
            let mut bytes = Vec::new();
            let read = File::open(path)
                .and_then(|file| file.take(limits::ENV_FILE_BYTES + 1).read_to_end(&mut bytes));
            if read.is_err() {
                continue;
            }
            let whole = |what| vec![Problem { path: path.clone(), line: 0, what }];
            if u64::try_from(bytes.len()).is_ok_and(|length| length > limits::ENV_FILE_BYTES) {
                return Err(whole(What::TooLong));
            }
            return match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => Self::parse(path, &text).map(Some),
                Ok(_) | Err(_) => Err(whole(What::Utf8)),
            };
        }
        Ok(None)
    }

    /// Reads the text of a file. Of a name that comes twice, the last counts.
    ///
    /// ```text
    /// line    = [ ["export" 1*WS] name "=" value ] [comment]
    /// value   = "'" *any "'"                      ; as it stands
    ///         / DQUOTE *( any / escape ) DQUOTE   ; \n \r \t \" \\ \$
    ///         / *any                              ; trimmed; " #" begins a comment
    /// comment = "#" *any
    /// ```
    pub fn parse(path: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let (mut variables, mut problems) = (BTreeMap::new(), Vec::new());
        for (line, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            match assignment(text.trim()) {
                Ok(Some((name, value))) => {
                    let value = Secret::new(value);
                    variables.insert(name.to_owned(), Variable { line, value });
                }
                Ok(None) => {}
                Err(what) => problems.push(Problem { path: path.to_owned(), line, what }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { path: path.to_owned(), variables })
    }

    /// A variable.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }
}

fn assignment(line: &str) -> Result<Option<(&str, String)>, What> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, value) = line.split_once('=').ok_or(What::NoAssignment)?;
    let name = name.trim();
    let name = match name.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => name,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(allowed) || !name.starts_with(|c: char| allowed(c) && !c.is_ascii_digit())
    {
        return Err(What::Name);
    }
    Ok(Some((name, value_of(value.trim())?)))
}

fn value_of(text: &str) -> Result<String, What> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = quoted.split_once('\'').ok_or(What::Unclosed)?;
        nothing_behind(rest)?;
        return Ok(value.to_owned());
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return double_quoted(quoted);
    }
    let starts_comment = |&(at, _): &(usize, &str)| {
        text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
    };
    let comment = text.match_indices('#').find(starts_comment);
    let value = comment.and_then(|(at, _)| text.get(..at)).unwrap_or(text).trim_end();
    if value.contains("${") {
        return Err(What::Expansion);
    }
    Ok(value.to_owned())
}

fn double_quoted(text: &str) -> Result<String, What> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                nothing_behind(rest.as_str())?;
                return Ok(value);
            }
            '$' if rest.as_str().starts_with('{') => return Err(What::Expansion),
            '\\' => match rest.next().ok_or(What::Unclosed)? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other @ ('"' | '\\' | '$') => value.push(other),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    Err(What::Unclosed)
}

fn nothing_behind(rest: &str) -> Result<(), What> {
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(()) } else { Err(What::Trailing) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn parse(text: &str) -> Result<EnvFile, Vec<Problem>> {
        EnvFile::parse(Path::new("/etc/mcpfusion/env"), text)
    }

    fn value(text: &str) -> String {
        parse(text).unwrap().variable("A").unwrap().value.expose().to_owned()
    }

    #[test]
    fn values_are_read_as_written() {
        for (text, expected) in [
            ("A=b", "b"),
            ("A=", ""),
            ("  export   A =  b c  ", "b c"),
            ("A=b # c", "b"),
            ("A=b#c", "b#c"),
            ("A=# c", ""),
            ("A=http://h/?a=b&c=d", "http://h/?a=b&c=d"),
            ("A='b # \"c\" \\n ${d}' # e", "b # \"c\" \\n ${d}"),
            (r#"A="b # 'c'\n\"\\\$\x" # e"#, "b # 'c'\n\"\\$\\x"),
            ("A=p$ss", "p$ss"),
            ("A=it's", "it's"),
            ("A=b\nA=c", "c"),
            ("\u{feff}A=b\r\n", "b"),
            ("# A=c\n\nA=b", "b"),
            ("exported=c\nA=b", "b"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn every_wrong_line_is_named_and_no_value_is() {
        let text = "OK=1\nsecret1\n2A=secret2\nA B=secret3\nA=\"secret4\nA='secret5' x\nA=${secret6}\nA=\"${secret7}\"";
        let problems = parse(text).unwrap_err();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "/etc/mcpfusion/env:2: not NAME=value",
                "/etc/mcpfusion/env:3: the name before = is not letters, digits and _",
                "/etc/mcpfusion/env:4: the name before = is not letters, digits and _",
                "/etc/mcpfusion/env:5: the quote is not closed on this line",
                "/etc/mcpfusion/env:6: there is something behind the closing quote",
                "/etc/mcpfusion/env:7: variables are not expanded here; write the value out, or \
                 put it in single quotes",
                "/etc/mcpfusion/env:8: variables are not expanded here; write the value out, or \
                 put it in single quotes",
            ]
        );
    }

    #[test]
    fn a_parsed_file_does_not_print_its_values() {
        let printed = format!("{:?}", parse("A=secret").unwrap());
        assert!(printed.contains('A') && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn the_first_file_that_can_be_read_counts() {
        let dir = TempDir::new().unwrap();
        let candidates = ["none", "dir", "first", "second"].map(|name| dir.path().join(name));
        assert!(EnvFile::first_readable(&candidates).unwrap().is_none());
        std::fs::create_dir(&candidates[1]).unwrap();
        std::fs::write(&candidates[2], "A=1").unwrap();
        std::fs::write(&candidates[3], "A=2").unwrap();
        let file = EnvFile::first_readable(&candidates).unwrap().unwrap();
        assert_eq!(file.path, candidates[2]);
        assert_eq!(file.variable("A").unwrap().value.expose(), "1");
    }

    #[test]
    fn what_is_too_long_or_no_text_is_a_problem_of_the_file() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("env");
        let mut at_limit = vec![b'#'; usize::try_from(limits::ENV_FILE_BYTES).unwrap()];
        for (bytes, expected) in [
            (b"A=\xff".to_vec(), Some(What::Utf8)),
            (b"A=\0".to_vec(), Some(What::Utf8)),
            (at_limit.clone(), None),
            (
                {
                    at_limit.push(b'#');
                    at_limit
                },
                Some(What::TooLong),
            ),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let read = EnvFile::first_readable(std::slice::from_ref(&path));
            assert_eq!(read.err().map(|problems| problems[0].what.clone()), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_and_single_quotes_keep_anything(text in "\\PC*", value in "[^'\\n\\r]*") {
            drop(parse(&text));
            let file = parse(&format!("A='{value}'")).unwrap();
            prop_assert_eq!(file.variable("A").unwrap().value.expose(), value);
        }
    }
}
