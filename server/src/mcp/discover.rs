//! What the server says about itself: `server/discover` (2026-07-28) and the result of `initialize`
//! (before it).

use serde::Serialize;

use super::fault::Fault;
use super::jsonrpc::Id;
use super::result::{self, Cache};
use super::version::{Era, Revision};

/// The server's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const INSTRUCTIONS: &str = "These tools act on real systems and APIs with the rights of your \
                            token. A call that fails says what to change before you try again.";

/// Who we are (MCP's `Implementation`).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Implementation {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Of the program, not of the protocol.
    pub version: &'static str,
}

impl Implementation {
    /// This server.
    pub const OURS: Self = Self { name: "mcpfusion", title: "MCPFusion", version: VERSION };
}

/// What a client may use. Only what works is declared.
#[derive(Debug, Serialize)]
struct Capabilities {
    tools: ToolsCapability,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolsCapability {
    list_changed: bool,
}

const CAPABILITIES: Capabilities = Capabilities { tools: ToolsCapability { list_changed: false } };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Discovered {
    supported_versions: [&'static str; 5],
    capabilities: Capabilities,
    instructions: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: &'static str,
    capabilities: Capabilities,
    server_info: Implementation,
    instructions: &'static str,
}

/// The answer to `server/discover`.
pub fn discovered(id: &Id) -> Result<Vec<u8>, Fault> {
    let body = Discovered {
        supported_versions: Revision::ALL.map(Revision::as_str),
        capabilities: CAPABILITIES,
        instructions: INSTRUCTIONS,
    };
    result::to_bytes(id, &body, Cache::Private, Era::Modern, 512)
}

/// The answer to `initialize`.
pub fn initialized(id: &Id, revision: Revision) -> Result<Vec<u8>, Fault> {
    let body = Initialized {
        protocol_version: revision.as_str(),
        capabilities: CAPABILITIES,
        server_info: Implementation::OURS,
        instructions: INSTRUCTIONS,
    };
    result::to_bytes(id, &body, Cache::None, Era::Legacy, 512)
}
