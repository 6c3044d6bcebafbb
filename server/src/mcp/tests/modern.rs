//! 2026-07-28.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::rig::{Rig, modern, request};

/// Sends a modern request with some headers changed (an empty value leaves one out).
async fn with_headers(
    rig: &Rig,
    method: &str,
    params: Value,
    changed: &[(&str, &str)],
) -> super::rig::Answer {
    let (headers, body) = modern(method, params);
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    headers.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    headers.extend(changed);
    rig.send("POST /mcp", &headers, &body).await
}

#[tokio::test]
async fn item_4_a_request_is_answered_in_json_and_a_notification_with_202_and_no_body() {
    let rig = Rig::start().await;
    let answer = rig.modern("tools/list", json!({})).await;
    assert_eq!((answer.status, answer.json()["id"].clone()), (200, json!(7)));
    let headers = [("mcp-protocol-version", "2026-07-28")];
    let body = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    let answer = rig.send("POST /mcp", &headers, body).await;
    assert_eq!((answer.status, &*answer.body), (202, ""));
}

#[tokio::test]
async fn item_4_an_unacceptable_notification_is_an_http_error() {
    let rig = Rig::start().await;
    let headers = [("mcp-protocol-version", "2099-01-01")];
    let body = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let answer = rig.send("POST /mcp", &headers, body).await;
    assert_eq!(answer.error(), (400, -32022));
    let body = r#"{"jsonrpc":"2.0","method":"notifications/x","params":[]}"#;
    assert_eq!(rig.send("POST /mcp", &headers, body).await.error(), (400, -32602));
}

#[tokio::test]
async fn item_6_a_response_is_not_taken() {
    let rig = Rig::start().await;
    let headers = [("mcp-protocol-version", "2026-07-28")];
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(rig.send("POST /mcp", &headers, body).await.error(), (400, -32600));
}

#[tokio::test]
async fn item_8_get_and_delete_are_405_and_session_headers_are_ignored() {
    let rig = Rig::start().await;
    let version = ("mcp-protocol-version", "2026-07-28");
    for (head, allow) in [("GET /mcp", "POST, DELETE"), ("DELETE /mcp", "POST")] {
        let answer = rig.send(head, &[version, ("mcp-session-id", "a")], "").await;
        assert_eq!((answer.status, &*answer.headers["allow"]), (405, allow));
    }
    let changed = [("mcp-session-id", "a"), ("last-event-id", "b")];
    let answer = with_headers(&rig, "tools/list", json!({}), &changed).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn item_9_meta_without_version_or_capabilities_is_32602_and_client_info_is_optional() {
    let rig = Rig::start().await;
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    for params in [
        json!({}),
        json!({"_meta": null}),
        json!({"_meta": []}),
        json!({"_meta": {}}),
        json!({"_meta": {version: "2026-07-28"}}),
        json!({"_meta": {version: "2026-07-28", capabilities: []}}),
        json!({"_meta": {version: 20_260_728, capabilities: {}}}),
        json!({"_meta": {capabilities: {}}}),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": params});
        let answer = rig.send("POST /mcp", &headers, &body.to_string()).await;
        assert_eq!(answer.error(), (400, -32602), "{body}");
        assert_eq!(answer.json()["id"], 7);
    }
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    assert_eq!(rig.send("POST /mcp", &headers, body).await.error(), (400, -32602));
    assert_eq!(rig.modern("tools/list", json!({})).await.status, 200);
}

#[tokio::test]
async fn item_10_the_version_header_must_be_there_once_and_equal_the_body() {
    let rig = Rig::start().await;
    for changed in [
        &[("mcp-protocol-version", "")][..],
        &[("mcp-protocol-version", "2025-11-25")],
        &[("mcp-protocol-version", "2099-01-01")],
        &[("mcp-protocol-version", "2026-07-28"), ("MCP-Protocol-Version", "2026-07-28")],
    ] {
        let answer = with_headers(&rig, "tools/list", json!({}), changed).await;
        assert_eq!(answer.error(), (400, -32020), "{changed:?}");
        assert_eq!(answer.json()["id"], 7);
    }
}

#[tokio::test]
async fn item_11_an_unsupported_version_is_32022_with_what_is_supported() {
    let rig = Rig::start().await;
    for version in ["2099-01-01", "2025-11-25", "x"] {
        let (_, body) = modern("tools/list", json!({}));
        let body = body.replace("2026-07-28", version);
        let headers = [("mcp-protocol-version", version), ("mcp-method", "tools/list")];
        let answer = rig.send("POST /mcp", &headers, &body).await;
        assert_eq!(answer.error(), (400, -32022), "{version}");
        let data = &answer.json()["error"]["data"];
        assert_eq!(data["requested"], version);
        assert_eq!(data["supported"][0], "2026-07-28");
    }
}

#[tokio::test]
async fn item_12_method_and_name_headers_must_match_the_body_also_in_base64() {
    let rig = Rig::start().await;
    let call = json!({"name": "echo", "arguments": {}});
    for changed in [
        [("mcp-method", "")],
        [("mcp-method", "tools/list")],
        [("mcp-method", "Tools/Call")],
        [("mcp-name", "")],
        [("mcp-name", "fails")],
        [("mcp-name", "ECHO")],
        [("mcp-name", "=?base64?!?=")],
        [("mcp-name", "=?base64?ZmFpbHM=?=")],
    ] {
        let answer = with_headers(&rig, "tools/call", call.clone(), &changed).await;
        assert_eq!(answer.error(), (400, -32020), "{changed:?}");
        assert_eq!(answer.json()["id"], 7);
    }
    for changed in
        [&[("mcp-name", "=?base64?ZWNobw==?=")][..], &[("mcp-name", ""), ("MCP-NAME", "echo")]]
    {
        let answer = with_headers(&rig, "tools/call", call.clone(), changed).await;
        assert_eq!(answer.status, 200, "{changed:?}");
    }
}

#[tokio::test]
async fn item_14_an_unknown_method_is_404_and_32601() {
    let rig = Rig::start().await;
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "x"] {
        let answer = rig.modern(method, json!({})).await;
        assert_eq!(answer.error(), (404, -32601), "{method}");
        assert_eq!(answer.json()["id"], 7);
    }
}

#[tokio::test]
async fn item_17_every_result_has_its_type_and_the_server() {
    let rig = Rig::start().await;
    for (method, params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "echo"})),
        ("tools/call", json!({"name": "fails"})),
        ("prompts/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
    ] {
        let result = rig.modern(method, params).await.json()["result"].clone();
        assert_eq!(result["resultType"], "complete", "{method}");
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(server["name"], "mcpfusion", "{method}");
        assert!(server["version"].is_string(), "{method}");
    }
}

#[tokio::test]
async fn item_18_an_answer_has_the_requests_id_and_an_unreadable_one_has_none() {
    let rig = Rig::start().await;
    let (headers, body) = modern("tools/list", json!({}));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    for id in [json!("a"), json!("7"), json!(-1), json!(9_007_199_254_740_993_i64)] {
        let body = body.replace("\"id\":7", &format!("\"id\":{id}"));
        assert_eq!(rig.send("POST /mcp", &headers, &body).await.json()["id"], id);
    }
    for id in ["null", "1.5", "[]", "{}", "true"] {
        let body = body.replace("\"id\":7", &format!("\"id\":{id}"));
        let answer = rig.send("POST /mcp", &headers, &body).await;
        assert_eq!(answer.error(), (400, -32600), "{id}");
        assert_eq!(answer.json().get("id"), None);
    }
}

#[tokio::test]
async fn item_20_an_unknown_tool_is_a_protocol_error_and_a_failed_tool_is_a_result() {
    let rig = Rig::start().await;
    let answer = rig.modern("tools/call", json!({"name": "ecko"})).await;
    assert_eq!(answer.error(), (200, -32602));
    let text = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("ecko") && text.contains("echo"), "{text}");
    let result = rig.modern("tools/call", json!({"name": "fails"})).await.json()["result"].clone();
    assert_eq!(result["isError"], true);
    assert_eq!(result["content"][0]["type"], "text");
    assert_eq!(result.get("structuredContent"), None);
    for params in [json!({}), json!({"name": 1}), json!({"name": "echo", "arguments": [1]})] {
        let (headers, body) = modern("tools/call", params.clone());
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = rig.send("POST /mcp", &headers, &body).await;
        assert_eq!(answer.error(), (200, -32602), "{params}");
    }
}

#[tokio::test]
async fn item_20_what_is_no_json_or_no_message_is_400() {
    let rig = Rig::start().await;
    let headers = [("mcp-protocol-version", "2026-07-28")];
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"arguments":{{"a":{}{}}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        (&*deep, -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#, -32600),
        (r#"{"id":1,"method":"tools/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
    ] {
        let answer = rig.send("POST /mcp", &headers, body).await;
        assert_eq!(answer.error(), (400, code), "{body:.60}");
    }
}

#[tokio::test]
async fn item_21_discover_tells_versions_capabilities_and_how_long_that_holds() {
    let rig = Rig::start().await;
    let answer = rig.modern("server/discover", json!({})).await;
    let result = answer.json()["result"].clone();
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": false}}));
    assert!(result["instructions"].is_string());
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(60_000), &json!("private")));
}

#[tokio::test]
async fn items_22_and_23_the_list_is_the_catalogs_bytes_the_same_each_time() {
    let rig = Rig::start().await;
    let first = rig.modern("tools/list", json!({})).await.body;
    assert!(first.contains(&format!(r#""tools":{}"#, rig.listing())), "{first}");
    assert_eq!(rig.modern("tools/list", json!({})).await.body, first);
}

#[tokio::test]
async fn item_24_structured_content_comes_with_its_text() {
    let rig = Rig::start().await;
    let call =
        json!({"name": "echo", "arguments": {"n": 1, "deep": {"list": [1.5, null, "\u{e9}"]}}});
    let result = rig.modern("tools/call", call.clone()).await.json()["result"].clone();
    assert_eq!(result["structuredContent"], call["arguments"]);
    assert_eq!(result["isError"], false);
    assert!(result["content"][0]["text"].as_str().unwrap().contains("list"));
}

#[tokio::test]
async fn item_28_lists_are_private_and_have_a_time_to_live_and_calls_have_none() {
    let rig = Rig::start().await;
    for (method, list) in [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let result = rig.modern(method, json!({})).await.json()["result"].clone();
        assert!(result[list].is_array(), "{method}");
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(60_000), &json!("private")));
    }
    let result = rig.modern("tools/call", json!({"name": "echo"})).await.json()["result"].clone();
    assert_eq!((result.get("ttlMs"), result.get("cacheScope")), (None, None));
}

#[tokio::test]
async fn item_29_there_is_one_page_and_a_cursor_is_32602() {
    let rig = Rig::start().await;
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let result = rig.modern(method, json!({"cursor": null})).await.json()["result"].clone();
        assert_eq!(result.get("nextCursor"), None, "{method}");
        assert_eq!(rig.modern(method, json!({"cursor": "a"})).await.error(), (200, -32602));
    }
}

#[tokio::test]
async fn item_30_hanging_up_cancels() {
    let rig = Rig::start().await;
    let (headers, body) = modern("tools/call", json!({"name": "slow"}));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut stream = rig.connect().await;
    stream.write_all(request("POST /mcp", &headers, &body).as_bytes()).await.unwrap();
    rig.slow_began().await;
    assert!(!rig.has_slow_ended().await);
    drop(stream);
    rig.slow_ended().await;
}
