//! A runner and a server of their own for one test, each the real program.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Client;

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_mcpfusion");

/// A taken-over tool, with every word allowed, and one program of the host.
const POLICY: &str = r#"
version = 1

[defaults]
wall_s = 30
grace_s = 1
cpu_s = 5
memory = "512M"
pids = 20
nofile = 64
fsize = "32M"
workdir_size = "64M"
output = { stdout = "64K", stderr = "16K", head = "16K", hard = "4M" }
stdin = "256K"
env = { PATH = "/usr/bin" }

[profile.base]
ro = ["/usr/lib", "/lib64", "/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/proc"]
rw = ["/dev/null", "%workdir"]
exec = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]

[command.attacker]
about = "A taken-over tool"
path = "{ATTACKER}"
profile = "base"
stdin = "piped"
positional = { name = "words", min = 0, max = 8, match = { type = "text", max_len = 4096 } }
[[command.attacker.example]]
allow = ["read", "/etc/shadow"]
[[command.attacker.example]]
deny = ["-x"]

[command.id]
about = "The user under which commands run"
path = "/usr/bin/id"
profile = "base"
flags = ["-u"]
[[command.id.example]]
allow = ["-u"]
[[command.id.example]]
deny = ["root"]
"#;

/// Tools on both. `${BACKEND}` and `${BACKEND_TOKEN}` come from the environment.
pub(crate) const CONFIG: &str = r#"{
  "services": {
    "server": {
      "name": "This server",
      "baseURL": "http://${MCP_FUSION_LISTEN}",
      "auth": {"type": "none"},
      "endpoints": [
        {"id": "health", "name": "Health", "description": "Its health.", "method": "GET",
         "path": "/health", "response": {"type": "json"}}
      ]
    },
    "backend": {
      "name": "A backend",
      "baseURL": "http://${BACKEND:127.0.0.1:9}",
      "auth": {"type": "bearer", "config": {"token": "${BACKEND_TOKEN:unset}"}},
      "endpoints": [
        {"id": "fine", "name": "Fine", "description": "Works.", "method": "GET",
         "path": "/fine", "response": {"type": "json"}},
        {"id": "fails", "name": "Fails", "description": "Fails.", "method": "GET",
         "path": "/fails", "response": {"type": "json"}}
      ]
    }
  },
  "commands": {
    "test": {
      "name": "Tests",
      "description": "Programs of the tests.",
      "commands": [
        {"id": "id", "name": "Id", "description": "Tells the user.", "parameters": [
          {"name": "executable", "type": "string", "location": "control", "static": true,
           "default": "/usr/bin/id"},
          {"name": "arguments", "type": "array", "items": "string", "location": "arglist",
           "static": true, "default": ["-u"]}]},
        {"id": "attack", "name": "Attack", "description": "Does as told.", "parameters": [
          {"name": "executable", "type": "string", "location": "control", "static": true,
           "default": "attacker"},
          {"name": "words", "description": "What to do.", "type": "array", "items": "string",
           "location": "arglist", "required": true},
          {"name": "count", "description": "A number.", "type": "integer",
           "location": "argument"}]},
        {"id": "nap", "name": "Nap", "description": "Sleeps for too long.", "parameters": [
          {"name": "executable", "type": "string", "location": "control", "static": true,
           "default": "attacker"},
          {"name": "timeout", "type": "integer", "location": "control", "static": true,
           "default": 1},
          {"name": "arguments", "type": "array", "items": "string", "location": "arglist",
           "static": true, "default": ["sleep", "600"]}]},
        {"id": "absent", "name": "Absent", "description": "No rule has it.", "parameters": [
          {"name": "executable", "type": "string", "location": "control", "static": true,
           "default": "/usr/bin/absent"}]}
      ]
    }
  }
}"#;

/// What a program of ours said before it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// `mcpfusion WORD...`, with nothing of our environment.
pub(crate) fn mcpfusion(words: &[&str]) -> Command {
    let mut command = Command::new(SERVER);
    command.args(words).env_clear().stdin(Stdio::null());
    command
}

/// What `mcpfusion WORD...` said.
pub(crate) fn run(words: &[&str]) -> Said {
    mcpfusion(words).output().unwrap().into()
}

/// The runner's program, which stands beside the server's.
pub(crate) fn runner_program() -> PathBuf {
    let program = Path::new(SERVER).with_file_name("mcpfusion-runner");
    assert!(
        program.exists(),
        "{} is missing: build it first: cargo build -p runner",
        program.display()
    );
    program
}

/// A directory that other users may pass through.
pub(crate) fn directory() -> TempDir {
    let dir = tempfile::Builder::new().prefix("server-it-").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

pub(crate) fn copy_program(program: &Path, dir: &Path) -> PathBuf {
    let copy = dir.join(program.file_name().unwrap());
    fs::copy(program, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

/// A program that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it. Its stderr goes to the file `log`.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Self {
        let stderr = fs::File::create(&log).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        Self { process: command.spawn().unwrap(), log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).unwrap();
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// How it ended.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            sleep(LOOK_AGAIN);
        }
        panic!("it does not end: {}", self.log());
    }

    /// The first line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it said nothing: {}", self.log());
        line
    }

    /// All that it prints up to a text.
    pub(crate) fn words_up_to(&mut self, end: &str) -> String {
        let mut words = String::new();
        for line in BufReader::new(self.process.stdout.take().unwrap()).lines() {
            words += &line.unwrap();
            words.push('\n');
            if words.contains(end) {
                return words;
            }
        }
        panic!("it ended after {words:?}: {}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A server, and the runner that it asks.
#[derive(Debug)]
pub(crate) struct Bench {
    server: Option<Running>,
    runner: Option<Running>,
    variables: Vec<(&'static str, String)>,
    log_filter: &'static str,
    pub(crate) at: String,
    pub(crate) token: String,
    pub(crate) dir: TempDir,
}

impl Bench {
    /// Both, and a token.
    pub(crate) fn start() -> Self {
        let mut bench = Self::without_runner();
        bench.start_runner();
        bench
    }

    /// The server alone.
    pub(crate) fn without_runner() -> Self {
        Self::with("info", Vec::new())
    }

    pub(crate) fn with(log_filter: &'static str, variables: Vec<(&'static str, String)>) -> Self {
        let dir = directory();
        fs::write(dir.path().join("config.json"), CONFIG).unwrap();
        let (at, token) = (String::new(), String::new());
        let mut bench = Self { server: None, runner: None, variables, log_filter, at, token, dir };
        bench.start_server();
        bench.token = bench.add_token().0;
        bench
    }

    pub(crate) fn client(&self) -> Client<'_> {
        Client { at: &self.at, token: &self.token }
    }

    pub(crate) fn state(&self) -> String {
        self.dir.path().join("state").to_str().unwrap().to_owned()
    }

    /// Starts a server on the state that is there.
    pub(crate) fn start_server(&mut self) {
        let path = |name: &str| self.dir.path().join(name);
        let mut command = mcpfusion(&["serve", "--announce", "--exit-with-stdin"]);
        command.args(["--listen", "127.0.0.1:0", "--log", self.log_filter]);
        command.arg("--config").arg(path("config.json")).args(["--db-dir", &self.state()]);
        command.arg("--runner").arg(path("runner.sock"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut server = Running::start(command, path("server.log"));
        let said: Value = serde_json::from_str(&server.line()).unwrap();
        said["listen"][0].as_str().unwrap().clone_into(&mut self.at);
        self.server = Some(server);
    }

    /// Starts the runner that the server expects, in the mode of whoever runs the tests.
    pub(crate) fn start_runner(&mut self) {
        let path = |name: &str| self.dir.path().join(name);
        let examples = runner_program().with_file_name("examples");
        let attacker = examples.join("attacker");
        assert!(
            attacker.exists(),
            "{} is missing: build it first: cargo build -p runner --examples",
            attacker.display()
        );
        let attacker = copy_program(&attacker, self.dir.path());
        let policy = path("policy.d");
        fs::create_dir(&policy).unwrap();
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).unwrap();
        let file = policy.join("10-test.toml");
        fs::write(&file, POLICY.replace("{ATTACKER}", attacker.to_str().unwrap())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let runs = path("runs");
        fs::create_dir(&runs).unwrap();
        let mut command = Command::new(runner_program());
        command.env_clear().args(["serve", "--exit-with-stdin"]);
        if is_root() {
            command.args(["--first-uid", &unused_uids().to_string()]);
        } else {
            command.arg("--unprivileged");
        }
        command.arg("--policy").arg(policy).arg("--socket").arg(path("runner.sock"));
        command.arg("--audit").arg(path("audit.jsonl")).arg("--state").arg(runs);
        command.args(["--allow-uid", &geteuid().as_raw().to_string()]);
        let runner = Running::start(command, path("runner.log"));
        eventually("the runner is ready", || runner.log().contains("ready"));
        self.runner = Some(runner);
    }

    /// A file of the server's own directory in `/proc`.
    pub(crate) fn proc_of_the_server(&self, file: &str) -> String {
        let server = self.server.as_ref().expect("the server runs");
        fs::read_to_string(format!("/proc/{}/{file}", server.process.id())).unwrap()
    }

    pub(crate) fn kill_server(&mut self) {
        self.server.as_mut().unwrap().kill();
    }

    /// Ends the server as an operator does, and tells its exit code.
    pub(crate) fn stop_server(&mut self) -> Option<i32> {
        let server = self.server.as_mut().unwrap();
        server.signal(Signal::TERM);
        server.wait()
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        self.server.as_ref().unwrap().log()
    }

    /// `mcpfusion token add`: the token and its hash.
    pub(crate) fn add_token(&self) -> (String, String) {
        add_token(&self.state()).unwrap_or_else(|said| panic!("{said:?}"))
    }

    /// The runner's audit records of one kind.
    pub(crate) fn audit(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.path().join("audit.jsonl")).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["event"] == event).collect()
    }

    /// How the only run of this bench ended.
    pub(crate) fn end_of_the_run(&self) -> String {
        eventually("the run ends", || !self.audit("exit").is_empty());
        self.audit("exit")[0]["ended"].as_str().unwrap().to_owned()
    }
}

/// `mcpfusion token add`: the token and its hash, if that was acknowledged.
pub(crate) fn add_token(state: &str) -> Result<(String, String), Said> {
    let said = run(&["token", "add", "--db-dir", state]);
    let value = |name: &str| {
        let line = said.stdout.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    match (said.code, value("Token:"), value("Hash:")) {
        (Some(0), Some(token), Some(hash)) => Ok((token, hash)),
        _ => Err(said),
    }
}

/// An upstream that lets everybody in, and that repeats what it was sent where it fails.
pub(crate) fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, body) = if head.starts_with("GET /fine ") {
                ("200 OK", serde_json::json!({"fine": true}))
            } else {
                ("500 Internal Server Error", serde_json::json!({"you sent": head}))
            };
            let body = body.to_string();
            let n_bytes = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
                 Content-Length: {n_bytes}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    at
}

const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits, within reason, for something that another process does.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if condition() {
            return;
        }
        sleep(LOOK_AGAIN);
    }
    panic!("never came true: {what}");
}

/// The processes of the host that have this file of `/proc/PID` with such a text in it.
fn processes(file: &str, is: impl Fn(&str) -> bool) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let found = entries.filter(|entry| {
        fs::read_to_string(entry.path().join(file)).is_ok_and(|text| is(text.trim_end()))
    });
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    found.filter_map(number).filter_map(Pid::from_raw).collect()
}

/// Whether a process of this name lives.
pub(crate) fn lives(name: &str) -> bool {
    !processes("comm", |found| found == name).is_empty()
}

/// Whether a process was started with these words in its command line.
pub(crate) fn runs_with(words: &str) -> bool {
    !processes("cmdline", |found| found.contains(words)).is_empty()
}

/// Kills the one process that was started with both of these in its command line.
pub(crate) fn kill_the_one_with(words: &str, others: &str) {
    let found = processes("cmdline", |found| found.contains(words) && found.contains(others));
    assert_eq!(found.len(), 1, "{words} {others}");
    kill_process(found[0], Signal::KILL).unwrap();
}

/// A name for a process that no other test uses.
pub(crate) fn unique_name() -> String {
    format!("e{}", unique_number())
}

/// A number that no other test uses.
pub(crate) fn unique_number() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::process::id() * 100 + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The first of the users of one runner: runners that run at the same time must not share them.
fn unused_uids() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let of_this_process = 2_000_000_000 + (std::process::id() % 10_000) * 100_000;
    of_this_process + NEXT.fetch_add(100, Ordering::Relaxed)
}
