//! Who may run now, who waits, and who is told to come again.

use std::time::Duration;

use proto::{Ended, Execute, Receiver, Reply, Request, Sender, Status};

use crate::bench::{Bench, POLICY, Run, block_on, collect, eventually, execute, lives};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        over_the_concurrency_a_request_waits_and_then_runs,
        over_the_queue_a_request_is_told_to_come_again,
        a_request_that_waited_too_long_is_told_to_come_again,
        the_wait_is_part_of_the_callers_time,
        who_leaves_the_queue_makes_room_and_never_runs,
        stdin_that_came_during_the_wait_arrives,
        another_command_does_not_wait,
        a_peer_that_does_not_read_the_end_of_its_output_keeps_no_place,
    ]
    .into_iter()
    .collect()
}

type Connection = (Sender<Request>, Receiver<Reply>);

fn bench(concurrency: &str, queue: &str, queue_s: &str) -> Bench {
    let limits = format!("{concurrency}\n{queue}\n{queue_s}\nwall_s = 20");
    Bench::with(&POLICY.replace("wall_s = 20", &limits))
}

/// Asks, and does not wait for an answer.
async fn ask(bench: &Bench, execute: Execute) -> Connection {
    let (mut sender, receiver) = bench.connect().await;
    sender.send(&Request::Execute(execute)).await.unwrap();
    (sender, receiver)
}

/// A run that runs until its connection ends.
async fn running(bench: &Bench) -> Connection {
    let (sender, mut receiver) = ask(bench, execute("attacker", &["sleep", "600"])).await;
    assert!(matches!(receiver.receive().await.unwrap(), Some(Reply::Started(_))));
    (sender, receiver)
}

fn busy(run: &Run) {
    let Reply::Busy(after_ms) = run.last else { panic!("not busy but {run:?}") };
    assert!(after_ms > 0);
    assert!(run.started.is_none());
}

fn over_the_concurrency_a_request_waits_and_then_runs() {
    let bench = bench("concurrency = 1", "queue = 2", "queue_s = 15");
    block_on(async {
        let first = running(&bench).await;
        let (_sender, mut second) = ask(&bench, execute("attacker", &["exit", "7"])).await;
        // Nothing comes while the first runs.
        let early = tokio::time::timeout(Duration::from_millis(300), second.receive()).await;
        assert!(early.is_err(), "{early:?}");
        drop(first);
        assert_eq!(collect(second).await.exit().status, Status::Code(7));
    });
    let log = bench.audit();
    let events: Vec<_> = log.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "exit", "start", "exit"]);
}

fn over_the_queue_a_request_is_told_to_come_again() {
    let bench = bench("concurrency = 1", "queue = 0", "queue_s = 15");
    block_on(async {
        let _first = running(&bench).await;
        let (_sender, second) = ask(&bench, execute("attacker", &["exit", "7"])).await;
        busy(&collect(second).await);
    });
    let log = bench.audit();
    assert_eq!(log[1]["event"], "busy");
    assert!(log[1]["reason"].as_str().unwrap().contains("queue is full"), "{}", log[1]);
}

fn a_request_that_waited_too_long_is_told_to_come_again() {
    let bench = bench("concurrency = 1", "queue = 2", "queue_s = 1");
    block_on(async {
        let _first = running(&bench).await;
        let (_sender, second) = ask(&bench, execute("attacker", &["exit", "7"])).await;
        busy(&collect(second).await);
    });
    assert!(bench.audit()[1]["reason"].as_str().unwrap().contains("in time"));
}

fn the_wait_is_part_of_the_callers_time() {
    let bench = bench("concurrency = 1", "queue = 2", "queue_s = 15");
    block_on(async {
        let first = running(&bench).await;
        let hurried =
            |ms| Execute { timeout_ms: Some(ms), ..execute("attacker", &["sleep", "600"]) };
        let (_sender, second) = ask(&bench, hurried(200)).await;
        busy(&collect(second).await);
        let (_sender, third) = ask(&bench, hurried(2_000)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(first);
        let run = collect(third).await;
        assert!(matches!(run.exit().ended, Ended::TimedOut { .. }));
        assert!(run.exit().duration_ms < 1_900, "{} ms", run.exit().duration_ms);
    });
}

fn who_leaves_the_queue_makes_room_and_never_runs() {
    let bench = bench("concurrency = 1", "queue = 1", "queue_s = 15");
    block_on(async {
        let first = running(&bench).await;
        let name = crate::bench::unique_name();
        let waiting = ask(&bench, execute("attacker", &["daemon-wait", &name])).await;
        drop(waiting);
        eventually("it is audited that it left", || {
            bench.audit().iter().any(|line| line["event"] == "busy")
        });
        let (mut sender, cancelled) = ask(&bench, execute("attacker", &["exit", "7"])).await;
        sender.send(&Request::Cancel).await.unwrap();
        busy(&collect(cancelled).await);
        let (_sender, last) = ask(&bench, execute("attacker", &["exit", "8"])).await;
        drop(first);
        assert_eq!(collect(last).await.exit().status, Status::Code(8));
        assert!(!lives(&name));
    });
    let starts = bench.audit().iter().filter(|line| line["event"] == "start").count();
    assert_eq!(starts, 2);
}

fn stdin_that_came_during_the_wait_arrives() {
    let bench = bench("concurrency = 1", "queue = 1", "queue_s = 15");
    let text = "0123456789abcdef".repeat(15_000);
    block_on(async {
        let first = running(&bench).await;
        let asked = Execute { stdin: proto::StdinMode::Piped, ..execute("attacker", &["cat"]) };
        let (mut sender, receiver) = ask(&bench, asked).await;
        let fed = text.clone();
        let feeder = tokio::spawn(async move {
            // Small pieces, so that more of them come than are looked at during the wait.
            for piece in fed.as_bytes().chunks(8_000) {
                let piece = proto::Blob::new(piece.to_vec()).unwrap();
                sender.send(&Request::Stdin(piece)).await.unwrap();
            }
            sender.send(&Request::Stdin(proto::Blob::default())).await.unwrap();
            sender
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(first);
        let run = collect(receiver).await;
        drop(feeder.await.unwrap());
        let written = u64::try_from("ok \n".len() + text.len()).unwrap();
        assert_eq!(run.exit().stdout.written, written);
        assert!(run.stdout.starts_with("ok 0123"));
    });
}

fn another_command_does_not_wait() {
    let bench = bench("concurrency = 1", "queue = 1", "queue_s = 15");
    block_on(async {
        let _first = running(&bench).await;
        let (_sender, other) = ask(&bench, execute("net", &["exit", "3"])).await;
        assert_eq!(collect(other).await.exit().status, Status::Code(3));
    });
}

fn a_peer_that_does_not_read_the_end_of_its_output_keeps_no_place() {
    let policy = POLICY
        .replace(r#"stdout = "64K""#, r#"stdout = "1M""#)
        .replace("wall_s = 20", "concurrency = 1\nqueue_s = 15\nwall_s = 20");
    let bench = Bench::with(&policy);
    block_on(async {
        // More than the socket holds, and less than what is kept back.
        let unread = ask(&bench, execute("attacker", &["flood", "1000000"])).await;
        eventually("its end is audited", || bench.audit().len() == 2);
        let (_sender, next) = ask(&bench, execute("attacker", &["exit", "4"])).await;
        assert_eq!(collect(next).await.exit().status, Status::Code(4));
        // And all of it is still there for who reads late.
        let late = collect(unread.1).await;
        assert_eq!(late.stdout.len(), 1_000_004);
        assert!(!late.exit().stdout.truncated());
    });
}
