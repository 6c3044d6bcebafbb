//! 2024-11-05 to 2025-11-25.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::rig::{ANNA, Answer, BERT, Rig, request};

fn call(id: u32, tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}})
        .to_string()
}

#[tokio::test]
async fn item_42_initialize_echoes_a_known_version_and_else_answers_the_latest() {
    let rig = Rig::start().await;
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let params = json!({"protocolVersion": asked, "capabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": params});
        // mcp-remote sends the method on a legacy request, and some clients the version they ask for.
        let headers = [("mcp-method", "initialize"), ("mcp-protocol-version", asked)];
        let answer = rig.send("POST /mcp", &headers, &body.to_string()).await;
        let result = answer.json()["result"].clone();
        assert_eq!(result["protocolVersion"], answered);
        assert_eq!(result["capabilities"], json!({"tools": {"listChanged": false}}));
        assert_eq!(result["serverInfo"]["name"], "mcpfusion");
        assert!(answer.headers.contains_key("mcp-session-id"));
    }
}

#[tokio::test]
async fn item_43_without_a_session_400_and_in_an_unknown_one_404() {
    let rig = Rig::start().await;
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        assert_eq!(rig.send("POST /mcp", &[], body).await.status, 400, "{body}");
        for session in ["x", "00000000000000000000000000000000"] {
            assert_eq!(rig.legacy(session, body).await.status, 404, "{body}");
        }
    }
}

#[tokio::test]
async fn item_43_a_session_of_one_user_does_not_exist_for_another() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let theirs = [("authorization", "Bearer bert"), ("mcp-session-id", &*session)];
    assert_eq!(rig.send("POST /mcp", &theirs, list).await.status, 404);
    assert_eq!(rig.send("DELETE /mcp", &theirs, "").await.status, 404);
    assert_eq!(rig.legacy(&session, list).await.status, 200);
    let own = rig.session(BERT).await;
    let body = call(1, "echo");
    let headers = [("authorization", "Bearer bert"), ("mcp-session-id", &*own)];
    assert_eq!(rig.send("POST /mcp", &headers, &body).await.json()["result"]["isError"], false);
}

#[tokio::test]
async fn item_43_a_session_ends_by_delete_and_is_then_404() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let header = [("mcp-session-id", &*session)];
    assert_eq!(rig.send("DELETE /mcp", &[], "").await.status, 400);
    let answer = rig.send("DELETE /mcp", &header, "").await;
    assert_eq!((answer.status, &*answer.body), (204, ""));
    assert_eq!(rig.send("DELETE /mcp", &header, "").await.status, 404);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(rig.legacy(&session, list).await.status, 404);
}

#[tokio::test]
async fn item_43_each_request_of_a_session_needs_the_token() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let headers = [("authorization", ""), ("mcp-session-id", &*session)];
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(rig.send("POST /mcp", &headers, body).await.status, 401);
}

#[tokio::test]
async fn item_44_any_known_version_or_none_is_taken_in_a_session_and_others_are_400() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (version, status) in [
        ("", 200),
        ("2024-11-05", 200),
        ("2025-03-26", 200),
        ("2025-06-18", 200),
        ("2025-11-25", 200),
        ("2025-01-01", 400),
        ("x", 400),
    ] {
        let headers = [("mcp-session-id", &*session), ("mcp-protocol-version", version)];
        assert_eq!(rig.send("POST /mcp", &headers, ping).await.status, status, "{version}");
    }
}

#[tokio::test]
async fn item_46_ping_is_answered_with_nothing() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let answer = rig.legacy(&session, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).await;
    assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
}

#[tokio::test]
async fn item_47_errors_of_the_protocol_come_with_200() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    for (body, code) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel"}"#.to_owned(), -32601),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"a"}}"#.into(),
            -32602,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#.into(), -32602),
        (call(1, "ecko"), -32602),
    ] {
        let answer = rig.legacy(&session, &body).await;
        assert_eq!(answer.error(), (200, code), "{body}");
        assert_eq!(answer.json()["id"], 1);
    }
}

#[tokio::test]
async fn items_17_and_22_lists_and_calls_are_answered_without_the_modern_members() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let (answer, listing) = (rig.legacy(&session, list).await, rig.listing());
    assert_eq!(
        answer.body,
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{listing}}}}}"#)
    );
    let result = rig.legacy(&session, &call(2, "fails")).await.json()["result"].clone();
    let text = &result["content"][0]["text"];
    let content = json!([{"type": "text", "text": text}]);
    assert!(text.is_string());
    assert_eq!(result, json!({"content": content, "isError": true}));
    for (method, list) in [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        let result = rig.legacy(&session, &body).await.json()["result"].clone();
        assert_eq!(result, json!({list: []}));
    }
}

#[tokio::test]
async fn item_30_cancelled_ends_the_named_call_only() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let other = rig.session(ANNA).await;
    let (first, second) = (call(1, "slow"), call(2, "slow"));
    let cancelled = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    };
    let script = async {
        rig.slow_began().await;
        rig.slow_began().await;
        for (session, id) in
            [(&other, "1"), (&session, "\"1\""), (&session, "99"), (&session, "null")]
        {
            assert_eq!(rig.legacy(session, &cancelled(id)).await.status, 202);
        }
        assert!(!rig.has_slow_ended().await);
        assert_eq!(rig.legacy(&session, &cancelled("1")).await.status, 202);
        rig.slow_ended().await;
        assert!(!rig.has_slow_ended().await);
        assert_eq!(rig.legacy(&session, &cancelled("2")).await.status, 202);
        rig.slow_ended().await;
    };
    let (one, two, ()) =
        tokio::join!(rig.legacy(&session, &first), rig.legacy(&session, &second), script);
    assert_eq!((one.status, two.status), (200, 200));
}

#[tokio::test]
async fn item_30_hanging_up_does_not_cancel_but_the_end_of_the_session_does() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let mut stream = rig.connect().await;
    let headers = [("mcp-session-id", &*session)];
    let text = request("POST /mcp", &headers, &call(1, "slow"));
    stream.write_all(text.as_bytes()).await.unwrap();
    rig.slow_began().await;
    // The server has seen the end of this connection once it has ended it itself.
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    drop(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await);
    assert!(!rig.has_slow_ended().await);
    assert_eq!(rig.send("DELETE /mcp", &headers, "").await.status, 204);
    rig.slow_ended().await;
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_calls_that_lost_their_connection() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let mut stream = rig.connect().await;
    let text = request("POST /mcp", &[("mcp-session-id", &*session)], &call(1, "slow"));
    stream.write_all(text.as_bytes()).await.unwrap();
    rig.slow_began().await;
    drop(stream);
    rig.state.mcp.stop().await;
    rig.slow_ended().await;
    assert!(rig.state.mcp.calls.is_empty());
}

#[tokio::test]
async fn more_calls_than_a_session_may_run_are_told_to_wait() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let id = session.parse().unwrap();
    let user = crate::model::caller::UserId(uuid::Uuid::from_u128(1));
    let found = rig.state.mcp.sessions.find(id, user, std::time::Instant::now()).unwrap();
    let running: Vec<_> = (0..crate::limits::CALLS_PER_SESSION)
        .map(|_| found.calls.begin(crate::mcp::jsonrpc::Id::Number(1.into())).unwrap())
        .collect();
    let answer: Answer = rig.legacy(&session, &call(9, "echo")).await;
    assert_eq!(answer.json()["result"]["isError"], true);
    drop(running);
    let answer = rig.legacy(&session, &call(9, "echo")).await;
    assert_eq!(answer.json()["result"]["isError"], false);
}

#[tokio::test]
async fn the_address_for_sse_answers_streamable_http() {
    let rig = Rig::start().await;
    let session = rig.session(ANNA).await;
    let headers = [("mcp-session-id", &*session)];
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(rig.send("POST /sse", &headers, ping).await.json()["result"], json!({}));
    let answer = rig.send("GET /sse", &headers, "").await;
    assert_eq!((answer.status, &*answer.headers["allow"]), (405, "POST, DELETE"));
}
