//! Runs that go well, and what they see of the world.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proto::{DenyCode, Ended, List, Reply, Request, Status, StdinMode, Stream, Text};
use sha2::{Digest, Sha256};

use crate::bench::{Bench, block_on, execute, variable};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        a_run_starts_prints_and_exits,
        an_exit_code_and_a_signal_are_told_apart,
        a_rule_is_found_by_name_path_and_alias_and_runs_the_file_of_the_policy,
        the_environment_is_the_policys_and_nothing_else,
        a_variable_may_be_set_only_where_the_policy_says_so,
        stdin_arrives_whole,
        stdin_over_the_limit_ends_the_run,
        output_over_the_cap_is_its_beginning_and_its_end_and_a_count_between,
        the_digest_of_a_stream_is_of_all_that_was_written,
        output_over_the_hard_limit_ends_the_run,
        only_three_descriptors_are_open,
        the_runner_itself_can_gain_nothing,
        the_audit_log_has_a_line_before_and_a_line_after,
        a_refusal_names_rule_argument_and_reason,
        every_limit_holds_in_the_run,
    ];
    let root = cases![Root:
        a_run_has_nothing_that_the_policy_does_not_name,
        a_capability_of_the_policy_is_the_only_one,
        runs_at_the_same_time_have_different_users,
        an_unprivileged_runner_confines_too,
        a_runner_without_namespaces_confines_too,
        a_work_directory_without_a_mount_is_closed_to_others,
    ];
    anywhere.into_iter().chain(root).collect()
}

fn a_run_starts_prints_and_exits() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["cwd"]);
    let started = run.started.as_ref().unwrap();
    assert_eq!(started.rule.as_str(), "attacker");
    assert_eq!(started.argv.last().unwrap().as_str(), "cwd");
    assert_eq!(run.exit().status, Status::Code(0));
    assert_eq!(run.exit().ended, Ended::Itself);
    assert!(run.stdout.starts_with("ok /"), "{}", run.stdout);
    assert_eq!(run.exit().stdout.written, u64::try_from(run.stdout.len()).unwrap());
}

fn an_exit_code_and_a_signal_are_told_apart() {
    let bench = Bench::start();
    assert_eq!(bench.run("attacker", &["exit", "137"]).exit().status, Status::Code(137));
    assert_eq!(bench.run("attacker", &["abort"]).exit().status, Status::Signal(6));
}

fn a_rule_is_found_by_name_path_and_alias_and_runs_the_file_of_the_policy() {
    let bench = Bench::start();
    assert_eq!(bench.run("evil", &["exit", "0"]).exit().status, Status::Code(0));
    let denial = bench.run("/usr/bin/id", &[]).denial().clone();
    assert_eq!(denial.code, DenyCode::UnknownCommand);
    // Three rules run this file, so its path alone says too little.
    let path = bench.dir.path().join("attacker");
    let denial = bench.run(path.to_str().unwrap(), &[]).denial().clone();
    assert_eq!(denial.code, DenyCode::UnknownCommand);
    assert!(denial.reason.contains("attacker"), "{}", denial.reason);
}

fn the_environment_is_the_policys_and_nothing_else() {
    let bench = Bench::start();
    let mut run = bench.run("attacker", &["environ"]);
    run.stdout = run.stdout.replacen("ok ", "", 1);
    let mut lines: Vec<_> = run.stdout.split_whitespace().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["MARK=policy", "PATH=/usr/bin"]);
}

fn a_variable_may_be_set_only_where_the_policy_says_so() {
    let bench = Bench::start();
    let with = |name: &str, value: &str| {
        let env = List::new(vec![variable(name, value)]).unwrap();
        bench.run_with(proto::Execute { env, ..execute("attacker", &["environ"]) }, None)
    };
    assert!(with("COLOUR", "red").attempt().contains("COLOUR=red"));
    for (name, value) in [
        ("COLOUR", "green"),
        ("LD_PRELOAD", "/tmp/x.so"),
        ("PATH", "/tmp"),
        ("MARK", "mine"),
        ("NMAPDIR", "/tmp"),
        ("", "x"),
        ("A=B", "x"),
    ] {
        let run = with(name, value);
        assert_eq!(run.denial().code, DenyCode::Environment, "{name}={value}");
    }
}

fn stdin_arrives_whole() {
    let bench = Bench::start();
    let text = "0123456789abcdef".repeat(4_000);
    let request = proto::Execute { stdin: StdinMode::Piped, ..execute("attacker", &["cat"]) };
    let run = bench.run_with(request, Some(text.as_bytes()));
    assert_eq!(run.stdout, format!("ok {text}\n"));
}

fn stdin_over_the_limit_ends_the_run() {
    let bench = Bench::start();
    let text = "x".repeat(300 << 10);
    let request = proto::Execute { stdin: StdinMode::Piped, ..execute("attacker", &["cat"]) };
    let run = bench.run_with(request, Some(text.as_bytes()));
    assert_eq!(run.exit().ended, Ended::Cancelled);
}

fn output_over_the_cap_is_its_beginning_and_its_end_and_a_count_between() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["flood", "1000000"]);
    assert_eq!(run.exit().status, Status::Code(0));
    let report = run.exit().stdout;
    assert!(report.truncated());
    assert_eq!(report.passed, 64 << 10);
    assert_eq!(report.written, 1_000_000 + 4);
    assert_eq!(run.stdout.len(), 64 << 10);
    // What a command says last is mostly what matters.
    assert!(run.stdout.ends_with("yok \n"));
    assert_eq!(run.gaps, [(Stream::Stdout, 16 << 10, report.written - report.passed)]);
}

fn the_digest_of_a_stream_is_of_all_that_was_written() {
    let bench = Bench::start();
    for bytes in [10_usize, 1_000_000] {
        let run = bench.run("attacker", &["flood", &bytes.to_string()]);
        let whole: [u8; 32] = Sha256::digest("y".repeat(bytes) + "ok \n").into();
        assert_eq!(run.exit().stdout.sha256, whole);
        let nothing: [u8; 32] = Sha256::digest("").into();
        assert_eq!(run.exit().stderr.sha256, nothing);
        assert_eq!(run.gaps.is_empty(), bytes == 10);
        let logged = bench.audit().pop().unwrap();
        assert_eq!(logged["stdout_sha256"], runner::audit::hex(&whole));
    }
}

fn output_over_the_hard_limit_ends_the_run() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["flood", "1000000000"]);
    assert_eq!(run.exit().ended, Ended::OutputLimit);
    // The policy's limit and what came before the end, which is not much.
    assert!(run.exit().stdout.written < 8 << 20);
}

fn only_three_descriptors_are_open() {
    let bench = Bench::start();
    assert_eq!(bench.run("attacker", &["fds"]).attempt(), "ok 0,1,2");
}

fn the_runner_itself_can_gain_nothing() {
    let bench = Bench::start();
    let status = fs::read_to_string(format!("/proc/{}/status", bench.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    if nix::unistd::geteuid().is_root() {
        // The ten that `harden` keeps.
        assert!(status.contains("CapBnd:\t0000000000a025e5\n"), "{status}");
    }
}

fn the_audit_log_has_a_line_before_and_a_line_after() {
    let bench = Bench::start();
    bench.run("attacker", &["exit", "3"]);
    bench.run("attacker", &["-x"]);
    let log = bench.audit();
    let events: Vec<_> = log.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "exit", "deny"]);
    assert_eq!(log[0]["argv"][1], "exit");
    assert_eq!(log[0]["principal"], "tester");
    assert_eq!(log[1]["status"], "exit 3");
    assert_eq!(log[2]["argument"], 0);
    assert!(log.iter().all(|line| line["run"] == "000102030405060708090a0b0c0d0e0f"));
}

fn a_refusal_names_rule_argument_and_reason() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["read", "--help"]);
    assert!(run.started.is_none());
    let denial = run.denial();
    assert_eq!(denial.code, DenyCode::Argument);
    assert_eq!(denial.rule.as_ref().map(Text::as_str), Some("attacker"));
    assert_eq!(denial.argument, Some(1));
    assert!(!denial.reason.is_empty());
}

fn every_limit_holds_in_the_run() {
    let bench = Bench::start();
    let limits = bench.run("attacker", &["limits"]).attempt().to_owned();
    for (name, soft, hard) in [
        ("Max cpu time", "2", "4"),
        ("Max file size", "33554432", "33554432"),
        ("Max core file size", "0", "0"),
        ("Max open files", "64", "64"),
        ("Max locked memory", "0", "0"),
        ("Max address space", "536870912", "536870912"),
        ("Max msgqueue size", "0", "0"),
        ("Max realtime priority", "0", "0"),
    ] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        let words: Vec<_> = line.split_whitespace().take(2).collect();
        assert_eq!(words, [soft, hard], "{name}");
    }
}

/// The lines of `/proc/self/status` that say who a process is and what it may do.
fn privileges(status: &str) -> Vec<(String, String)> {
    let wanted = [
        "Uid",
        "Gid",
        "Groups",
        "NSpid",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "SigBlk",
        "SigIgn",
    ];
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, value)| {
            (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// Of the `nth` place of a bench.
fn ids(bench: &Bench, nth: u32) -> String {
    [(bench.first_uid + nth).to_string().as_str(); 4].join(" ")
}

fn expected(bench: &Bench, capabilities: &str) -> Vec<(String, String)> {
    let none = "0000000000000000";
    let ids = ids(bench, 1);
    [
        ("Uid", ids.as_str()),
        ("Gid", &ids),
        ("Groups", ""),
        ("NSpid", "2"),
        ("SigBlk", none),
        ("SigIgn", "0000000000001000"),
        ("CapInh", capabilities),
        ("CapPrm", capabilities),
        ("CapEff", capabilities),
        ("CapBnd", capabilities),
        ("CapAmb", capabilities),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn a_run_has_nothing_that_the_policy_does_not_name() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["status"]);
    assert_eq!(privileges(run.attempt()), expected(&bench, "0000000000000000"));
    assert_eq!(bench.run("attacker", &["pids"]).attempt(), "ok [1, 2]");
}

fn a_capability_of_the_policy_is_the_only_one() {
    let bench = Bench::start();
    let run = bench.run("raw", &["status"]);
    assert_eq!(privileges(run.attempt()), expected(&bench, "0000000000002000"));
    assert_eq!(bench.run("raw", &["socket", "17"]).attempt(), "ok 3");
    assert_eq!(bench.run("net", &["socket", "17"]).attempt(), "refused EPERM");
}

fn runs_at_the_same_time_have_different_users() {
    let bench = Bench::start();
    let uid = |run: &crate::bench::Run| {
        privileges(run.attempt()).into_iter().find(|(name, _)| name == "Uid").unwrap().1
    };
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| bench.run("attacker", &["sleep", "1"]));
        crate::bench::eventually("the sleeper is audited", || bench.audit().len() == 1);
        let other = bench.run("attacker", &["status"]);
        assert_eq!(uid(&other), ids(&bench, 2));
        assert_eq!(sleeper.join().unwrap().exit().status, Status::Code(0));
    });
    assert_eq!(uid(&bench.run("attacker", &["status"])), ids(&bench, 1));
}

fn confines(bench: &Bench) {
    let status = bench.run("attacker", &["status"]);
    let lines = privileges(status.attempt());
    for (name, value) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("CapEff", "0000000000000000")] {
        assert!(lines.contains(&(name.to_owned(), value.to_owned())), "{lines:?}");
    }
    for (attempt, with) in [
        (&["read", "/etc/hostname"][..], "EACCES"),
        (&["write", "/var/tmp/x"], "EACCES"),
        (&["exec", "/bin/sh"], "EACCES"),
        (&["memfd"], "ENOSYS"),
        (&["unshare"], "ENOSYS"),
        (&["ptrace"], "ENOSYS"),
        (&["socket", "2"], "EPERM"),
        (&["big-file"], "EFBIG"),
    ] {
        assert_eq!(bench.run("attacker", attempt).attempt(), format!("refused {with}"));
    }
    assert_eq!(bench.run("attacker", &["fds"]).attempt(), "ok 0,1,2");
}

fn an_unprivileged_runner_confines_too() {
    confines(&Bench::start_unprivileged());
}

fn a_runner_without_namespaces_confines_too() {
    let bench = Bench::start_without_namespaces();
    confines(&bench);
    // Its work directory is a real one, and goes with the run.
    let cwd = bench.run("attacker", &["cwd"]).attempt().to_owned();
    let (_, path) = cwd.split_once(' ').unwrap();
    assert!(path.contains("/run-"), "{cwd}");
    assert!(!std::path::Path::new(path).exists());
}

fn a_work_directory_without_a_mount_is_closed_to_others() {
    let bench = Bench::start_without_namespaces();
    block_on(async {
        let (mut sender, mut receiver) = bench.connect().await;
        sender.send(&Request::Execute(execute("attacker", &["sleep", "600"]))).await.unwrap();
        assert!(matches!(receiver.receive().await.unwrap(), Some(Reply::Started(_))));
        let state = fs::read_dir(bench.dir.path().join("state")).unwrap();
        let work = state
            .map(Result::unwrap)
            .find(|entry| entry.file_name().to_string_lossy().starts_with("run-"))
            .unwrap();
        assert_eq!(work.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    });
}
