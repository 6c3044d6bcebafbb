//! An endpoint's `path`, taken apart: literal text made fit for a URL, placeholders, and the query
//! that it may carry.
//!
//! ```text
//! path        = *( literal / placeholder ) [ "?" query ]
//! placeholder = "{" name "}"
//! ```

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a path segment must have encoded (RFC 3986, 3.3). `%` stays: it is checked.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'|');
/// What a query must have encoded (RFC 3986, 3.4).
const QUERY: &AsciiSet = &PATH.add(b'{').add(b'}').add(b'\'');

/// A path whose placeholders have names only.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Beginning with a literal that begins with `/`.
    pub parts: Vec<Part>,
    /// After the `?`.
    pub query: Option<String>,
}

/// A piece of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text, fit for a URL.
    Literal(String),
    /// A parameter's name.
    Name(String),
}

/// A text is no path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPath {
    /// An opening or closing brace alone.
    #[error("has a brace without its partner")]
    Brace,
    /// `.` or `..`, which a URL parser would take away.
    #[error("has a `.` or `..` segment")]
    DotSegment,
    /// `{}`.
    #[error("has a placeholder without a name")]
    EmptyName,
    /// `#`.
    #[error("has a `#`, which is never sent")]
    Fragment,
    /// `%` that encodes nothing.
    #[error("has a `%` without two hexadecimal digits; write `%25` for a per cent sign")]
    Percent,
    /// A placeholder behind the `?`.
    #[error("has a placeholder in its query; make `{0}` a parameter of location `query`")]
    QueryPlaceholder(String),
}

/// Takes a path apart.
pub(super) fn parse(text: &str) -> Result<Path, InvalidPath> {
    if text.contains('#') {
        return Err(InvalidPath::Fragment);
    }
    let bad_percent = |after: &str| {
        let digits = after.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if text.split('%').skip(1).any(bad_percent) {
        return Err(InvalidPath::Percent);
    }
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let is_dot = |segment: &str| {
        matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
    };
    if path.split(['/', '\\']).any(is_dot) {
        return Err(InvalidPath::DotSegment);
    }
    Ok(Path { parts: parts(path)?, query: query.map(fixed_query).transpose()?.flatten() })
}

fn parts(path: &str) -> Result<Vec<Part>, InvalidPath> {
    let mut parts = Vec::new();
    let mut rest = path.trim_start_matches('/');
    let mut before = String::from("/");
    loop {
        let (literal, after) = match rest.split_once('{') {
            Some((literal, after)) => (literal, Some(after)),
            None => (rest, None),
        };
        if literal.contains('}') {
            return Err(InvalidPath::Brace);
        }
        before.extend(utf8_percent_encode(literal, PATH));
        if !before.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut before)));
        }
        let Some(after) = after else { return Ok(parts) };
        let Some((name, tail)) = after.split_once('}') else { return Err(InvalidPath::Brace) };
        match name {
            "" => return Err(InvalidPath::EmptyName),
            name if name.contains('{') => return Err(InvalidPath::Brace),
            name => parts.push(Part::Name(name.to_owned())),
        }
        rest = tail;
    }
}

fn fixed_query(query: &str) -> Result<Option<String>, InvalidPath> {
    let name = query.split_once('{').and_then(|(_, after)| after.split_once('}'));
    if let Some((name, _)) = name {
        return Err(InvalidPath::QueryPlaceholder(name.to_owned()));
    }
    Ok((!query.is_empty()).then(|| utf8_percent_encode(query, QUERY).to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    fn name(text: &str) -> Part {
        Part::Name(text.to_owned())
    }

    #[test]
    fn takes_a_path_apart() {
        for (text, parts, query) in [
            ("/", vec![literal("/")], None),
            ("me/x", vec![literal("/me/x")], None),
            ("/users/{id}", vec![literal("/users/"), name("id")], None),
            ("/root:/{p}:/x('y')", vec![literal("/root:/"), name("p"), literal(":/x('y')")], None),
            ("/{a}{b}?c=d&e= f", vec![literal("/"), name("a"), name("b")], Some("c=d&e=%20f")),
            ("/a b\u{e4}%20", vec![literal("/a%20b%C3%A4%20")], None),
        ] {
            let want = Path { parts, query: query.map(str::to_owned) };
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_a_url_would_change() {
        for (text, error) in [
            ("/a#b", InvalidPath::Fragment),
            ("/a%2", InvalidPath::Percent),
            ("/a/../b", InvalidPath::DotSegment),
            ("/a/%2E./b", InvalidPath::DotSegment),
            ("/{a", InvalidPath::Brace),
            ("/a}", InvalidPath::Brace),
            ("/{a{b}}", InvalidPath::Brace),
            ("/{}", InvalidPath::EmptyName),
            ("/a?b={c}", InvalidPath::QueryPlaceholder("c".to_owned())),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_is_ascii_and_fit_for_a_url(text in r"(\PC|[/{}?%.])*") {
            if let Ok(path) = parse(&text) {
                for part in path.parts {
                    if let Part::Literal(text) = part {
                        let fit = |b: u8| b.is_ascii_graphic() && !br"{}?#".contains(&b);
                        let is_fit = text.bytes().all(fit);
                        prop_assert!(is_fit);
                    }
                }
            }
        }
    }
}
