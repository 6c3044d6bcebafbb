//! How runs end when they do not end by themselves: nothing of them may be left.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::{Ended, Reply, Request, Status};

use crate::bench::{Bench, block_on, collect, eventually, execute, lives, unique_name};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        a_timeout_ends_a_run_with_term,
        a_run_that_ignores_term_is_killed_after_the_grace,
        the_caller_may_only_shorten_the_time,
        output_before_a_timeout_is_kept,
        a_cancel_ends_the_run_and_says_so,
        a_hang_up_ends_the_run,
        a_daemon_does_not_outlive_its_run,
        a_daemon_does_not_outlive_a_timeout,
        a_killed_runner_takes_its_runs_along,
        a_stopped_runner_ends_its_runs_first,
        a_peer_that_never_reads_holds_up_only_itself,
    ];
    // Those that count a runner's descriptors need root, too: it lets nobody else look.
    let root = cases![Root:
        a_peer_that_never_reads_is_let_go,
        a_peer_that_never_reads_its_description_is_let_go,
        an_unprivileged_runner_leaves_nothing_either,
        a_runner_without_namespaces_leaves_nothing_either,
    ];
    anywhere.into_iter().chain(root).collect()
}

fn with_timeout(bench: &Bench, ms: u32, args: &[&str]) -> crate::bench::Run {
    let request = proto::Execute { timeout_ms: Some(ms), ..execute("attacker", args) };
    bench.run_with(request, None)
}

fn a_timeout_ends_a_run_with_term() {
    let run = with_timeout(&Bench::start(), 200, &["sleep", "600"]);
    assert_eq!(run.exit().ended, Ended::TimedOut { forced: false });
    assert_eq!(run.exit().status, Status::Signal(15));
}

fn a_run_that_ignores_term_is_killed_after_the_grace() {
    let run = with_timeout(&Bench::start(), 200, &["ignore-term"]);
    assert_eq!(run.exit().ended, Ended::TimedOut { forced: true });
    assert_eq!(run.exit().status, Status::Signal(9));
}

fn the_caller_may_only_shorten_the_time() {
    let policy = crate::bench::POLICY.replace("wall_s = 20", "wall_s = 1");
    let bench = Bench::with(&policy);
    let run = with_timeout(&bench, u32::MAX, &["sleep", "600"]);
    assert_eq!(run.exit().ended, Ended::TimedOut { forced: false });
}

fn output_before_a_timeout_is_kept() {
    let run = with_timeout(&Bench::start(), 300, &["sleep", "600"]);
    assert_eq!(run.stdout, "started\n");
}

fn a_cancel_ends_the_run_and_says_so() {
    let bench = Bench::start();
    block_on(async {
        let (mut sender, mut receiver) = bench.connect().await;
        sender.send(&Request::Execute(execute("attacker", &["sleep", "600"]))).await.unwrap();
        assert!(matches!(receiver.receive().await.unwrap(), Some(Reply::Started(_))));
        sender.send(&Request::Cancel).await.unwrap();
        let run = collect(receiver).await;
        assert_eq!(run.exit().ended, Ended::Cancelled);
    });
}

/// Starts a daemon whose starter waits, and returns its name and the open connection.
async fn start_daemon(bench: &Bench) -> (String, (proto::Sender<Request>, proto::Receiver<Reply>)) {
    let name = unique_name();
    let (mut sender, mut receiver) = bench.connect().await;
    sender.send(&Request::Execute(execute("attacker", &["daemon-wait", &name]))).await.unwrap();
    assert!(matches!(receiver.receive().await.unwrap(), Some(Reply::Started(_))));
    assert!(matches!(receiver.receive().await.unwrap(), Some(Reply::Output(..))));
    eventually("the daemon lives", || lives(&name));
    (name, (sender, receiver))
}

fn a_hang_up_ends_the_run() {
    let bench = Bench::start();
    block_on(async {
        let (name, connection) = start_daemon(&bench).await;
        drop(connection);
        eventually("the daemon is gone", || !lives(&name));
    });
    eventually("the end is audited", || bench.audit().len() == 2);
    assert_eq!(bench.audit()[1]["ended"], "cancelled");
}

fn a_daemon_does_not_outlive_its_run() {
    let bench = Bench::start();
    let name = unique_name();
    let run = bench.run("attacker", &["daemon", &name]);
    assert_eq!(run.attempt(), "started\nok daemon started");
    assert!(!lives(&name), "the exit came while the daemon lived");
}

fn a_daemon_does_not_outlive_a_timeout() {
    let bench = Bench::start();
    let name = unique_name();
    let run = with_timeout(&bench, 500, &["daemon-wait", &name]);
    assert!(matches!(run.exit().ended, Ended::TimedOut { .. }));
    assert!(!lives(&name), "the exit came while the daemon lived");
}

fn a_killed_runner_takes_its_runs_along() {
    let mut bench = Bench::start();
    let name = block_on(async {
        let (name, _connection) = start_daemon(&bench).await;
        bench.process.kill().unwrap();
        name
    });
    bench.process.wait().unwrap();
    eventually("the daemon is gone", || !lives(&name));
}

fn a_stopped_runner_ends_its_runs_first() {
    let mut bench = Bench::start();
    block_on(async {
        let (name, (_sender, receiver)) = start_daemon(&bench).await;
        let pid = Pid::from_raw(i32::try_from(bench.pid()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let run = collect(receiver).await;
        assert_eq!(run.exit().ended, Ended::Shutdown);
        assert!(!lives(&name));
    });
    assert!(bench.process.wait().unwrap().success());
}

fn a_peer_that_never_reads_holds_up_only_itself() {
    let policy = crate::bench::POLICY.replace("stdout = \"64K\"", "stdout = \"4M\"");
    let bench = Bench::with(&policy);
    block_on(async {
        let (mut sender, _unread) = bench.connect().await;
        let flood = execute("attacker", &["flood", "3000000"]);
        sender.send(&Request::Execute(flood)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (mut sender, receiver) = bench.connect().await;
        sender.send(&Request::Execute(execute("attacker", &["exit", "0"]))).await.unwrap();
        assert_eq!(collect(receiver).await.exit().status, Status::Code(0));
    });
}

fn a_peer_that_never_reads_is_let_go() {
    let policy = crate::bench::POLICY.replace("stdout = \"64K\"", "stdout = \"4M\"");
    let bench = Bench::with(&policy);
    let before = open_descriptors(&bench);
    block_on(async {
        let (mut sender, _unread) = bench.connect().await;
        let flood = execute("attacker", &["flood", "3000000"]);
        let impatient = proto::Execute { timeout_ms: Some(300), ..flood };
        sender.send(&Request::Execute(impatient)).await.unwrap();
        is_let_go(&bench, before);
    });
}

fn a_peer_that_never_reads_its_description_is_let_go() {
    // More than a socket holds by itself.
    let (_, rule) = crate::bench::POLICY.split_once("[command.attacker]").unwrap();
    let (rule, _) = rule.split_once("[command.net]").unwrap();
    let rules = (0..40).map(|n| {
        let aliases: Vec<_> = (0..31).map(|i| format!("\"{n}-{i}-{}\"", "x".repeat(200))).collect();
        let aliases = format!("aliases = [{}]", aliases.join(", "));
        let rule = rule.replace("command.attacker", &format!("command.c{n}"));
        format!("[command.c{n}]{}", rule.replace("aliases = [\"evil\"]", &aliases))
    });
    let policy = crate::bench::POLICY.to_owned() + &rules.collect::<String>();
    let bench = Bench::with(&policy);
    let before = open_descriptors(&bench);
    block_on(async {
        let (mut sender, _unread) = bench.connect().await;
        sender.send(&Request::Describe).await.unwrap();
        eventually("the connection is taken", || open_descriptors(&bench) > before);
        std::thread::sleep(Duration::from_secs(1));
        assert!(open_descriptors(&bench) > before, "it all fits, so nothing is tested");
        is_let_go(&bench, before);
    });
}

/// Waits until the runner has no more descriptors open than `before`.
fn is_let_go(bench: &Bench, before: usize) {
    // The runner is patient, more so than `eventually`.
    std::thread::sleep(Duration::from_secs(8));
    eventually("the connection is given up", || open_descriptors(bench) <= before);
}

/// How many descriptors the runner has open.
fn open_descriptors(bench: &Bench) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", bench.pid())).unwrap().count()
}

fn leaves_nothing(mut bench: Bench) {
    let name = unique_name();
    bench.run("attacker", &["daemon", &name]);
    assert!(!lives(&name));
    let run = with_timeout(&bench, 300, &["ignore-term"]);
    assert_eq!(run.exit().ended, Ended::TimedOut { forced: true });
    let (name, connection) = block_on(start_daemon(&bench));
    drop(connection);
    eventually("the daemon of a hang-up is gone", || !lives(&name));
    let name = block_on(async { start_daemon(&bench).await.0 });
    bench.process.kill().unwrap();
    eventually("the daemon of a killed runner is gone", || !lives(&name));
}

fn an_unprivileged_runner_leaves_nothing_either() {
    leaves_nothing(Bench::start_unprivileged());
}

fn a_runner_without_namespaces_leaves_nothing_either() {
    leaves_nothing(Bench::start_without_namespaces());
}
