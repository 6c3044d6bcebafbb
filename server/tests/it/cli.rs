//! The command line against a running server, and what never gets out of it.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, CONFIG, Running, add_token, backend, directory, mcpfusion, run};
use crate::http::{Client, request};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        the_serving_process_has_given_up_what_it_does_not_need,
        call_prints_what_the_tool_says_and_exits_by_how_it_went,
        call_says_what_is_wrong_with_its_token_or_address,
        tools_lists_names_or_json,
        validate_judges_a_file_and_starts_nothing,
        validate_knows_the_env_file_as_the_server_does,
        status_and_user_list_show_the_running_server,
        serve_takes_its_settings_from_the_environment_too,
        no_secret_is_ever_logged,
    ]
    .into()
}

fn call_prints_what_the_tool_says_and_exits_by_how_it_went() {
    let bench = Bench::start();
    let url = format!("http://{}/mcp", bench.at);
    let call = |words: &[&str]| {
        let mut all = vec!["call", "--url", &url, "--token", &bench.token];
        all.extend(words);
        run(&all)
    };
    let said = call(&["command_attack", r#"words=["exit","0"]"#]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{said:?}");
    assert!(said.stdout.contains("Status: Success"), "{said:?}");
    let said = call(&["command_attack", r#"{"words": ["exit", "9"]}"#]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("Exit Code: 9"), "{said:?}");
    let said = call(&["--json", "command_id"]);
    let result: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (&result["structuredContent"]["exit_code"], &result["isError"]),
        (&json!(0), &json!(false))
    );
    assert!(result["text"].as_str().unwrap().contains("Status: Success"));
    let said = call(&["command_iid"]);
    assert_eq!((said.code, &*said.stdout), (Some(1), ""), "{said:?}");
    assert!(said.stderr.contains("did you mean \"command_id\"?"), "{said:?}");
}

fn call_says_what_is_wrong_with_its_token_or_address() {
    let bench = Bench::without_runner();
    let url = format!("http://{}/mcp", bench.at);
    let said = run(&["call", "--url", &url, "server_health"]);
    assert_eq!(said.code, Some(77), "{said:?}");
    assert!(said.stderr.contains("wants a token"), "{said:?}");
    let said = run(&["tools", "--url", &url, "--token", "hunter2"]);
    assert_eq!(said.code, Some(77), "{said:?}");
    assert!(said.stderr.contains("does not know this token"), "{said:?}");
    assert!(!said.stderr.contains("hunter2"), "{said:?}");
    let said = run(&["tools", "--url", "http://127.0.0.1:9/mcp"]);
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.stderr.contains("nobody listens at 127.0.0.1:9"), "{said:?}");
    let said = run(&["tools", "--url", "ftp://127.0.0.1"]);
    assert_eq!(said.code, Some(64), "{said:?}");
}

fn tools_lists_names_or_json() {
    let bench = Bench::without_runner();
    let url = format!("http://{}", bench.at);
    let said = run(&["tools", "--url", &url, "--token", &bench.token]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 7, "{said:?}");
    assert!(said.stdout.contains("command_nap "), "{said:?}");
    let said = run(&["tools", "--json", "--url", &url, "--token", &bench.token]);
    let tools: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(tools[0]["name"], "backend_fails");
    assert_eq!(tools[0]["inputSchema"]["type"], "object");
}

fn validate_judges_a_file_and_starts_nothing() {
    let dir = directory();
    let good = dir.path().join("good.json");
    fs::write(&good, CONFIG.replace("${MCP_FUSION_LISTEN}", "127.0.0.1:1")).unwrap();
    let said = run(&["validate", "--strict", good.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout, "1 file: 7 tools, 0 warnings\n");
    let odd = dir.path().join("odd.json");
    let text = fs::read_to_string(&good).unwrap();
    fs::write(&odd, text.replacen("\"name\"", "\"nmae\"", 1)).unwrap();
    let said = run(&["validate", "--format", "json", odd.to_str().unwrap()]);
    assert_eq!(said.code, Some(78), "{said:?}");
    let first: Value = serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap();
    assert!(first.to_string().contains("odd.json"), "{said:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

fn validate_knows_the_env_file_as_the_server_does() {
    let dir = directory();
    let config = dir.path().join("config.json");
    fs::write(&config, CONFIG.replace("${MCP_FUSION_LISTEN}", "${ONLY_IN_THE_ENV_FILE}")).unwrap();
    let env = dir.path().join(".config/mcpfusion");
    fs::create_dir_all(&env).unwrap();
    fs::write(env.join("env"), "ONLY_IN_THE_ENV_FILE=127.0.0.1:1\n").unwrap();
    let mut command = mcpfusion(&["validate", "--strict", config.to_str().unwrap()]);
    let output = command.env("HOME", dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

fn status_and_user_list_show_the_running_server() {
    let mut bench = Bench::without_runner();
    let said = run(&["status", "--db-dir", &bench.state()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains(&bench.at) && said.stdout.contains("Tools:   7"), "{said:?}");
    let said = run(&["user", "list", "--format", "json", "--db-dir", &bench.state()]);
    let users: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((users.as_array().unwrap().len(), &users[0]["tokens"]), (1, &json!(1)));
    bench.kill_server();
    let said = run(&["status", "--db-dir", &bench.state()]);
    assert_eq!(said.code, Some(69), "{said:?}");
    assert!(said.stderr.contains("no server runs"), "{said:?}");
}

fn serve_takes_its_settings_from_the_environment_too() {
    let dir = directory();
    let config = dir.path().join("config.json");
    fs::write(&config, CONFIG).unwrap();
    let state = dir.path().join("state").to_str().unwrap().to_owned();
    let mut command = mcpfusion(&["serve", "--announce", "--exit-with-stdin"]);
    command.env("MCP_FUSION_CONFIG", dir.path().join("not-this-one.json"));
    command.env("MCP_FUSION_CONFIGS", &config).env("MCP_FUSION_DB_DIR", &state);
    command.env("MCP_FUSION_LISTEN", "127.0.0.1:0,127.0.0.2:0").env("MCP_FUSION_LOG", "warn");
    let mut server = Running::start(command, dir.path().join("log"));
    let said: Value = serde_json::from_str(&server.line()).unwrap();
    let (token, _) = add_token(&state).unwrap();
    for at in said["listen"].as_array().unwrap() {
        let client = Client { at: at.as_str().unwrap(), token: &token };
        let result = client.call("server_health", &json!({}));
        assert_eq!(result["isError"], false, "{at}: {result}");
    }
    assert_eq!(said["listen"].as_array().unwrap().len(), 2);
    assert!(!server.log().contains("INFO"), "{}", server.log());
}

fn no_secret_is_ever_logged() {
    const SECRET: &str = "s3cret-of-the-backend";
    let variables = vec![("BACKEND", backend().to_string()), ("BACKEND_TOKEN", SECRET.to_owned())];
    let mut bench = Bench::with("trace", variables);
    bench.start_runner();
    let client = bench.client();
    for tool in ["backend_fine", "backend_fails", "command_id", "command_absent", "server_health"] {
        client.call(tool, &json!({}));
    }
    client.attack(&["exit", "3"]);
    client.call("backend_fine", &json!({"unknown": 1}));
    let session = client.session();
    session.ask(1, "tools/list", &json!({}));
    session.delete();
    assert!(!Client { at: &bench.at, token: "hunter2-hunter2" }.is_let_in());
    let bearer = format!("Bearer {}", bench.token);
    let broken = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    assert_eq!(request(&bench.at, "POST", "/mcp", &broken, "{").status, 400);
    let (other, hash) = bench.add_token();
    run(&["token", "revoke", "--yes", "--db-dir", &bench.state(), &hash]);
    assert_eq!(bench.stop_server(), Some(0));
    let log = bench.log();
    assert!(log.contains("TRACE") && log.contains("backend_fails"), "{log}");
    for (name, secret) in [
        ("a caller's token", bench.token.as_str()),
        ("another caller's token", &other),
        ("a token of nobody", "hunter2-hunter2"),
        ("the backend's token", SECRET),
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{name} is in the log");
    }
}

fn the_serving_process_has_given_up_what_it_does_not_need() {
    let bench = Bench::without_runner();
    assert!(bench.proc_of_the_server("status").contains("NoNewPrivs:\t1"));
    let limits = bench.proc_of_the_server("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}
