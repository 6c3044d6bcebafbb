//! What a tool call gives back, before any wire: `CallToolResult` in MCP's words.

use serde_json::Value;

/// A finished call. That a tool failed is an outcome, not an error of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// For the model to read.
    pub text: String,
    /// For programs; always a JSON object.
    pub structured: Option<Value>,
    /// Whether the tool failed.
    pub is_error: bool,
}

impl Outcome {
    /// A failure in words: what went wrong and what to do.
    pub fn failure(text: impl Into<String>) -> Self {
        Self { text: text.into(), structured: None, is_error: true }
    }
}
