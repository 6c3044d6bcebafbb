//! Strikes a credential out of what others are shown. An upstream may echo what it was sent.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::model::endpoint::Auth;

/// What stands where a credential was.
const STRUCK: &str = "[redacted]";

/// Knows the credential in the spellings that an upstream may echo: as it is, inside JSON, inside
/// a URL.
pub struct Redactor {
    spellings: Vec<String>,
}

impl Redactor {
    /// For what answers a request under `auth`.
    pub fn new(auth: &Auth) -> Self {
        let secret = match auth {
            Auth::Bearer(secret) => secret.expose().trim(),
            Auth::None => "",
        };
        if secret.is_empty() {
            return Self { spellings: Vec::new() };
        }
        let json = Value::from(secret).to_string();
        let json = json.trim_matches('"').to_owned();
        let mut spellings = vec![
            secret.to_owned(),
            json.replace('/', "\\/"),
            json,
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        ];
        spellings.sort();
        spellings.dedup();
        // The longest first, so that no piece of one is left of another.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        Self { spellings }
    }

    /// `text` without the credential.
    pub fn strike(&self, mut text: String) -> String {
        for spelling in &self.spellings {
            if text.contains(spelling) {
                text = text.replace(spelling, STRUCK);
            }
        }
        text
    }

    /// Strikes it out of every key, string and number of `value`; whether there was any.
    pub fn strike_value(&self, value: &mut Value) -> bool {
        if self.spellings.is_empty() {
            return false;
        }
        match value {
            Value::String(text) => {
                let clean = self.strike(std::mem::take(text));
                let struck = clean.contains(STRUCK);
                *text = clean;
                struck
            }
            Value::Array(items) => {
                items.iter_mut().fold(false, |struck, item| self.strike_value(item) | struck)
            }
            Value::Object(map) => {
                let mut struck = false;
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, mut value)| {
                        struck |= self.strike_value(&mut value) | self.holds(&key);
                        (self.strike(key), value)
                    })
                    .collect();
                struck
            }
            // A credential of digits may come back as a number.
            Value::Number(number) if self.holds(&number.to_string()) => {
                *value = STRUCK.into();
                true
            }
            Value::Bool(_) | Value::Null | Value::Number(_) => false,
        }
    }

    fn holds(&self, text: &str) -> bool {
        self.spellings.iter().any(|spelling| text.contains(spelling))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::secret::Secret;

    fn redactor(secret: &str) -> Redactor {
        Redactor::new(&Auth::Bearer(Secret::new(secret.into())))
    }

    #[test]
    fn every_spelling_is_struck() {
        let r = redactor("a/b\"c d");
        for text in ["a/b\"c d", "a/b\\\"c d", "a\\/b\\\"c d", "a%2Fb%22c%20d"] {
            assert_eq!(r.strike(format!("<{text}>")), "<[redacted]>", "{text}");
        }
        // One spelling is the beginning of another.
        assert_eq!(redactor("a\\").strike("<a\\\\>".into()), "<[redacted]>");
    }

    #[test]
    fn keys_strings_and_numbers_are_struck_wherever_they_stand() {
        let r = redactor("12345678");
        let mut value = json!({"12345678": ["x12345678", {"n": 12_345_678}], "m": 5});
        assert!(r.strike_value(&mut value));
        assert_eq!(value, json!({"[redacted]": ["x[redacted]", {"n": "[redacted]"}], "m": 5}));
        assert!(!r.strike_value(&mut json!({"m": ["1234567", 5, null, true]})));
    }

    #[test]
    fn without_a_credential_nothing_changes() {
        for auth in [Auth::None, Auth::Bearer(Secret::new(" ".into()))] {
            assert_eq!(Redactor::new(&auth).strike("a b".into()), "a b");
        }
    }
}
