//! An upstream's answer as the outcome of a call: what came, if it was right; why not, if not.

use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use super::client::{Answer, SendError};
use super::redact::Redactor;
use crate::limits;
use crate::model::causes::chain;
use crate::model::endpoint::{Endpoint, ResponseKind};
use crate::model::outcome::Outcome;

/// Longest `Retry-After` that is repeated, bytes: a number or a date.
const RETRY_AFTER: usize = 40;
/// Some servers write it before JSON, though RFC 8259 (8.1) forbids it.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The outcome of an answer.
pub fn outcome(endpoint: &Endpoint, answer: &Answer) -> Outcome {
    let redactor = Redactor::new(&endpoint.service.auth);
    if answer.status.is_success() {
        return match endpoint.response {
            ResponseKind::Json => json(endpoint, answer, &redactor),
            ResponseKind::Text => text(answer, &redactor),
        };
    }
    let name = &endpoint.service.name;
    if answer.status.is_redirection() && answer.location.is_some() {
        return Outcome::failure(redactor.strike(format!(
            "`{name}` redirects ({}) to {}, and redirects are not followed; if that is the right \
             place, the operator makes it the base URL in the config",
            answer.status,
            target(endpoint, answer),
        )));
    }
    let mut text = format!("`{name}` answered {}.", answer.status);
    if let Some(advice) = advice(answer.status.as_u16()) {
        text.extend([" ", advice]);
    }
    if let Some(after) = &answer.retry_after {
        let after = clipped(&printable(&redactor.strike(after.clone())), RETRY_AFTER);
        text.extend([" It asks to wait (Retry-After): ", &after, "."]);
    }
    match excerpt(&answer.body, &redactor) {
        none if none.is_empty() => {}
        excerpt => text.extend(["\nIts answer: ", &excerpt]),
    }
    Outcome::failure(text)
}

/// The outcome when there is no answer.
pub fn unanswered(endpoint: &Endpoint, error: &SendError) -> Outcome {
    let service = &endpoint.service;
    let cause = std::error::Error::source(error).map(chain);
    tracing::warn!(service = %service.key, %error, cause, "no answer from an upstream");
    let again = match error {
        SendError::Timeout(_) | SendError::Broken(_) if endpoint.method.is_safe() => {
            " It may be asked again."
        }
        SendError::Timeout(_) | SendError::Broken(_) => {
            " Whether it did something is not known; check before you call again."
        }
        SendError::Connect(_) | SendError::Dns(_) | SendError::Refused(_) | SendError::Tls(_) => "",
    };
    let text = format!("No answer from `{}`: {error}.{again}", service.name);
    Outcome::failure(Redactor::new(&service.auth).strike(text))
}

fn json(endpoint: &Endpoint, answer: &Answer, redactor: &Redactor) -> Outcome {
    let name = &endpoint.service.name;
    if !answer.complete {
        return Outcome::failure(format!(
            "`{name}` answered more than {} bytes, which is too much to read; ask for less: \
             filter, select fields, or take a smaller page",
            limits::UPSTREAM_BODY
        ));
    }
    let body = answer.body.strip_prefix(BOM).unwrap_or(&answer.body).trim_ascii();
    if body.is_empty() {
        return success(format!("{} (no content)", answer.status));
    }
    let large = body.len() > limits::RESULT_TEXT;
    let (Ok(value), Ok(own)) = (parsed(body, large), std::str::from_utf8(body)) else {
        let excerpt = excerpt(body, redactor);
        return Outcome::failure(format!(
            "`{name}` answered {} with something that is not JSON.\nIts answer: {excerpt}",
            answer.status
        ));
    };
    let Some(mut value) = value else {
        return success(capped(&redactor.strike(own.to_owned())));
    };
    // The upstream's own spelling keeps its order and the digits of large numbers.
    let text = if redactor.strike_value(&mut value) { value.to_string() } else { own.to_owned() };
    Outcome { text, structured: Some(value).filter(Value::is_object), is_error: false }
}

/// What is too large to be shown whole is only looked at: as a tree it takes many times the room.
fn parsed(body: &[u8], large: bool) -> Result<Option<Value>, serde_json::Error> {
    if large {
        serde_json::from_slice::<IgnoredAny>(body).map(|_valid| None)
    } else {
        serde_json::from_slice(body).map(Some)
    }
}

fn text(answer: &Answer, redactor: &Redactor) -> Outcome {
    let text = redactor.strike(String::from_utf8_lossy(&answer.body).into_owned());
    if text.is_empty() {
        return success(format!("{} (no content)", answer.status));
    }
    success(capped(&text))
}

fn success(text: String) -> Outcome {
    Outcome { text, structured: None, is_error: false }
}

fn capped(text: &str) -> String {
    let kept = clipped(text, limits::RESULT_TEXT);
    let (shown, all) = (kept.len(), text.len());
    if shown == all {
        return kept;
    }
    format!(
        "{kept}\n[truncated: the first {shown} of {all} bytes are shown; ask for less: filter, \
         select fields, or take a smaller page]"
    )
}

fn advice(status: u16) -> Option<&'static str> {
    match status {
        400 | 422 => Some("It does not take these arguments; its answer may say which one."),
        401 => Some("The credential that the operator configured for it is missing or not valid."),
        403 => Some("The credential that the operator configured for it may not do this."),
        404 | 410 => Some("What was asked for is not there; check the identifiers."),
        409 => Some("It conflicts with what is there; read it again before you change it."),
        429 => Some("It is asked too often; wait before you call again."),
        500.. => Some("The fault is on its side; it may work later."),
        _ => None,
    }
}

/// Where a redirect leads: the host alone, since the rest may carry a token.
fn target(endpoint: &Endpoint, answer: &Answer) -> String {
    let place = answer.location.as_deref().and_then(|to| endpoint.base.join(to).ok());
    let host = place.as_ref().and_then(Url::host_str).unwrap_or("an unknown place");
    match place.as_ref().and_then(Url::port) {
        Some(port) => format!("the host {host}:{port}"),
        None => format!("the host {host}"),
    }
}

/// The beginning of a body on one line, without the credential.
fn excerpt(body: &[u8], redactor: &Redactor) -> String {
    let text = redactor.strike(String::from_utf8_lossy(body).into_owned());
    let text = printable(text.trim());
    let kept = clipped(&text, limits::UPSTREAM_EXCERPT);
    if kept.len() < text.len() { kept + " ..." } else { kept }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn clipped(text: &str, max: usize) -> String {
    let end = text.floor_char_boundary(max);
    text.get(..end).unwrap_or_default().to_owned()
}
