//! What HTTP turns away, through the edge.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::body;
use crate::mcp::tests::rig::{Answer, Rig, modern, request};
use crate::net::accept::Bounds;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[tokio::test]
async fn item_1_get_on_the_endpoint_is_405_with_what_is_allowed() {
    let rig = Rig::start().await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "OPTIONS"] {
        let answer = rig.send(&format!("{method} /mcp"), &[], "").await;
        assert_eq!((answer.status, &*answer.headers["allow"]), (405, "POST, DELETE"), "{method}");
    }
}

#[tokio::test]
async fn item_2_a_foreign_host_or_origin_is_403_on_every_path_before_the_token() {
    let rig = Rig::start().await;
    for head in ["POST /mcp", "GET /mcp", "DELETE /mcp", "GET /health", "GET /", "GET /nowhere"] {
        for headers in [
            [("host", "evil.test"), ("origin", "")],
            [("host", "localhost.evil.test:8888"), ("origin", "")],
            [("host", "localhost"), ("origin", "http://evil.test")],
            [("host", "localhost"), ("origin", "null")],
        ] {
            for token in ["", "Bearer anna", "Bearer nobody"] {
                let headers = [&headers[..], &[("authorization", token)]].concat();
                let answer = rig.send(head, &headers, PING).await;
                assert_eq!(answer.status, 403, "{head} {headers:?}");
            }
        }
    }
    let ours = [("host", "MCP.example.org:443"), ("origin", "https://mcp.example.org")];
    assert_eq!(rig.send("GET /health", &ours, "").await.status, 200);
}

#[tokio::test]
async fn item_2_a_request_without_a_host_is_400() {
    let rig = Rig::start().await;
    assert_eq!(rig.send("GET /health", &[("host", "")], "").await.status, 400);
    let absolute = rig.send("GET http://evil.test/health", &[], "").await;
    assert_eq!(absolute.status, 403);
}

#[tokio::test]
async fn items_36_and_40_a_bad_token_is_401_before_anything_else_is_looked_at() {
    let rig = Rig::start().await;
    let huge = ("content-length", "99999999999");
    for (head, headers, body) in [
        ("POST /mcp", &[][..], PING),
        ("POST /mcp", &[("content-type", "text/plain")], "not json"),
        ("POST /mcp", &[("mcp-protocol-version", "2099-01-01")], PING),
        ("GET /mcp", &[], ""),
        ("DELETE /mcp", &[("mcp-session-id", "x")], ""),
        ("PUT /mcp", &[], ""),
    ] {
        for (token, challenge) in [
            ("", "Bearer"),
            ("Bearer nobody", r#"Bearer error="invalid_token""#),
            ("Basic YTpi", r#"Bearer error="invalid_token""#),
        ] {
            let headers = [headers, &[("authorization", token)]].concat();
            let answer = rig.send(head, &headers, body).await;
            assert_eq!(answer.status, 401, "{head} {headers:?}");
            assert_eq!(answer.headers["www-authenticate"], challenge);
        }
    }
    let text = format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\n\r\n", huge.0, huge.1);
    let mut stream = rig.connect().await;
    stream.write_all(text.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 401);
}

#[tokio::test]
async fn two_authorization_headers_are_none() {
    let rig = Rig::start().await;
    let headers = [("authorization", "Bearer anna"), ("Authorization", "Bearer anna")];
    assert_eq!(rig.send("POST /mcp", &headers, PING).await.status, 401);
}

#[tokio::test]
async fn a_token_in_the_query_is_no_token() {
    let rig = Rig::start().await;
    let answer = rig.send("POST /mcp?access_token=anna", &[("authorization", "")], PING).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn item_40_the_well_known_paths_are_404_without_json() {
    let rig = Rig::start().await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/register",
        "/mcp/",
    ] {
        let answer = rig.send(&format!("GET {path}"), &[("authorization", "")], "").await;
        assert_eq!((answer.status, &*answer.body), (404, "not found\n"), "{path}");
        assert!(answer.headers["content-type"].starts_with("text/plain"), "{path}");
    }
}

#[tokio::test]
async fn health_is_told_without_a_token() {
    let rig = Rig::start().await;
    let answer = rig.send("GET /health", &[("authorization", "")], "").await;
    let mut health = answer.json();
    assert!(health["uptime_seconds"].take().is_u64());
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({"status": "ok", "version": version, "uptime_seconds": null, "tools": 3});
    assert_eq!((answer.status, health), (200, expected));
    assert!(rig.send("GET /", &[("authorization", "")], "").await.body.contains("/mcp"));
}

#[tokio::test]
async fn item_5_any_accept_will_do_but_the_body_must_be_declared_as_json() {
    let rig = Rig::start().await;
    let (headers, body) = modern("tools/list", json!({}));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    for accept in ["", "*/*", "application/json", "text/event-stream", "text/html"] {
        let headers = [&headers[..], &[("accept", accept)]].concat();
        assert_eq!(rig.send("POST /mcp", &headers, &body).await.status, 200, "{accept}");
    }
    for (kind, status) in [
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
    ] {
        let headers = [&headers[..], &[("content-type", kind)]].concat();
        assert_eq!(rig.send("POST /mcp", &headers, &body).await.status, status, "{kind}");
    }
}

fn small_body(state: &mut crate::http::router::HttpState) {
    state.bounds = body::Bounds { bytes: 64, time: Duration::from_secs(30) };
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_said_or_not() {
    let rig = Rig::start_with(Bounds::STANDARD, small_body).await;
    let fits = "x".repeat(64);
    assert_eq!(rig.send("POST /mcp", &[], &fits).await.error(), (400, -32700));
    assert_eq!(rig.send("POST /mcp", &[], &"x".repeat(65)).await.status, 413);
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer anna\r\n\
                content-type: application/json\r\ntransfer-encoding: chunked\r\n\
                connection: close\r\n\r\n";
    let chunks = format!("{head}28\r\n{}\r\n28\r\n{}\r\n0\r\n\r\n", "x".repeat(40), "x".repeat(40));
    assert_eq!(rig.raw(chunks.as_bytes()).await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let change = |state: &mut crate::http::router::HttpState| {
        state.bounds = body::Bounds { bytes: 1024, time: Duration::from_millis(20) };
    };
    let rig = Rig::start_with(Bounds::STANDARD, change).await;
    let whole = request("POST /mcp", &[], PING);
    let (most, _last) = whole.split_at(whole.len() - 1);
    let mut stream = rig.connect().await;
    stream.write_all(most.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 408);
}

#[tokio::test]
async fn bodies_that_need_more_room_than_there_is_are_told_to_come_back() {
    let change = |state: &mut crate::http::router::HttpState| state.room = body::Room::of(4096);
    let rig = Rig::start_with(Bounds::STANDARD, change).await;
    let fits = "x".repeat(4096);
    assert_eq!(rig.send("POST /mcp", &[], &fits).await.error(), (400, -32700));
    let answer = rig.send("POST /mcp", &[], &format!("{fits}x")).await;
    assert_eq!((answer.status, &*answer.headers["retry-after"]), (503, "1"));
    // One that is still coming holds what has come of it, and gives it back.
    let head = request("POST /mcp", &[], &fits);
    let mut slow = rig.connect().await;
    slow.write_all(&head.as_bytes()[..head.len() - 1]).await.unwrap();
    while rig.state.room.has(4096) {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.send("POST /mcp", &[], &fits).await.status, 503);
    slow.write_all(b"x").await.unwrap();
    assert_eq!(Answer::read(&mut slow).await.status, 400);
    assert_eq!(rig.send("POST /mcp", &[], &fits).await.status, 400);
}

#[tokio::test]
async fn more_requests_than_the_server_takes_are_told_to_come_back() {
    let rig = Rig::start_with(Bounds::STANDARD, |state| state.take_requests(1)).await;
    let (headers, body) = modern("tools/call", json!({"name": "slow"}));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut stream = rig.connect().await;
    stream.write_all(request("POST /mcp", &headers, &body).as_bytes()).await.unwrap();
    rig.slow_began().await;
    let answer = rig.send("POST /mcp", &headers, &body).await;
    assert_eq!((answer.status, &*answer.headers["retry-after"]), (503, "1"));
    assert_eq!(rig.send("GET /health", &[], "").await.status, 200);
    drop(stream);
    rig.slow_ended().await;
}

#[tokio::test]
async fn a_bug_is_one_failed_request_on_a_connection_that_goes_on() {
    let app = axum::Router::new()
        .route("/bug", axum::routing::get(|| async { "a bug".parse::<u32>().unwrap().to_string() }))
        .route("/", axum::routing::get(|| async { "hello" }))
        .layer(axum::middleware::from_fn(super::survive::survive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(crate::net::accept::serve(listener, app, stop));
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let keep = [("connection", "keep-alive")];
    let both = request("GET /bug", &keep, "") + &request("GET /", &[], "");
    stream.write_all(both.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("200 OK") && answer.body.ends_with("hello"), "{answer:?}");
}
