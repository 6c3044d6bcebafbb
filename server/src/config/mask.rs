//! Hides what may be a secret in the text that an excerpt is cut from. Works on any text, so that a
//! file that is not JSON leaks nothing either; it guesses from key names and may hide too much.

/// The text with the values of telling keys and the user part of URLs as `*`, byte for byte.
pub(super) fn mask(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut value_is_secret = false;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let end = match byte {
            b'"' => {
                let (inside, end) = string(text, at + 1);
                if value_is_secret && !is_reference(inside) {
                    hide(&mut bytes, at + 1, at + 1 + inside.len());
                }
                hide_userinfo(&mut bytes, inside, at + 1);
                value_is_secret = is_key(text, end) && is_telling(inside);
                end
            }
            byte if byte.is_ascii_whitespace() || matches!(byte, b':' | b'[') => at + 1,
            b'{' | b'}' | b']' | b',' => {
                value_is_secret = false;
                at + 1
            }
            _ => {
                let rest = text.as_bytes().get(at..).unwrap_or_default();
                let len = rest.iter().take_while(|&&b| !b"\",{}[]\n".contains(&b)).count().max(1);
                if value_is_secret {
                    hide(&mut bytes, at, at + len);
                }
                at + len
            }
        };
        at = end;
    }
    // Only whole strings and whole runs up to an ASCII byte were replaced.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The inside of the string that begins at `start`, and where reading goes on. A string ends with
/// its quote, or with its line if the quote is missing.
fn string(text: &str, start: usize) -> (&str, usize) {
    let rest = text.get(start..).unwrap_or_default();
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'\n' => return (rest.get(..at).unwrap_or_default(), start + at),
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return (rest.get(..at).unwrap_or_default(), start + at + 1),
            _ => {}
        }
    }
    (rest, text.len())
}

fn is_key(text: &str, end: usize) -> bool {
    text.get(end..).is_some_and(|rest| rest.trim_start().starts_with(':'))
}

fn is_telling(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let names_no_secret = key.ends_with("envvar") || key.ends_with("url") || key.ends_with("path");
    !names_no_secret
        && [
            "token",
            "secret",
            "password",
            "passwd",
            "apikey",
            "api_key",
            "api-key",
            "authorization",
        ]
        .iter()
        .any(|word| key.contains(word))
}

/// `${NAME}` is no secret; `${NAME:default}` may hold one.
fn is_reference(value: &str) -> bool {
    value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn hide_userinfo(bytes: &mut [u8], value: &str, start: usize) {
    let Some((scheme, rest)) = value.split_once("://") else { return };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((userinfo, _)) = authority.rsplit_once('@') {
        let from = start + scheme.len() + 3;
        hide(bytes, from, from + userinfo.len());
    }
}

fn hide(bytes: &mut [u8], from: usize, to: usize) {
    if let Some(part) = bytes.get_mut(from..to) {
        part.fill(b'*');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hides_the_values_of_telling_keys() {
        for (text, shown) in [
            (r#"{"token": "abc", "x": "y"}"#, r#"{"token": "***", "x": "y"}"#),
            (r#"{"clientSecret":"a\"b"}"#, r#"{"clientSecret":"****"}"#),
            (r#"{"Password": 1234 }"#, r#"{"Password": *****}"#),
            (r#"{"token": ["abc"]}"#, r#"{"token": ["***"]}"#),
            ("{\"apiKey\": \"abc\n\"name\": \"n\"}", "{\"apiKey\": \"***\n\"name\": \"n\"}"),
            (r#"{"token": "${A:abc}"}"#, r#"{"token": "********"}"#),
            (r#"{"u": "https://me:pw@host/"}"#, r#"{"u": "https://*****@host/"}"#),
        ] {
            assert_eq!(mask(text), shown);
        }
    }

    #[test]
    fn shows_what_is_no_secret() {
        for text in [
            r#"{"token": "${TOKEN}"}"#,
            r#"{"tokenEnvVar": "TOKEN"}"#,
            r#"{"tokenURL": "https://host/token"}"#,
            r#"["token", "abc"]"#,
            r#"{"type": "token", "next": "abc"}"#,
        ] {
            assert_eq!(mask(text), text);
        }
    }

    proptest! {
        #[test]
        fn keeps_every_byte_offset(text in r#"(\PC|["\\{}:,\n]|token|://|@)*"#) {
            let shown = mask(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert_eq!(shown.lines().count(), text.lines().count());
        }
    }
}
