//! The methods that both eras share: the lists, and `tools/call` before and after the engine.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fault::{Fault, Kind, shown};
use super::jsonrpc::{Id, Object, Params, Plain};
use super::result::{self, Cache};
use super::version::Era;
use crate::call::engine::UnknownTool;
use crate::catalog::Catalog;
use crate::model::outcome::Outcome;

/// A list that we answer though it is always empty: clients ask without looking at capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyList {
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
}

impl EmptyList {
    /// The list of this method.
    pub fn of(method: &str) -> Option<Self> {
        match method {
            "prompts/list" => Some(Self::Prompts),
            "resources/list" => Some(Self::Resources),
            "resources/templates/list" => Some(Self::ResourceTemplates),
            _ => None,
        }
    }

    /// Its answer.
    pub fn to_bytes(self, id: &Id, params: &Params<'_>, era: Era) -> Result<Vec<u8>, Fault> {
        #[derive(Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Empty {
            #[serde(skip_serializing_if = "Option::is_none")]
            prompts: Option<[(); 0]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            resources: Option<[(); 0]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            resource_templates: Option<[(); 0]>,
        }
        only_page(params)?;
        let mut body = Empty::default();
        match self {
            Self::Prompts => body.prompts = Some([]),
            Self::Resources => body.resources = Some([]),
            Self::ResourceTemplates => body.resource_templates = Some([]),
        }
        result::to_bytes(id, &body, Cache::Private, era, 64)
    }
}

/// The answer to `tools/list`: all tools on one page, as the catalog has them in bytes.
pub fn list(id: &Id, params: &Params<'_>, catalog: &Catalog, era: Era) -> Result<Vec<u8>, Fault> {
    #[derive(Serialize)]
    struct Tools<'a> {
        tools: &'a RawValue,
    }
    only_page(params)?;
    let tools = catalog.listing();
    result::to_bytes(id, &Tools { tools }, Cache::Private, era, tools.get().len())
}

/// We give out no cursor, so every cursor is somebody else's (MCP, pagination).
fn only_page(params: &Params<'_>) -> Result<(), Fault> {
    match params.cursor {
        Plain::Absent | Plain::Null => Ok(()),
        Plain::Integer(_) | Plain::Other | Plain::Text(_) => {
            let text = "`cursor` is not one of ours: everything is on the first page";
            Err(Fault::new(Kind::Params, text))
        }
    }
}

/// What `tools/call` wants called. Without `arguments` a tool gets none.
pub fn called<'p>(params: &'p mut Params<'_>) -> Result<(&'p str, Map<String, Value>), Fault> {
    let arguments = match std::mem::take(&mut params.arguments) {
        Object::Valid(arguments) => arguments,
        Object::Absent | Object::Null => Map::new(),
        Object::Array | Object::Other => {
            return Err(Fault::new(Kind::Params, "`arguments` must be an object"));
        }
    };
    match &params.name {
        Plain::Text(name) => Ok((name, arguments)),
        Plain::Absent | Plain::Integer(_) | Plain::Null | Plain::Other => {
            Err(Fault::new(Kind::Params, "`name` must be the name of a tool"))
        }
    }
}

/// The answer to `tools/call`. That there is no such tool is an error of the protocol; that a tool
/// failed is a result, which alone is what models see (MCP, tools, "Error Handling").
pub fn answer(
    id: &Id,
    tool: &str,
    outcome: Result<Outcome, UnknownTool>,
    era: Era,
) -> Result<Vec<u8>, Fault> {
    let outcome = outcome.map_err(|unknown| unknown_tool(tool, &unknown))?;
    let content = [Content { kind: "text", text: &outcome.text }];
    let structured = outcome.structured.as_ref();
    let body = CallToolResult { content, structured, is_error: outcome.is_error };
    let text_again = if structured.is_some() { 2 } else { 1 };
    result::to_bytes(id, &body, Cache::None, era, outcome.text.len().saturating_mul(text_again))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallToolResult<'a> {
    content: [Content<'a>; 1],
    #[serde(rename = "structuredContent", skip_serializing_if = "Option::is_none")]
    structured: Option<&'a Value>,
    is_error: bool,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

fn unknown_tool(tool: &str, unknown: &UnknownTool) -> Fault {
    let shown = shown(tool);
    let text = match &unknown.nearest {
        Some(nearest) => format!("there is no tool {shown:?}; did you mean {nearest:?}?"),
        None => format!("there is no tool {shown:?}; tools/list names those that are"),
    };
    Fault::new(Kind::Params, text)
}
