//! Many runs at once, ended in every way: nothing of them may be left, and nothing may grow.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::{Execute, Reply, Request, RunId};

use crate::bench::{Bench, POLICY, block_on, collect, eventually, execute};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    // The runner lets nobody but root count its descriptors.
    cases![Root: three_hundred_runs_leave_nothing].into_iter().collect()
}

const RUNS: usize = 300;
const PARALLEL: usize = 16;

/// Children of a process, dead ones included, by their state.
fn children(pid: u32) -> Vec<String> {
    let parent = pid.to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| {
            // pid (comm) state ppid ...: proc_pid_stat(5)
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?.to_owned();
            (fields.next()? == parent).then_some(state)
        })
        .collect()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Names of runs in flight, so that what one leaves behind can be told from the rest.
fn ended(reply: &Reply) -> &'static str {
    match reply {
        Reply::Exit(_) => "exit",
        Reply::Busy(_) => "busy",
        other => panic!("an odd end: {other:?}"),
    }
}

/// One run, of a kind that its number chooses, ended in a way that its number chooses.
async fn one(bench: &Bench, number: usize) -> &'static str {
    let daemon = format!("soak{number}");
    let words: &[&str] = match number % 5 {
        0 => &["exit", "0"],
        1 => &["flood", "300000"],
        2 => &["sleep", "600"],
        3 => &["daemon", &daemon],
        _ => &["daemon-wait", &daemon],
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let (mut sender, mut receiver) = bench.connect().await;
    let asked = Execute { run: RunId(id), ..execute("attacker", words) };
    sender.send(&Request::Execute(asked)).await.unwrap();
    // A generator of the number: the same every time, and unlike its neighbours.
    let random = number.wrapping_mul(2_654_435_761) >> 7;
    let endless = matches!(number % 5, 2 | 4);
    if endless && random.is_multiple_of(3) {
        // Before it may have started.
        sender.send(&Request::Cancel).await.unwrap();
        return ended(&collect(receiver).await.last);
    }
    if random.is_multiple_of(4) {
        // Hangs up without a look.
        return "hung up";
    }
    let first = receiver.receive().await.unwrap().unwrap();
    if !matches!(first, Reply::Started(_)) {
        return ended(&first);
    }
    if random.is_multiple_of(5) {
        return "hung up";
    }
    if endless {
        sender.send(&Request::Cancel).await.unwrap();
    }
    ended(&collect(receiver).await.last)
}

fn three_hundred_runs_leave_nothing() {
    let policy = POLICY.replace("wall_s = 20", "concurrency = 12\nqueue = 16\nwall_s = 20");
    let bench = Bench::with(&policy);
    // What is made once and kept is made by now.
    bench.run("attacker", &["exit", "0"]);
    let before = descriptors(bench.pid());
    let (next, exits) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= RUNS {
                        return;
                    }
                    if block_on(one(&bench, number)) == "exit" {
                        exits.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        eventually("runs are seen", || !children(bench.pid()).is_empty());
    });
    assert!(exits.load(Ordering::Relaxed) > RUNS / 2, "{exits:?} ran to an end that was heard");
    eventually("every run is over", || children(bench.pid()).is_empty());
    eventually("every descriptor is closed", || descriptors(bench.pid()) <= before);
    let leftovers = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with("soak"))
        .count();
    assert_eq!(leftovers, 0);
    assert_eq!(bench.run("attacker", &["exit", "0"]).exit().status, proto::Status::Code(0));
    audit_is_whole(&bench);
}

/// Every line follows the one before it, and what started has ended.
fn audit_is_whole(bench: &Bench) {
    let text = fs::read_to_string(&bench.audit).unwrap();
    let mut prev = "0".repeat(64);
    for (seq, line) in text.lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["prev"], prev.as_str(), "line {seq}");
        assert_eq!(value["seq"], seq);
        prev = runner::audit::hash(line.as_bytes());
    }
    let log = bench.audit();
    let count = |events: &[&str]| {
        log.iter().filter(|line| events.contains(&line["event"].as_str().unwrap())).count()
    };
    assert_eq!(count(&["start"]), count(&["exit", "fail"]));
    assert!(count(&["fail"]) == 0, "a run could not be started");
}
