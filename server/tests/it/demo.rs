//! `mcpfusion demo`, as whoever runs the tests, and as an ordinary user.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{
    Running, copy_program, directory, eventually, is_root, kill_the_one_with, mcpfusion, run,
    runner_program, runs_with,
};
use crate::http::Client;
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        a_demo_announces_itself_in_one_line_of_json_and_its_tools_work,
        a_demo_prints_commands_that_work,
        an_interrupted_demo_leaves_nothing,
        a_terminated_demo_leaves_nothing,
        a_killed_demo_leaves_no_process,
        a_demo_without_one_of_its_programs_ends_and_names_it,
        a_demo_takes_another_port_where_its_own_is_taken,
        a_demo_without_its_runner_says_how_to_get_it,
    ];
    let root = cases![Root: an_ordinary_users_demo_says_what_is_missing];
    anywhere.into_iter().chain(root).collect()
}

const NOBODY: u32 = 65_534;

/// A demo that has a directory for temporary files of its own.
struct Demo {
    running: Running,
    temporary: TempDir,
}

impl Demo {
    fn start(words: &[&str]) -> Self {
        runner_program();
        let temporary = directory();
        let mut command = mcpfusion(&["demo"]);
        command.args(words).env("TMPDIR", temporary.path()).env("PATH", "/usr/bin");
        let running = Running::start(command, temporary.path().join("log"));
        Self { running, temporary }
    }

    /// It and the line that it announces itself with.
    fn announced() -> (Self, Value) {
        let mut demo = Self::start(&["--json", "--port", "0"]);
        let line = demo.running.line();
        (demo, serde_json::from_str(&line).unwrap())
    }

    /// Whether a process of it lives: its programs are told paths in its directory.
    fn lives(&self) -> bool {
        runs_with(self.temporary.path().to_str().unwrap())
    }

    fn is_there(&self) -> bool {
        let mut entries = fs::read_dir(self.temporary.path()).unwrap().filter_map(Result::ok);
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with("mcpfusion-demo-"))
    }
}

fn authority(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap()
}

fn a_demo_announces_itself_in_one_line_of_json_and_its_tools_work() {
    let (_demo, said) = Demo::announced();
    let url = said["url"].as_str().unwrap();
    let at = authority(url);
    assert_eq!(url, format!("http://{at}/mcp"));
    assert_eq!(said["sse_url"], format!("http://{at}/sse"));
    let tools = said["tools"].as_array().unwrap();
    assert!(tools.len() > 10 && tools.contains(&json!("command_df")), "{tools:?}");
    let client = Client { at, token: said["token"].as_str().unwrap() };
    for tool in ["command_uname", "server_health"] {
        let result = client.call(tool, &json!({}));
        assert_eq!(result["isError"], false, "{tool}: {result}");
    }
    assert_eq!(client.session().ask(1, "ping", &json!({})).result(), json!({}));
}

fn a_demo_prints_commands_that_work() {
    let mut demo = Demo::start(&["--port", "0"]);
    let words = demo.running.words_up_to("Ctrl-C ends everything.");
    assert!(words.contains("claude mcp add --transport http mcpfusion http://127.0.0.1:"));
    let call = words.lines().find_map(|line| line.split_once(" call ")).expect("a call").1;
    let call: Vec<_> = ["call"].into_iter().chain(call.split(' ')).collect();
    let said = run(&call);
    assert_eq!(said.code, Some(0), "{call:?}: {said:?}");
    assert!(said.stdout.contains("Filesystem"), "{said:?}");
    assert_eq!(words.contains("MISSING: "), !is_root(), "{words}");
}

fn assert_leaves_nothing(signal: Signal) {
    let (mut demo, _) = Demo::announced();
    assert!(demo.lives() && demo.is_there());
    demo.running.signal(signal);
    assert_eq!(demo.running.wait(), Some(0), "{}", demo.running.log());
    assert!(!demo.lives(), "a process is left");
    assert!(!demo.is_there(), "its directory is left");
}

fn an_interrupted_demo_leaves_nothing() {
    assert_leaves_nothing(Signal::INT);
}

fn a_terminated_demo_leaves_nothing() {
    assert_leaves_nothing(Signal::TERM);
}

fn a_killed_demo_leaves_no_process() {
    let (mut demo, _) = Demo::announced();
    assert!(demo.lives());
    demo.running.kill();
    eventually("no process is left", || !demo.lives());
}

fn a_demo_without_one_of_its_programs_ends_and_names_it() {
    for (flag, name) in [("--policy", "the runner ended"), ("--config", "the server ended")] {
        let (mut demo, _) = Demo::announced();
        kill_the_one_with(demo.temporary.path().to_str().unwrap(), flag);
        assert_eq!(demo.running.wait(), Some(69));
        assert!(demo.running.log().contains(name), "{}", demo.running.log());
        assert!(!demo.lives() && !demo.is_there());
    }
}

fn a_demo_takes_another_port_where_its_own_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut demo = Demo::start(&["--json", "--port", &port]);
    let said: Value = serde_json::from_str(&demo.running.line()).unwrap();
    let at = authority(said["url"].as_str().unwrap());
    assert_ne!(at, format!("127.0.0.1:{port}"));
    assert!(Client { at, token: said["token"].as_str().unwrap() }.is_let_in());
}

fn a_demo_without_its_runner_says_how_to_get_it() {
    let temporary = directory();
    let missing = temporary.path().join("no-runner");
    let mut command = mcpfusion(&["demo", "--port", "0", "--runner-program"]);
    let said = command.arg(&missing).env("TMPDIR", temporary.path()).output().unwrap();
    assert_eq!(said.status.code(), Some(69));
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(words.contains(missing.to_str().unwrap()), "{words}");
    assert!(words.contains("cargo build --release"), "{words}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "its directory is left");
}

fn an_ordinary_users_demo_says_what_is_missing() {
    let temporary = directory();
    let server = copy_program(Path::new(env!("CARGO_BIN_EXE_mcpfusion")), temporary.path());
    copy_program(&runner_program(), temporary.path());
    let own = temporary.path().join("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(server);
    command.args(["demo", "--port", "0"]).env_clear().env("TMPDIR", &own).current_dir("/");
    command.uid(NOBODY).gid(NOBODY);
    let mut demo = Running::start(command, temporary.path().join("log"));
    let words = demo.words_up_to("Ctrl-C ends everything.");
    assert!(words.contains("MISSING: "), "{words}");
    let token = words.lines().find_map(|line| line.trim().strip_prefix("Token  ")).unwrap();
    let url = words.lines().find_map(|line| line.trim().strip_prefix("URL    ")).unwrap();
    let client = Client { at: authority(url), token };
    let result = client.call("command_uname", &json!({}));
    assert_eq!(result["isError"], false, "{result}");
    demo.signal(Signal::TERM);
    assert_eq!(demo.wait(), Some(0), "{}", demo.log());
    assert!(!runs_with(own.to_str().unwrap()), "a process is left");
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0, "its directory is left");
}
