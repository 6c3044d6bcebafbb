//! `${VAR}` and `~/` inside a string value. Works on parsed values only: what a variable holds can
//! never change a file's structure.
//!
//! ```text
//! reference = "${" name [ ":" default ] "}"
//! name      = 1*( any but ":" and "}" )
//! default   = *( any but "}" )
//! ```

/// A text after expansion.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text. A reference that could not be resolved stands in it as it was written.
    pub(super) text: String,
    /// The variables that are unset or empty and have no default.
    pub(super) unset: Vec<String>,
}

/// Expands one string value. An empty variable counts as unset.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Expanded {
    let mut out = Expanded { text: String::with_capacity(text.len()), unset: Vec::new() };
    let mut rest = text;
    if let Some(below) = text.strip_prefix("~/") {
        match lookup("HOME", env) {
            Some(home) => {
                out.text.push_str(home.trim_end_matches('/'));
                out.text.push('/');
                rest = below;
            }
            None => out.unset.push("HOME".to_owned()),
        }
    }
    while let Some((before, after)) = rest.split_once("${") {
        out.text.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            rest = rest.get(before.len()..).unwrap_or_default();
            break;
        };
        let (name, default) = match inside.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match (lookup(name, env), default) {
            (Some(value), _) => out.text.push_str(&value),
            (None, Some(default)) if !name.is_empty() => out.text.push_str(default),
            (None, _) => {
                out.text.push_str("${");
                out.text.push_str(inside);
                out.text.push('}');
                if !name.is_empty() {
                    out.unset.push(name.to_owned());
                }
            }
        }
        rest = tail;
    }
    out.text.push_str(rest);
    out
}

/// A variable that is set, not empty, and has a name that an environment can hold without
/// surprises (POSIX, 8.1).
pub(super) fn lookup(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_part) {
        return None;
    }
    env(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "QUOTE" => Some("\"${A}~/".to_owned()),
            "EMPTY" => Some(String::new()),
            "HOME" => Some("/home/me/".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn resolves_variables_defaults_and_home() {
        for (text, expanded) in [
            ("", ""),
            ("x${A}y${A}", "xoneyone"),
            ("${A:two}", "one"),
            ("${NO:two}", "two"),
            ("${EMPTY:two}", "two"),
            ("${NO:}", ""),
            ("${NO:http://a:1}", "http://a:1"),
            ("${QUOTE}", "\"${A}~/"),
            ("~/x", "/home/me/x"),
            ("a ~/x", "a ~/x"),
            ("~x", "~x"),
            ("$A {A} $", "$A {A} $"),
        ] {
            let want = Expanded { text: expanded.to_owned(), unset: vec![] };
            assert_eq!(expand(text, &env), want);
        }
    }

    #[test]
    fn keeps_and_names_what_is_unset() {
        for (text, unset) in [
            ("a ${NO} b", vec!["NO"]),
            ("${EMPTY}${NO}", vec!["EMPTY", "NO"]),
            ("${a b}", vec!["a b"]),
        ] {
            assert_eq!(expand(text, &env).text, text);
            assert_eq!(expand(text, &env).unset, unset);
        }
        assert_eq!(expand("~/x", &|_| None).unset, ["HOME"]);
    }

    #[test]
    fn leaves_what_is_no_reference() {
        for text in ["${", "x${A", "${}", "${}${"] {
            assert_eq!(expand(text, &env), Expanded { text: text.to_owned(), unset: vec![] });
        }
        assert_eq!(expand("${:x}", &env).text, "${:x}");
    }

    proptest! {
        #[test]
        fn text_without_a_reference_is_unchanged(text in "[^~$][^$]*") {
            prop_assert_eq!(expand(&text, &env).text, text);
        }

        #[test]
        fn any_text_expands(text in r"(\PC|\$\{|\}|:|A)*") {
            expand(&text, &env);
        }
    }
}
