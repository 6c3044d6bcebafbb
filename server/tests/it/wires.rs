//! Both wires, from the first message to the last, with a command tool and an API tool.

use serde_json::json;

use crate::bench::{Bench, is_root};
use crate::http::{Response, text};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        the_session_wire_works_from_initialize_to_delete,
        the_stateless_wire_works_with_single_requests,
        both_wires_list_the_same_tools_with_schemas,
    ]
    .into()
}

/// The names of a `tools/list`.
fn names(listed: &Response) -> Vec<String> {
    let tools = listed.result()["tools"].as_array().unwrap().clone();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

const TOOLS: [&str; 7] = [
    "backend_fails",
    "backend_fine",
    "command_absent",
    "command_attack",
    "command_id",
    "command_nap",
    "server_health",
];

/// Commands of root's runner run as users that are nobody else's.
fn assert_confined(printed: &str) {
    let uid: u32 = printed.trim().parse().unwrap();
    assert!(!is_root() || uid >= 60_000, "{uid}");
}

fn the_session_wire_works_from_initialize_to_delete() {
    let bench = Bench::start();
    let session = bench.client().session();
    assert_eq!(names(&session.ask(1, "tools/list", &json!({}))), TOOLS);

    let call = json!({"name": "command_id", "arguments": {}});
    let result = session.ask(2, "tools/call", &call).result();
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(result["structuredContent"]["exit_code"], 0);
    assert_confined(result["structuredContent"]["stdout"].as_str().unwrap());

    let call = json!({"name": "server_health", "arguments": {}});
    let result = session.ask(3, "tools/call", &call).result();
    assert_eq!(result["isError"], false, "{result}");
    assert!(text(&result).contains("\"status\""), "{result}");

    let pong = session.ask(4, "ping", &json!({})).json();
    assert_eq!(pong, json!({"jsonrpc": "2.0", "id": 4, "result": {}}));
    assert_eq!(session.delete().status, 204);
    assert_eq!(session.delete().status, 404);
    assert_eq!(session.ask(5, "ping", &json!({})).status, 404);
}

fn the_stateless_wire_works_with_single_requests() {
    let bench = Bench::start();
    let client = bench.client();
    let about = client.modern("server/discover", json!({})).result();
    assert_eq!(about["supportedVersions"][0], "2026-07-28", "{about}");
    assert_eq!(names(&client.modern("tools/list", json!({}))), TOOLS);

    let result = client.call("command_id", &json!({}));
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(result["resultType"], "complete");
    assert_confined(result["structuredContent"]["stdout"].as_str().unwrap());

    let result = client.call("server_health", &json!({}));
    assert_eq!(result["isError"], false, "{result}");
    assert!(text(&result).contains("\"status\""), "{result}");
}

fn both_wires_list_the_same_tools_with_schemas() {
    let bench = Bench::without_runner();
    let old = bench.client().session().ask(1, "tools/list", &json!({})).result();
    let new = bench.client().modern("tools/list", json!({})).result();
    assert_eq!(old["tools"], new["tools"]);
    for tool in new["tools"].as_array().unwrap() {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
    }
    let attack = &new["tools"][3]["inputSchema"];
    assert_eq!(attack["required"], json!(["words"]));
    // What is fixed is not shown.
    assert!(attack["properties"]["executable"].is_null(), "{attack}");
}
