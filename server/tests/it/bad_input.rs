//! What is wrong from the start: messages, connections, settings, files. Each is told so, with its
//! own status or exit code, and none does harm to what is right.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, CONFIG, Running, Said, add_token, directory, mcpfusion, run};
use crate::http::{request, send, text};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        a_head_that_does_not_come_is_not_waited_for_and_holds_up_nobody,
        a_head_that_is_too_long_is_refused,
        what_is_no_message_gets_its_error_and_the_next_message_its_answer,
        a_stateless_request_that_contradicts_itself_is_refused,
        an_unknown_method_or_tool_is_a_protocol_error,
        an_oversized_body_is_refused_unread,
        a_config_with_three_errors_stops_the_start_with_all_three_places,
        a_missing_config_file_is_named,
        a_port_in_use_is_named,
        every_wrong_setting_is_named,
        without_a_runner_commands_say_so_until_there_is_one,
        no_auth_is_refused_beyond_loopback,
        wrong_usage_is_its_own_exit_code,
        a_state_directory_that_cannot_be_used_is_named,
        a_state_directory_in_use_is_named,
    ];
    let root = cases![Root: a_state_directory_of_another_user_is_refused];
    anywhere.into_iter().chain(root).collect()
}

/// `mcpfusion serve` in a state directory of its own, which is to fail.
fn serve(dir: &Path, words: &[&str]) -> Said {
    let mut command = mcpfusion(&["serve", "--db-dir"]);
    command.arg(dir.join("state")).args(words);
    if !words.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    // Started without a stdin, it would end at once if it did start.
    let said: Said = command.arg("--exit-with-stdin").output().unwrap().into();
    assert_eq!(said.stdout, "");
    assert!(!said.stderr.contains("panicked"), "{said:?}");
    said
}

fn a_head_that_does_not_come_is_not_waited_for_and_holds_up_nobody() {
    let bench = Bench::without_runner();
    let began_at = Instant::now();
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&bench.at).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Half: ").unwrap();
            stream
        })
        .collect();
    assert!(bench.client().is_let_in());
    assert!(began_at.elapsed() < Duration::from_secs(8), "others had to wait");
    for mut stream in slow {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let took = began_at.elapsed();
    assert!((9..20).contains(&took.as_secs()), "{took:?}");
    assert!(bench.client().is_let_in());
}

fn a_head_that_is_too_long_is_refused() {
    let bench = Bench::without_runner();
    let long = "x".repeat(70 * 1024);
    let answer = request(&bench.at, "GET", "/health", &[("X-Long", &long)], "");
    assert_eq!(answer.status, 431);
    assert!(bench.client().is_let_in());
}

fn what_is_no_message_gets_its_error_and_the_next_message_its_answer() {
    let bench = Bench::without_runner();
    let session = bench.client().session();
    let deep = "[".repeat(100_000);
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", -32700),
        ("\u{0}", -32700),
        (&deep, -32700),
        ("null", -32600),
        ("[]", -32600),
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600),
        ("{}", -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", -32600),
    ] {
        let shown: String = body.chars().take(60).collect();
        let answer = crate::http::receive(session.send("POST", body));
        assert_eq!(answer.status, 400, "{shown}: {answer:?}");
        assert_eq!(answer.error().0, code, "{shown}: {answer:?}");
        assert_eq!(session.ask(1, "ping", &json!({})).result(), json!({}));
    }
}

fn a_stateless_request_that_contradicts_itself_is_refused() {
    let bench = Bench::without_runner();
    let bearer = format!("Bearer {}", bench.token);
    let meta = |revision: &str| {
        json!({
            "io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    };
    let ours = "2026-07-28";
    for (revision, method, params, code) in [
        (ours, "tools/list", json!({}), -32602),
        (ours, "tools/list", json!({"_meta": {}}), -32602),
        (ours, "tools/call", json!({"_meta": meta(ours)}), -32020),
        ("2025-11-25", "tools/list", json!({"_meta": meta(ours)}), -32020),
        ("2099-01-01", "tools/list", json!({"_meta": meta("2099-01-01")}), -32022),
    ] {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("MCP-Protocol-Version", revision),
            ("Mcp-Method", "tools/list"),
        ];
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = request(&bench.at, "POST", "/mcp", &headers, &body.to_string());
        assert_eq!((answer.status, answer.error().0), (400, code), "{body}: {answer:?}");
        assert!(bench.client().is_let_in());
    }
}

fn an_unknown_method_or_tool_is_a_protocol_error() {
    let bench = Bench::without_runner();
    let session = bench.client().session();
    let answer = session.ask(1, "tools/fly", &json!({}));
    assert_eq!((answer.status, answer.error().0), (200, -32601));
    let answer = bench.client().modern("tools/fly", json!({}));
    assert_eq!((answer.status, answer.error().0), (404, -32601));

    let call = json!({"name": "command_atack", "arguments": {}});
    for answer in [session.ask(2, "tools/call", &call), bench.client().modern("tools/call", call)] {
        let (code, words) = answer.error();
        assert_eq!(code, -32602);
        assert!(words.contains("did you mean \"command_attack\"?"), "{words}");
    }
    let call = json!({"name": "command_id", "arguments": [1]});
    assert_eq!(session.ask(3, "tools/call", &call).error().0, -32602);
}

fn an_oversized_body_is_refused_unread() {
    let bench = Bench::without_runner();
    let bearer = format!("Bearer {}", bench.token);
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", "4194305"),
    ];
    // Nothing of it is sent, so an answer means that nothing is waited for.
    let answer = crate::http::receive(send(&bench.at, "POST", "/mcp", &headers, ""));
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(answer.body.contains("4194304 bytes"), "{answer:?}");
    assert!(bench.client().is_let_in());
}

fn a_config_with_three_errors_stops_the_start_with_all_three_places() {
    let dir = directory();
    let mut broken = CONFIG.to_owned();
    for (right, wrong) in [
        (
            r#""method": "GET",
         "path": "/fine""#,
            r#""method": "FETCH",
         "path": "/fine""#,
        ),
        (
            r#""type": "integer", "location": "control""#,
            r#""type": "integer", "location": "kontrol""#,
        ),
        (
            r#""type": "integer",
           "location": "argument""#,
            r#""type": "integre",
           "location": "argument""#,
        ),
    ] {
        assert!(broken.contains(right));
        broken = broken.replace(right, wrong);
    }
    let path = dir.path().join("broken.json");
    fs::write(&path, &broken).unwrap();
    let path = path.to_str().unwrap();
    let place = |text: &str| {
        let at = broken.find(text).expect("the mistake");
        let before = &broken[..at];
        let line = before.matches('\n').count() + 1;
        let column = at - before.rfind('\n').map_or(0, |end| end + 1) + 1;
        format!("{path}:{line}:{column}")
    };
    let places = [place("\"FETCH\""), place("\"integre\""), place("\"kontrol\"")];
    let said = serve(dir.path(), &["--config", path]);
    assert_eq!(said.code, Some(78), "{said:?}");
    for place in &places {
        assert!(said.stderr.contains(place), "no {place} in {}", said.stderr);
    }
    assert!(!dir.path().join("state").exists(), "a start that fails leaves nothing");
    // `validate` says the same on stdout.
    let mut validate = mcpfusion(&["validate", path]);
    let said: Said = validate.env("MCP_FUSION_LISTEN", "127.0.0.1:1").output().unwrap().into();
    assert_eq!(said.code, Some(78), "{said:?}");
    for place in &places {
        assert!(said.stdout.contains(place), "no {place} in {}", said.stdout);
    }
    assert!(said.stdout.contains("3 errors"), "{}", said.stdout);
}

fn a_missing_config_file_is_named() {
    let dir = directory();
    let path = dir.path().join("nowhere.json");
    let path = path.to_str().unwrap();
    let said = serve(dir.path(), &["--config", path]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.stderr.contains(path) && said.stderr.contains("No such file"), "{said:?}");
    assert_eq!(run(&["validate", path]).code, Some(66));
}

fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let dir = directory();
    let said = serve(dir.path(), &["--listen", &at]);
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.stderr.contains(&format!("cannot listen on {at}")), "{said:?}");
    assert_eq!(said.stderr.matches("in use").count(), 1, "{said:?}");
    assert!(said.stderr.contains("--listen"), "{said:?}");
    let times = said.stderr.to_lowercase().matches("address already in use").count();
    assert_eq!(times, 1, "{said:?}");
}

fn every_wrong_setting_is_named() {
    let dir = directory();
    let said = serve(dir.path(), &["--listen", "localhost", "--log", "a=b=c", "--config", ","]);
    assert_eq!(said.code, Some(78), "{said:?}");
    for word in ["--listen: ", "--log: ", "--config: "] {
        assert!(said.stderr.contains(word), "no {word} in {said:?}");
    }
}

fn without_a_runner_commands_say_so_until_there_is_one() {
    let mut bench = Bench::without_runner();
    let result = bench.client().call("command_id", &json!({}));
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result["structuredContent"]["error"], "unavailable", "{result}");
    assert!(text(&result).contains("`mcpfusion-runner serve`"), "{result}");
    let result = bench.client().call("server_health", &json!({}));
    assert_eq!(result["isError"], false, "APIs need no runner: {result}");
    bench.start_runner();
    let result = bench.client().call("command_id", &json!({}));
    assert_eq!(result["isError"], false, "{result}");
}

fn no_auth_is_refused_beyond_loopback() {
    let dir = directory();
    for at in ["0.0.0.0:0", ":0", "[::]:0", "127.0.0.1:0,192.0.2.1:0"] {
        let said = serve(dir.path(), &["--no-auth", "--listen", at]);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.stderr.contains("--no-auth works on loopback addresses only"), "{said:?}");
    }
    let mut command = mcpfusion(&["serve", "--announce", "--exit-with-stdin", "--no-auth"]);
    command.args(["--listen", "127.0.0.1:0", "--db-dir"]).arg(dir.path().join("state"));
    let mut server = Running::start(command, dir.path().join("log"));
    let said: Value = serde_json::from_str(&server.line()).unwrap();
    let client = crate::http::Client { at: said["listen"][0].as_str().unwrap(), token: "" };
    let bare = request(client.at, "POST", "/mcp", &[("Content-Type", "application/json")], "");
    assert_eq!(bare.status, 400, "no token is asked for: {bare:?}");
}

fn wrong_usage_is_its_own_exit_code() {
    for words in [&["serve", "--no-such-option"][..], &["fly"], &[], &["token", "revoke", "xyz"]] {
        let said = run(words);
        assert_eq!((said.code, &*said.stdout), (Some(64), ""), "{words:?}: {said:?}");
    }
    let said = run(&["call", "--url", "http://127.0.0.1:9", "tool", "word"]);
    assert_eq!(said.code, Some(64));
    assert!(said.stderr.contains("NAME=VALUE"), "{said:?}");
}

fn a_state_directory_that_cannot_be_used_is_named() {
    let dir = directory();
    let file = dir.path().join("state");
    fs::write(&file, "precious").unwrap();
    let said = serve(dir.path(), &[]);
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.stderr.contains(file.to_str().unwrap()), "{said:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

fn a_state_directory_of_another_user_is_refused() {
    let dir = directory();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(65_534), None).unwrap();
    let said = serve(dir.path(), &[]);
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.stderr.contains("65534"), "{said:?}");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

fn a_state_directory_in_use_is_named() {
    let bench = Bench::without_runner();
    let said = serve(bench.dir.path(), &[]);
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.stderr.contains("state/"), "{said:?}");
    assert!(bench.client().is_let_in());
    assert_eq!(add_token(&bench.state()).map(drop).map_err(|said| said.stderr), Ok(()));
}
