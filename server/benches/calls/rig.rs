//! The two programs, started as an operator would, in a directory of their own. Both end with this
//! process, whatever ends it: it holds the other ends of their stdin.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use serde_json::{Value, json};
use server::exec::client::Runner;
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::client::Wire;
use crate::process::{Cpu, Memory};
use crate::{Failed, backend};

const POLICY: &str = include_str!("../../../policy/demo.d/10-host.toml");
const CONFIG: &str = include_str!("../../../configs/demo.json");
const BUILT: &str = env!("CARGO_BIN_EXE_mcpfusion");
/// For a program to come up.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// The programs that are measured.
#[derive(Debug)]
pub(crate) struct Programs {
    server: PathBuf,
    runner: PathBuf,
    /// Size of the server's file.
    pub(crate) server_kib: u64,
    /// Size of the runner's file.
    pub(crate) runner_kib: u64,
}

impl Programs {
    /// Finds them in `dir`, or where cargo puts them.
    pub(crate) fn find(dir: Option<&Path>) -> Result<Self, Failed> {
        let server = dir.map_or_else(|| BUILT.into(), |dir| dir.join("mcpfusion"));
        let runner = server.with_file_name("mcpfusion-runner");
        let kib = |path: &Path| fs::metadata(path).map(|file| file.len() / 1024);
        let runner_kib = kib(&runner).map_err(|e| {
            format!("{}: {e}; build it first: cargo build --release -p runner", runner.display())
        })?;
        Ok(Self { server_kib: kib(&server)?, server, runner, runner_kib })
    }
}

/// A runner and a server that answer.
#[derive(Debug)]
pub(crate) struct Rig {
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// What it lets in.
    pub(crate) token: String,
    /// From the start of the runner's program to its first answer.
    pub(crate) runner_start: Duration,
    server: Process,
    runner: Process,
    programs: Programs,
    dir: TempDir,
}

impl Rig {
    /// Starts both, with the demo's policy and its tools, and one more whose upstream is here.
    pub(crate) fn start(programs: Programs) -> Result<Self, Failed> {
        let dir = tempfile::Builder::new().prefix("mcpfusion-bench-").tempdir()?;
        let policy = dir.path().join("policy.d");
        fs::create_dir(&policy)?;
        fs::set_permissions(&policy, Permissions::from_mode(0o755))?;
        write(&policy.join("10-host.toml"), POLICY)?;
        write(&dir.path().join("demo.json"), CONFIG)?;
        write(&dir.path().join("bench.json"), &tools(backend::start()?).to_string())?;

        let (runner, runner_start) = start_runner(&programs, dir.path(), &policy)?;
        let (server, address) = Process::serve(&programs, dir.path(), "state")?;
        let token = token(&programs, &dir.path().join("state"))?;
        Ok(Self { address, token, runner_start, server, runner, programs, dir })
    }

    /// From the start of another server's program to its first answer.
    pub(crate) fn time_start(&self) -> Result<Duration, Failed> {
        let began = Instant::now();
        // With a database of its own: the measured server holds the other.
        let (_server, address) = Process::serve(&self.programs, self.dir.path(), "timed")?;
        let get = format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let mut wire = Wire::open(address)?;
        let (head, _body) = wire.exchange(get.as_bytes())?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("/health says {head}").into());
        }
        Ok(began.elapsed())
    }

    /// What both have in memory, for people.
    pub(crate) fn memory(&self) -> Result<String, Failed> {
        let (server, runner) = (Memory::of(self.server.pid())?, Memory::of(self.runner.pid())?);
        Ok(format!("server {server}; runner {runner}"))
    }

    /// The server's time so far.
    pub(crate) fn server_cpu(&self) -> Result<Cpu, Failed> {
        Cpu::of(self.server.pid())
    }

    /// The runner's time so far.
    pub(crate) fn runner_cpu(&self) -> Result<Cpu, Failed> {
        Cpu::of(self.runner.pid())
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o644))?)
}

fn tools(backend: SocketAddr) -> Value {
    let static_control = |name: &str, kind: &str, value: Value| json!({"name": name, "type": kind, "location": "control", "static": true, "default": value});
    json!({
        "services": {"loopback": {
            "name": "Loopback",
            "baseURL": format!("http://{backend}"),
            "auth": {"type": "none"},
            "endpoints": [{
                "id": "answer",
                "name": "Answer",
                "description": "Gives a small answer.",
                "method": "GET",
                "path": "/answer/{id}",
                "parameters": [
                    {"name": "id", "type": "integer", "location": "path", "required": true},
                    {"name": "lang", "type": "string", "location": "query"},
                ],
                "response": {"type": "json"},
            }],
        }},
        "commands": {"bench": {
            "name": "Bench",
            "commands": [{
                "id": "true",
                "name": "True",
                "description": "Runs true.",
                "parameters": [static_control("executable", "string", json!("/usr/bin/true"))],
            }],
        }},
    })
}

fn start_runner(
    programs: &Programs,
    dir: &Path,
    policy: &Path,
) -> Result<(Process, Duration), Failed> {
    let socket = dir.join("runner.sock");
    let mut command = Command::new(&programs.runner);
    command.args(["serve", "--exit-with-stdin", "--policy"]).arg(policy);
    command.arg("--socket").arg(&socket).arg("--audit").arg(dir.join("audit.jsonl"));
    command.arg("--state").arg(dir);
    if !geteuid().is_root() {
        command.arg("--unprivileged");
    }
    let began = Instant::now();
    let mut process = Process::start(command)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let asking = Runner::new(socket);
    while runtime.block_on(asking.describe()).is_err() {
        if began.elapsed() > PATIENCE {
            return Err("the runner does not answer".into());
        }
        if let Some(status) = process.0.try_wait()? {
            return Err(format!("the runner ended: {status}").into());
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok((process, began.elapsed()))
}

/// Adds a token through the running server.
fn token(programs: &Programs, state: &Path) -> Result<String, Failed> {
    let output =
        Command::new(&programs.server).args(["token", "add", "--db-dir"]).arg(state).output()?;
    let text = String::from_utf8(output.stdout)?;
    let token = text.lines().find_map(|line| line.strip_prefix("Token:"));
    Ok(token.ok_or("`token add` gave no token")?.trim().to_owned())
}

/// A program that ends when this is dropped.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> Result<Self, Failed> {
        command.env_clear().env("MCP_FUSION_LOG", "warn").stdin(Stdio::piped());
        let program = command.get_program().to_owned();
        let child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        Ok(Self(child))
    }

    /// A server with the state directory `state` in `dir`, once it listens.
    fn serve(programs: &Programs, dir: &Path, state: &str) -> Result<(Self, SocketAddr), Failed> {
        let mut configs = String::new();
        write!(
            configs,
            "{},{}",
            dir.join("demo.json").display(),
            dir.join("bench.json").display()
        )?;
        let mut command = Command::new(&programs.server);
        command.args(["serve", "--announce", "--exit-with-stdin", "--listen", "127.0.0.1:0"]);
        for (flag, value) in [
            ("--config", OsStr::new(&configs)),
            ("--db-dir", dir.join(state).as_os_str()),
            ("--runner", dir.join("runner.sock").as_os_str()),
        ] {
            command.arg(flag).arg(value);
        }
        command.stdout(Stdio::piped());
        let mut process = Self::start(command)?;
        let stdout = process.0.stdout.take().ok_or("the server has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let announced: Value = serde_json::from_str(&line)
            .map_err(|e| format!("the server did not start ({e}; it said {line:?})"))?;
        let address = announced.pointer("/listen/0").and_then(Value::as_str);
        Ok((process, address.ok_or("the server listens nowhere")?.parse()?))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by now.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
