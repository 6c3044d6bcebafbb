//! A tool: what a model sees of it, and what it does.

use super::command::Command;
use super::endpoint::Endpoint;
use super::name::ToolName;
use super::param::Param;

/// One tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name on the wire.
    pub name: ToolName,
    /// For people.
    pub title: Option<String>,
    /// For models.
    pub description: String,
    /// MCP's four behaviour hints.
    pub hints: Hints,
    /// What a call does.
    pub action: Action,
}

impl Tool {
    /// The parameters, without their places.
    pub fn params(&self) -> Box<dyn Iterator<Item = &Param> + '_> {
        match &self.action {
            Action::Api(endpoint) => Box::new(endpoint.params.iter().map(|p| &p.param)),
            Action::Command(command) => Box::new(command.params.iter().map(|p| &p.param)),
        }
    }
}

/// What a call does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Asks an API.
    Api(Endpoint),
    /// Asks the runner.
    Command(Command),
}

/// MCP's `ToolAnnotations`. Hints to a client, never a control of ours.
#[expect(clippy::struct_excessive_bools, reason = "MCP has four, each true or false")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// It changes nothing.
    pub read_only: bool,
    /// It may destroy something.
    pub destructive: bool,
    /// Twice is the same as once.
    pub idempotent: bool,
    /// It reaches beyond this server.
    pub open_world: bool,
}
