//! The loader as a whole: text in, tools or a report out.

use std::path::PathBuf;

use super::diagnostic::{Report, Severity};
use super::{Loaded, load_texts};
use crate::model::command::Command;
use crate::model::endpoint::Endpoint;
use crate::model::tool::{Action, Tool};

mod commands;
mod files;
mod rendered;
mod services;
mod shipped;

/// A service with one endpoint that has one parameter of each location.
const API: &str = r#"{"services": {"shop": {
  "name": "Shop", "baseURL": "https://shop.test/v1/", "auth": {"type": "none"},
  "endpoints": [{
    "id": "order", "name": "Order", "description": "Orders.", "method": "POST",
    "path": "/users/{user}/orders?v=2", "response": {"type": "json"},
    "parameters": [
      {"name": "user", "type": "string", "location": "path", "required": true},
      {"name": "$top", "type": "integer", "location": "query", "default": 5},
      {"name": "X-Mode", "type": "string", "location": "header"},
      {"name": "note", "type": "string", "location": "body"}
    ]
  }]
}}}"#;

/// A group with one command that has one parameter of each location.
const COMMAND: &str = r#"{"commands": {"host": {"name": "Host", "description": "It.", "commands": [{
  "id": "tool", "name": "Tool", "description": "Runs.",
  "parameters": [
    {"name": "executable", "type": "string", "location": "control", "static": true, "default": "/bin/tool"},
    {"name": "-v", "type": "boolean", "location": "argument"},
    {"name": "port", "type": "integer", "location": "argument", "prefix": "-p"},
    {"name": "rest", "type": "array", "location": "arglist"},
    {"name": "MODE", "type": "string", "location": "environment"},
    {"name": "input", "type": "string", "location": "stdin"},
    {"name": "timeout", "type": "integer", "location": "control", "default": 20}
  ]
}]}}}"#;

fn env(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("env.test".to_owned()),
        "TOKEN" => Some("s3cr3t-value".to_owned()),
        "BROKEN" => Some("two\nlines".to_owned()),
        "EMPTY" => Some(String::new()),
        "LIMIT" => Some("7".to_owned()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Loaded, Report> {
    load_texts(&[(PathBuf::from("a.json"), text.to_owned())], &env)
}

/// The config with one piece of it replaced.
fn changed(config: &str, from: &str, to: &str) -> String {
    assert_eq!(config.matches(from).count(), 1, "{from}");
    config.replace(from, to)
}

/// Everything that is said of a config: severity, what the span covers, message.
fn said(text: &str) -> Vec<(Severity, String, String)> {
    let report = match load(text) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    let diagnostics = report.diagnostics.into_iter();
    diagnostics
        .map(|diagnostic| {
            let span = diagnostic
                .span
                .map(|span| text.get(span.start..span.end).unwrap())
                .unwrap_or_default();
            (diagnostic.severity, span.to_owned(), diagnostic.message)
        })
        .collect()
}

#[track_caller]
fn is_error(text: &str, at: &str, message: &str) {
    assert_eq!(said(text), [(Severity::Error, at.to_owned(), message.to_owned())]);
}

#[track_caller]
fn is_warning(text: &str, at: &str, message: &str) {
    assert_eq!(said(text), [(Severity::Warning, at.to_owned(), message.to_owned())]);
}

#[track_caller]
fn tool(text: &str) -> Tool {
    let loaded = load(text).unwrap();
    assert_eq!(loaded.tools.len(), 1);
    loaded.tools.into_iter().next().unwrap()
}

#[track_caller]
fn endpoint(text: &str) -> Endpoint {
    match tool(text).action {
        Action::Api(endpoint) => endpoint,
        Action::Command(_) => panic!("a command"),
    }
}

#[track_caller]
fn command(text: &str) -> Command {
    match tool(text).action {
        Action::Command(command) => command,
        Action::Api(_) => panic!("an endpoint"),
    }
}
