//! One immutable catalog: each tool with its compiled validator, found by name, and the whole list
//! as the JSON text that `tools/list` sends.

use std::collections::BTreeSet;

use jsonschema::{Draft, PatternOptions, Validator};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::schema;
use crate::limits;
use crate::model::name::ToolName;
use crate::model::nearest::nearest;
use crate::model::param::Presence;
use crate::model::tool::{Action, Tool};

/// A tool, ready to be called.
#[derive(Debug)]
pub struct Entry {
    /// The tool.
    pub tool: Tool,
    /// Its input schema, compiled.
    pub validator: Validator,
    /// Its input schema, as clients see it.
    pub input_schema: Value,
}

/// Tools do not make a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Two tools have one name.
    #[error("the tool `{0}` is defined twice; rename one")]
    Duplicate(ToolName),
    /// Two parameters of a tool are shown under one name.
    #[error("the tool `{tool}` shows two parameters as `{param}`; give one of them another alias")]
    DuplicateParam {
        /// The tool.
        tool: ToolName,
        /// The name that is taken twice.
        param: String,
    },
    /// A schema keyword of a parameter cannot be compiled.
    #[error("the input schema of the tool `{tool}` is not valid at `{at}`: {reason}")]
    Schema {
        /// The tool.
        tool: ToolName,
        /// Where in the schema, a JSON pointer.
        at: String,
        /// What is wrong there.
        reason: String,
    },
    /// The list cannot be written as JSON.
    #[error("cannot serialise the list of tools")]
    Listing(#[source] serde_json::Error),
}

/// All tools, sorted by name.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    listing: Box<RawValue>,
}

impl Catalog {
    /// Compiles the schemas and serialises the list. This is the only place that does either.
    pub fn build(mut tools: Vec<Tool>) -> Result<Self, CatalogError> {
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some([twice, _]) = tools.array_windows().find(|[a, b]| a.name == b.name) {
            return Err(CatalogError::Duplicate(twice.name.clone()));
        }
        let entries: Vec<Entry> = tools.into_iter().map(compile).collect::<Result<_, _>>()?;
        let output = schema::command_output();
        let shown: Vec<Listed<'_>> = entries.iter().map(|entry| listed(entry, &output)).collect();
        let listing = serde_json::value::to_raw_value(&shown).map_err(CatalogError::Listing)?;
        Ok(Self { entries, listing })
    }

    /// The tool of this name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|e| e.tool.name.as_str().cmp(name)).ok()?;
        self.entries.get(index)
    }

    /// The name that was probably meant by `name`, which no tool has.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.entries.iter().map(|e| e.tool.name.as_str()))
    }

    /// `tools/list` as a JSON array.
    pub fn listing(&self) -> &RawValue {
        &self.listing
    }

    /// How many tools.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no tool.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

fn compile(tool: Tool) -> Result<Entry, CatalogError> {
    let mut names = BTreeSet::new();
    for param in tool.params() {
        let shown = !matches!(param.presence, Presence::Fixed(_));
        if shown && !names.insert(param.exposed.as_str()) {
            let param = param.exposed.clone();
            return Err(CatalogError::DuplicateParam { tool: tool.name.clone(), param });
        }
    }
    let input_schema = schema::input(&tool);
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(limits::PATTERN))
        .build(&input_schema)
        .map_err(|e| CatalogError::Schema {
            tool: tool.name.clone(),
            at: e.instance_path().to_string(),
            reason: e.to_string(),
        })?;
    Ok(Entry { tool, validator, input_schema })
}

/// MCP's `Tool`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    description: &'a str,
    input_schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a Value>,
    annotations: Annotations,
}

/// MCP's `ToolAnnotations`.
#[expect(clippy::struct_excessive_bools, reason = "MCP has four, each true or false")]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    read_only_hint: bool,
    destructive_hint: bool,
    idempotent_hint: bool,
    open_world_hint: bool,
}

fn listed<'a>(entry: &'a Entry, command_output: &'a Value) -> Listed<'a> {
    let hints = entry.tool.hints;
    Listed {
        name: entry.tool.name.as_str(),
        title: entry.tool.title.as_deref(),
        description: &entry.tool.description,
        input_schema: &entry.input_schema,
        output_schema: match entry.tool.action {
            Action::Api(_) => None,
            Action::Command(_) => Some(command_output),
        },
        annotations: Annotations {
            read_only_hint: hints.read_only,
            destructive_hint: hints.destructive,
            idempotent_hint: hints.idempotent,
            open_world_hint: hints.open_world,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::fixture::{api_tool, command, param, tool};
    use crate::model::endpoint::ApiPlace;
    use crate::model::param::{ItemKind, ParamKind};

    fn catalog(names: &[&str]) -> Catalog {
        Catalog::build(names.iter().map(|name| api_tool(name, [])).collect()).unwrap()
    }

    #[test]
    fn tools_are_found_by_their_whole_name_and_listed_in_order() {
        let catalog = catalog(&["b_two", "a_one", "c_three"]);
        assert_eq!(catalog.find("b_two").unwrap().tool.name.as_str(), "b_two");
        assert!(catalog.find("b_tw").is_none());
        assert_eq!(catalog.len(), 3);
        let listed: Vec<Value> = serde_json::from_str(catalog.listing().get()).unwrap();
        let names: Vec<_> = listed.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a_one", "b_two", "c_three"]);
    }

    #[test]
    fn the_list_has_what_mcp_names_and_commands_alone_have_an_output_schema() {
        let mut run = tool("run", Action::Command(command("/bin/true", [])));
        run.title = Some("Run".into());
        let catalog = Catalog::build(vec![run, api_tool("ask", [])]).unwrap();
        let listed: Value = serde_json::from_str(catalog.listing().get()).unwrap();
        let empty = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let hints = json!({
            "readOnlyHint": true, "destructiveHint": false,
            "idempotentHint": true, "openWorldHint": true
        });
        assert_eq!(
            listed,
            json!([
                {
                    "name": "ask", "description": "Does ask.",
                    "inputSchema": empty, "annotations": hints
                },
                {
                    "name": "run", "title": "Run", "description": "Does run.",
                    "inputSchema": empty, "outputSchema": schema::command_output(),
                    "annotations": hints
                }
            ])
        );
    }

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        let catalog = catalog(&["command_nmap", "trello_boards_list"]);
        assert_eq!(catalog.nearest("trello_board_list"), Some("trello_boards_list"));
        assert_eq!(catalog.nearest("something_else"), None);
    }

    #[test]
    fn a_name_twice_is_refused() {
        let tools = vec![api_tool("one", []), api_tool("two", []), api_tool("one", [])];
        let error = Catalog::build(tools).unwrap_err();
        assert_eq!(error.to_string(), "the tool `one` is defined twice; rename one");
    }

    #[test]
    fn a_shown_parameter_twice_is_refused() {
        let place = || ApiPlace::Query("q".into());
        let one = param("x", ParamKind::String, Presence::Optional);
        let fixed = param("x", ParamKind::String, Presence::Fixed("1".into()));
        let tools = |other: &_| {
            vec![api_tool("t", [(one.clone(), place()), (Clone::clone(other), place())])]
        };
        assert!(matches!(
            Catalog::build(tools(&one)),
            Err(CatalogError::DuplicateParam { param, .. }) if param == "x"
        ));
        assert!(Catalog::build(tools(&fixed)).is_ok());
    }

    #[test]
    fn a_schema_reaches_for_nothing_outside_of_itself() {
        for outside in ["http://127.0.0.1:1/x.json", "file:///etc/hostname", "other.json"] {
            let items = ItemKind::Schema(json!({"$ref": outside}));
            let list = param("x", ParamKind::Array(items), Presence::Optional);
            let tools = vec![api_tool("reaching", [(list, ApiPlace::Query("x".into()))])];
            assert!(matches!(Catalog::build(tools), Err(CatalogError::Schema { .. })), "{outside}");
        }
    }

    #[test]
    fn a_pattern_that_needs_backtracking_or_memory_is_refused_with_its_tool() {
        for pattern in ["(?=a)b", "(a", r"(a)\1", "((a{999}){999}){999}"] {
            let mut bad = param("x", ParamKind::String, Presence::Optional);
            bad.constraints.pattern = Some(pattern.into());
            let tools = vec![api_tool("bad_tool", [(bad, ApiPlace::Query("x".into()))])];
            let error = Catalog::build(tools).unwrap_err();
            assert!(error.to_string().contains("`bad_tool`"), "{error}");
            assert!(matches!(error, CatalogError::Schema { .. }));
        }
    }
}
