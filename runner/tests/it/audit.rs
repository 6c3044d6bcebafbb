//! The audit log of a real runner: what is in it, whether it verifies, and what breaks it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::{List, Reply, Request};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use tokio_seqpacket::UnixSeqpacket;

use crate::bench::{
    Bench, POLICY, block_on, command, eventually, execute, unused_uids, variable, write_policy,
};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        begin_reloads_and_stop_are_written_down_and_the_chain_is_whole,
        a_changed_line_is_named_with_its_file_and_number,
        a_cut_end_shows_against_the_head,
        full_files_are_put_aside_and_verify_together,
        a_log_that_was_renamed_is_opened_again_on_usr1,
        a_second_runner_on_the_same_log_does_not_start,
        a_flood_of_nonsense_does_not_fill_the_log,
        a_secret_is_in_no_log_and_no_answer,
    ];
    let root = cases![Root: an_append_only_log_is_written_to_and_stays_one_file];
    anywhere.into_iter().chain(root).collect()
}

fn signal(bench: &Bench, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(bench.pid()).unwrap()), signal).unwrap();
}

/// Stops the runner as a service manager does.
fn stop(bench: &mut Bench) {
    signal(bench, Signal::SIGTERM);
    assert!(bench.process.wait().unwrap().success());
}

fn verify(args: &[&str], files: &[PathBuf]) -> Output {
    command().args(["audit", "verify"]).args(args).args(files).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The log's files, the oldest first, as `audit.jsonl.* audit.jsonl` names them.
fn files(audit: &Path) -> Vec<PathBuf> {
    let beside = fs::read_dir(audit.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let aside = |path: &PathBuf| path.to_str().unwrap().contains("/audit.jsonl.");
    let mut files: Vec<PathBuf> = beside.filter(aside).collect();
    files.sort();
    files.push(audit.to_owned());
    files
}

fn head(output: &Output) -> String {
    let said = stdout(output);
    said.lines().find_map(|line| line.strip_prefix("head  ")).unwrap().to_owned()
}

fn events(bench: &Bench) -> Vec<String> {
    bench.audit().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

fn begin_reloads_and_stop_are_written_down_and_the_chain_is_whole() {
    let mut bench = Bench::start();
    bench.run("attacker", &["exit", "0"]);
    bench.run("attacker", &["-x"]);
    write_policy(bench.dir.path(), "version = 1\nnonsense = true\n");
    signal(&bench, Signal::SIGHUP);
    eventually("the refusal is written", || events(&bench).len() == 4);
    write_policy(bench.dir.path(), POLICY);
    signal(&bench, Signal::SIGHUP);
    eventually("the reload is written", || events(&bench).len() == 5);
    stop(&mut bench);
    assert_eq!(events(&bench), ["start", "exit", "deny", "reload", "reload", "stop"]);
    let lines = bench.audit();
    let policy = &lines[0]["policy"];
    let reloads = (&lines[3], &lines[4]);
    assert_eq!(reloads.0["outcome"], "refused");
    assert!(reloads.0["reason"].as_str().unwrap().contains("nonsense"), "{}", reloads.0);
    assert_eq!(reloads.1["outcome"], "taken");
    assert_eq!((&reloads.0["policy"], &reloads.1["policy"]), (policy, policy));
    assert_eq!(lines[5]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(&lines[5]["policy"], policy);
    assert!(
        lines[5]["layers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|layer| { layer.as_str().unwrap().contains("landlock") })
    );
    let verified = verify(&[], &[bench.audit.clone()]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    assert!(stdout(&verified).contains("7 lines"), "{}", stdout(&verified));
}

fn a_changed_line_is_named_with_its_file_and_number() {
    let mut bench = Bench::start();
    bench.run("attacker", &["exit", "0"]);
    bench.run("attacker", &["-x"]);
    stop(&mut bench);
    let text = fs::read_to_string(&bench.audit).unwrap();
    fs::write(&bench.audit, text.replacen("\"exit\",\"0\"", "\"exit\",\"1\"", 1)).unwrap();
    let verified = verify(&[], &[bench.audit.clone()]);
    assert_eq!(verified.status.code(), Some(65));
    assert!(stderr(&verified).contains("audit.jsonl:2: changed"), "{}", stderr(&verified));
    let missing = verify(&[], &[bench.audit.with_file_name("none")]);
    assert_eq!(missing.status.code(), Some(66));
}

fn a_cut_end_shows_against_the_head() {
    let mut bench = Bench::start();
    bench.run("attacker", &["exit", "0"]);
    stop(&mut bench);
    let log = [bench.audit.clone()];
    let head = head(&verify(&[], &log));
    assert!(verify(&["--head", &head], &log).status.success());
    let text = fs::read_to_string(&bench.audit).unwrap();
    let (before, _last) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&bench.audit, format!("{before}\n")).unwrap();
    assert!(verify(&[], &log).status.success());
    let verified = verify(&["--head", &head], &log);
    assert_eq!(verified.status.code(), Some(65));
    assert!(stderr(&verified).contains("at the end"), "{}", stderr(&verified));
}

fn full_files_are_put_aside_and_verify_together() {
    let mut bench = Bench::with_flags(POLICY, &["--audit-max", "4K"]);
    for _ in 0..30 {
        bench.run("attacker", &["-x"]);
    }
    stop(&mut bench);
    let files = files(&bench.audit);
    assert!(files.len() > 2, "{files:?}");
    let verified = verify(&[], &files);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    assert!(stdout(&verified).contains("32 lines"), "{}", stdout(&verified));
    // The oldest is gone: what it ended with stands for it.
    let (oldest, rest) = files.split_first().unwrap();
    assert_eq!(verify(&[], rest).status.code(), Some(65));
    let head = head(&verify(&[], std::slice::from_ref(oldest)));
    assert!(verify(&["--after", &head], rest).status.success());
}

fn a_log_that_was_renamed_is_opened_again_on_usr1() {
    let mut bench = Bench::start();
    bench.run("attacker", &["-x"]);
    let moved = bench.audit.with_file_name("audit.jsonl.1");
    fs::rename(&bench.audit, &moved).unwrap();
    signal(&bench, Signal::SIGUSR1);
    eventually("the new file is there", || bench.audit.exists());
    bench.run("attacker", &["-x"]);
    stop(&mut bench);
    let verified = verify(&[], &[moved, bench.audit.clone()]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    assert!(stdout(&verified).contains("4 lines"), "{}", stdout(&verified));
}

fn a_second_runner_on_the_same_log_does_not_start() {
    let bench = Bench::start();
    let mut second = command();
    second.arg("serve").arg("--policy").arg(bench.dir.path().join("policy.d"));
    second.arg("--socket").arg(bench.dir.path().join("second.sock"));
    second.arg("--audit").arg(&bench.audit);
    if nix::unistd::geteuid().is_root() {
        second.arg("--first-uid").arg(unused_uids().to_string());
    } else {
        second.arg("--unprivileged");
    }
    let refused = second.output().unwrap();
    assert_eq!(refused.status.code(), Some(69));
    assert!(stderr(&refused).contains("another runner writes"), "{}", stderr(&refused));
    bench.run("attacker", &["exit", "0"]).exit();
    assert_eq!(events(&bench), ["start", "exit"]);
}

fn a_flood_of_nonsense_does_not_fill_the_log() {
    let mut bench = Bench::start();
    block_on(async {
        for _ in 0..150 {
            let socket = UnixSeqpacket::connect(&bench.socket).await.unwrap();
            socket.send(b"nonsense").await.unwrap();
            let (_, mut replies) = proto::channel::<Request, Reply>(socket);
            assert!(matches!(replies.receive().await.unwrap(), Some(Reply::Failed(_))));
        }
    });
    // A flood does not hide what is asked for.
    bench.run("attacker", &["exit", "0"]).exit();
    stop(&mut bench);
    let lines = bench.audit();
    let malformed = lines.iter().filter(|line| line["event"] == "malformed").count();
    assert_eq!(malformed, 100);
    let counts: u64 = lines.iter().filter_map(|line| line["count"].as_u64()).sum();
    assert_eq!(counts, 50);
    let others: Vec<_> = lines.iter().skip(100).map(|line| line["event"].clone()).collect();
    assert_eq!(others, ["start", "exit", "flood", "stop"]);
}

/// Takes a secret in each place where there can be one.
const SECRETS: &str = r#"
[command.login]
about = "Takes secrets"
path = "{ATTACKER}"
profile = "base"
options."--token" = { type = "text", style = "equals", secret = true }
positional = { name = "words", min = 0, max = 8, match = { type = "text", secret = true } }
settable_env = { TOKEN = { type = "text", secret = true } }
[[command.login.example]]
allow = ["exit"]
[[command.login.example]]
deny = ["-x"]
"#;

fn a_secret_is_in_no_log_and_no_answer() {
    let mut bench = Bench::with(&format!("{POLICY}{SECRETS}"));
    let mut request = execute("login", &["--token=hunter2", "hunter2"]);
    request.env = List::new(vec![variable("TOKEN", "hunter2")]).unwrap();
    let run = bench.run_with(request, None);
    run.exit();
    let started = run.started.as_ref().unwrap();
    let shown: Vec<&str> = started.argv.iter().map(proto::Text::as_str).collect();
    assert_eq!(shown, ["attacker", "--token=[secret]", "[secret]"]);
    let refused = [
        bench.run("login", &["--token", "hunter2"]),
        bench.run("login", &["--hunter2"]),
        bench.run("logn", &["--token=hunter2"]),
    ];
    for run in &refused {
        assert!(!run.denial().reason.contains("hunter2"), "{run:?}");
    }
    stop(&mut bench);
    let text = fs::read_to_string(&bench.audit).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let lines = bench.audit();
    let argv = &lines[0]["argv"];
    let hash = argv[2].as_str().unwrap();
    assert_eq!(hash.strip_prefix("hmac:").unwrap().len(), 16);
    // Equal secrets can be matched, in whichever place they stand.
    assert_eq!(argv[1], format!("--token={hash}"));
    let env = lines[0]["env"].as_array().unwrap();
    assert!(env.iter().any(|name| *name == format!("TOKEN={hash}")), "{env:?}");
    assert_eq!(lines[2]["args"][0], "--token");
    assert_eq!(lines[2]["args"][1], hash);
}

/// A file that can only grow, as `chattr +a` makes it.
struct AppendOnly(File);

impl AppendOnly {
    fn new(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let flags = ioctl_getflags(&file).unwrap();
        ioctl_setflags(&file, flags | IFlags::APPEND).unwrap();
        Self(file)
    }
}

impl Drop for AppendOnly {
    fn drop(&mut self) {
        let flags = ioctl_getflags(&self.0).unwrap();
        ioctl_setflags(&self.0, flags - IFlags::APPEND).unwrap();
    }
}

fn an_append_only_log_is_written_to_and_stays_one_file() {
    let mut bench = Bench::with_flags(POLICY, &["--audit-max", "4K"]);
    let append_only = AppendOnly::new(&bench.audit);
    for _ in 0..30 {
        bench.run("attacker", &["-x"]).denial();
    }
    stop(&mut bench);
    drop(append_only);
    assert_eq!(files(&bench.audit), [bench.audit.clone()]);
    assert!(fs::metadata(&bench.audit).unwrap().len() > 4096);
    let verified = verify(&[], &[bench.audit.clone()]);
    assert!(stdout(&verified).contains("32 lines"), "{}", stderr(&verified));
}
