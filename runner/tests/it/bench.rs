//! A runner of its own for one test: policy, socket, audit log, and a client.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use proto::{
    Args, Blob, Denial, EnvVar, Execute, Exit, List, Receiver, Reply, Request, RunId, Sender,
    Started, StdinMode, Stream, Text,
};
use tempfile::TempDir;
use tokio_seqpacket::UnixSeqpacket;

pub(crate) const RUNNER: &str = env!("CARGO_BIN_EXE_mcpfusion-runner");
/// An ordinary user for a runner that root starts for one.
const NOBODY: u32 = 65_534;

/// The policy of most tests: the attacker, with every word allowed, confined.
pub(crate) const POLICY: &str = r#"
version = 1

[defaults]
wall_s = 20
grace_s = 1
cpu_s = 2
memory = "512M"
pids = 20
nofile = 64
fsize = "32M"
workdir_size = "64M"
output = { stdout = "64K", stderr = "16K", head = "16K", hard = "4M" }
stdin = "256K"
env = { PATH = "/usr/bin", MARK = "policy" }

[profile.base]
ro = ["/usr/lib", "/lib64", "/etc/ld.so.cache", "/etc/passwd", "/proc"]
rw = ["/dev/null", "%workdir"]
exec = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]

[command.attacker]
about = "A taken-over tool"
path = "{ATTACKER}"
profile = "base"
aliases = ["evil"]
stdin = "piped"
positional = { name = "words", min = 0, max = 8, match = { type = "text", max_len = 4096 } }
settable_env = { COLOUR = { type = "enum", values = ["red", "blue"] } }
[[command.attacker.example]]
allow = ["read", "/etc/shadow"]
[[command.attacker.example]]
deny = ["-x"]

[command.net]
about = "The same with a network"
path = "{ATTACKER}"
profile = "base"
network = "any"
positional = { name = "words", min = 0, max = 8, match = { type = "text", max_len = 4096 } }
[[command.net.example]]
allow = ["tcp", "127.0.0.1:80"]
[[command.net.example]]
deny = ["-x"]

[command.raw]
about = "The same with a capability"
path = "{ATTACKER}"
profile = "base"
network = "any"
capabilities = ["CAP_NET_RAW"]
positional = { name = "words", min = 0, max = 8, match = { type = "text", max_len = 4096 } }
[[command.raw.example]]
allow = ["status"]
[[command.raw.example]]
deny = ["-x"]
"#;

/// A command with one TCP port, which Landlock can hold from ABI 4 on; goes behind [`POLICY`].
pub(crate) const PORTS: &str = r#"
[require]
landlock_abi = 4

[command.ports]
about = "The same with one port"
path = "{ATTACKER}"
profile = "base"
network = { connect_tcp = [443] }
positional = { name = "words", min = 0, max = 8, match = { type = "text", max_len = 4096 } }
[[command.ports.example]]
allow = ["tcp", "127.0.0.1:443"]
[[command.ports.example]]
deny = ["-x"]
"#;

/// A running runner. Dropping it ends it.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) audit: PathBuf,
    pub(crate) process: Child,
    pub(crate) first_uid: u32,
}

/// How a run went.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) started: Option<Started>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What was dropped, and after how many bytes of the stream.
    pub(crate) gaps: Vec<(Stream, usize, u64)>,
    pub(crate) last: Reply,
}

impl Run {
    pub(crate) fn exit(&self) -> &Exit {
        let Reply::Exit(exit) = &self.last else { panic!("no exit but {self:?}") };
        exit
    }

    pub(crate) fn denial(&self) -> &Denial {
        let Reply::Denied(denial) = &self.last else { panic!("no denial but {self:?}") };
        denial
    }

    /// What an attempt came to, for an attempt that could be made at all.
    pub(crate) fn attempt(&self) -> &str {
        assert!(matches!(self.last, Reply::Exit(_)), "{self:?}");
        self.stdout.trim_end()
    }
}

/// A copy of the attacker that no group can write, whatever the umask of the build.
fn attacker(dir: &Path) -> PathBuf {
    let built = Path::new(RUNNER).with_file_name("examples").join("attacker");
    let copy = dir.join("attacker");
    fs::copy(built, &copy).expect("the attacker is built with the tests");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

pub(crate) fn write_policy(dir: &Path, text: &str) -> PathBuf {
    let policy = dir.join("policy.d");
    fs::create_dir_all(&policy).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).unwrap();
    let attacker = attacker(dir);
    let file = policy.join("10-test.toml");
    fs::write(&file, text.replace("{ATTACKER}", attacker.to_str().unwrap())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    policy
}

/// `runner ARGUMENT...`
pub(crate) fn command() -> Command {
    Command::new(RUNNER)
}

/// Whose runner it is.
#[derive(Clone, Copy)]
enum User {
    Own,
    Nobody,
    NobodyWithoutNamespaces,
}

/// Takes the right to make namespaces away from a user namespace, and capabilities from itself.
const NO_NAMESPACES: &str = "echo 0 > /proc/sys/user/max_user_namespaces && \
                             exec setpriv --inh-caps=-all --ambient-caps=-all \"$@\"";

fn as_nobody(mut command: Command) -> Command {
    command.uid(NOBODY).gid(NOBODY);
    command
}

fn copied(file: &Path, copy: &Path) -> PathBuf {
    fs::copy(file, copy).unwrap();
    copy.to_owned()
}

impl Bench {
    /// In the mode of whoever runs the tests.
    pub(crate) fn start() -> Self {
        Self::with(POLICY)
    }

    /// Root only: a runner of an ordinary user.
    pub(crate) fn start_unprivileged() -> Self {
        Self::started(POLICY, User::Nobody, None, &[])
    }

    /// Root only: the same on a host that gives no user namespaces.
    pub(crate) fn start_without_namespaces() -> Self {
        Self::started(POLICY, User::NobodyWithoutNamespaces, None, &[])
    }

    /// In the mode of whoever runs the tests, with a policy of one's own.
    pub(crate) fn with(policy: &str) -> Self {
        Self::started(policy, User::Own, None, &[])
    }

    /// With more words on the command line of `serve`.
    pub(crate) fn with_flags(policy: &str, flags: &[&str]) -> Self {
        Self::started(policy, User::Own, None, flags)
    }

    /// With a log of one's own choice.
    pub(crate) fn with_audit(policy: &str, audit: &Path) -> Self {
        Self::started(policy, User::Own, Some(audit), &[])
    }

    fn started(policy: &str, user: User, audit: Option<&Path>, flags: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("runner-it-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let policy = write_policy(dir.path(), policy);
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let socket = state.join("runner.sock");
        let audit = audit.map_or_else(|| state.join("audit.jsonl"), Path::to_owned);
        let own = nix::unistd::geteuid();
        let runner = Path::new(RUNNER);
        // A build directory may be out of another user's reach; a copy is not.
        let copy = dir.path().join("mcpfusion-runner");
        let (mut command, uid) = match user {
            User::Own => (Command::new(runner), own.as_raw()),
            User::Nobody => (as_nobody(Command::new(copied(runner, &copy))), NOBODY),
            User::NobodyWithoutNamespaces => {
                let mut command = as_nobody(Command::new("unshare"));
                command.args(["--user", "--map-current-user", "--keep-caps", "sh", "-c"]);
                command.arg(NO_NAMESPACES).arg("sh").arg(copied(runner, &copy));
                (command, NOBODY)
            }
        };
        let first_uid = unused_uids();
        command.args(["serve", "--exit-with-stdin", "--first-uid", &first_uid.to_string()]);
        if uid != 0 {
            command.arg("--unprivileged");
            std::os::unix::fs::chown(&state, Some(uid), None).unwrap();
        }
        command
            .arg("--policy")
            .arg(policy)
            .arg("--socket")
            .arg(&socket)
            .arg("--audit")
            .arg(&audit)
            .arg("--state")
            .arg(&state)
            .arg("--allow-uid")
            .arg(own.to_string())
            .arg("--allow-uid")
            .arg(uid.to_string())
            .args(flags);
        let mut process =
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runner starts");
        wait_until_ready(&mut process);
        Self { dir, socket, audit, process, first_uid }
    }

    pub(crate) async fn connect(&self) -> (Sender<Request>, Receiver<Reply>) {
        proto::channel(UnixSeqpacket::connect(&self.socket).await.expect("connects"))
    }

    /// One run to its end.
    pub(crate) fn run(&self, command: &str, args: &[&str]) -> Run {
        self.run_with(execute(command, args), None)
    }

    pub(crate) fn run_with(&self, execute: Execute, stdin: Option<&[u8]>) -> Run {
        block_on(async {
            let (mut sender, receiver) = self.connect().await;
            let piped = execute.stdin == StdinMode::Piped;
            sender.send(&Request::Execute(execute)).await.unwrap();
            if piped {
                for chunk in stdin.unwrap_or_default().chunks(proto::limit::CHUNK) {
                    sender.send(&Request::Stdin(Blob::new(chunk.to_vec()).unwrap())).await.unwrap();
                }
                sender.send(&Request::Stdin(Blob::default())).await.unwrap();
            }
            collect(receiver).await
        })
    }

    /// The audit log's records, behind the one of the runner's begin.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&self.audit).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let first: serde_json::Value = lines.next().expect("a begin");
        assert_eq!(first["event"], "begin");
        lines.collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Passes the runner's log on and returns when it says that it is ready.
fn wait_until_ready(process: &mut Child) {
    let log = BufReader::new(process.stderr.take().unwrap());
    let (ready, when) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            if line.contains("ready") {
                ready.send(()).ok();
            }
            eprintln!("runner: {line}");
        }
    });
    when.recv_timeout(Duration::from_secs(20)).expect("the runner becomes ready");
}

pub(crate) fn execute(command: &str, args: &[&str]) -> Execute {
    Execute {
        run: RunId(std::array::from_fn(|i| u8::try_from(i).unwrap())),
        principal: Text::new("tester").unwrap(),
        command: Text::new(command).unwrap(),
        args: words(args),
        env: List::default(),
        cwd: None,
        stdin: StdinMode::Closed,
        timeout_ms: None,
    }
}

pub(crate) fn words(args: &[&str]) -> Args {
    List::new(args.iter().map(|&arg| Text::new(arg).unwrap()).collect()).unwrap()
}

pub(crate) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: Text::new(name).unwrap(), value: Text::new(value).unwrap() }
}

/// Reads a run's messages up to the last one.
pub(crate) async fn collect(mut receiver: Receiver<Reply>) -> Run {
    let (mut started, mut stdout, mut stderr) = (None, Vec::new(), Vec::new());
    let mut gaps = Vec::new();
    loop {
        let reply = receiver.receive().await.expect("a message").expect("not the end");
        match reply {
            Reply::Started(it) => started = Some(it),
            Reply::Output(Stream::Stdout, chunk) => stdout.extend_from_slice(&chunk),
            Reply::Output(Stream::Stderr, chunk) => stderr.extend_from_slice(&chunk),
            Reply::Gap(stream, dropped) => {
                let passed = if stream == Stream::Stdout { &stdout } else { &stderr };
                gaps.push((stream, passed.len(), dropped));
            }
            last => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                return Run { started, stdout: text(&stdout), stderr: text(&stderr), gaps, last };
            }
        }
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Whether a process of this name (`/proc/PID/comm`) lives anywhere on the host.
pub(crate) fn lives(comm: &str) -> bool {
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
        fs::read_to_string(entry.path().join("comm")).is_ok_and(|found| found.trim_end() == comm)
    })
}

/// Waits, within reason, for something that another process does.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..400 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("never came true: {what}");
}

/// The first of the users of one runner: runners that run at the same time must not share them.
pub(crate) fn unused_uids() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let of_this_process = 1_000_000 + (std::process::id() % 10_000) * 100_000;
    of_this_process + NEXT.fetch_add(100, Ordering::Relaxed)
}

/// A name for a process that no other test uses.
pub(crate) fn unique_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("d{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
