//! Tools for tests.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};

use super::snapshot::{Catalog, Entry};
use crate::call::args::ValidArgs;
use crate::model::command::{Command, CommandPlace, Executable};
use crate::model::endpoint::{
    ApiPlace, Auth, Endpoint, PathPart, PathTemplate, ResponseKind, Service,
};
use crate::model::param::{Constraints, Param, ParamKind, Placed, Presence};
use crate::model::tool::{Action, Hints, Tool};

pub(crate) fn param(name: &str, kind: ParamKind, presence: Presence) -> Param {
    Param {
        name: name.into(),
        exposed: name.into(),
        description: String::new(),
        kind,
        presence,
        constraints: Constraints::default(),
        examples: Vec::new(),
    }
}

pub(crate) fn tool(name: &str, action: Action) -> Tool {
    Tool {
        name: name.parse().unwrap(),
        title: None,
        description: format!("Does {name}."),
        hints: Hints { read_only: true, destructive: false, idempotent: true, open_world: true },
        action,
    }
}

pub(crate) fn endpoint(params: impl IntoIterator<Item = (Param, ApiPlace)>) -> Endpoint {
    Endpoint {
        service: Arc::new(Service { key: "svc".into(), name: "Service".into(), auth: Auth::None }),
        method: Method::GET,
        base: "http://127.0.0.1:9/".parse().unwrap(),
        path: PathTemplate(vec![PathPart::Literal("/things".into())]),
        fixed_query: None,
        params: params.into_iter().map(|(param, place)| Placed { param, place }).collect(),
        response: ResponseKind::Json,
        timeout: Duration::from_secs(20),
    }
}

pub(crate) fn api_tool(name: &str, params: impl IntoIterator<Item = (Param, ApiPlace)>) -> Tool {
    tool(name, Action::Api(endpoint(params)))
}

pub(crate) fn command(
    executable: &str,
    params: impl IntoIterator<Item = (Param, CommandPlace)>,
) -> Command {
    Command {
        executable: Executable::Named(executable.into()),
        params: params.into_iter().map(|(param, place)| Placed { param, place }).collect(),
    }
}

/// An entry, as a catalog of one tool makes it.
pub(crate) fn entry(tool: Tool) -> Entry {
    Catalog::build(vec![tool]).unwrap().into_entries().remove(0)
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("not an object: {value}") };
    map
}

/// Arguments that must be valid.
pub(crate) fn args(tool: &Tool, arguments: Value) -> ValidArgs {
    ValidArgs::check(&entry(tool.clone()), object(arguments)).unwrap()
}
