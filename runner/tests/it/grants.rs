//! Principals and engagements: who gets a run, against what, and how many.

use proto::{DenyCode, Ended, Reply, Request, Status, StdinMode, Text};

use crate::bench::{Bench, POLICY, block_on, collect, command, eventually, execute, write_policy};
use crate::{Case, cases};

/// Goes behind [`POLICY`].
const GRANTS: &str = r#"
[engagement.acme]
cidrs = ["127.0.0.0/8"]
exclude = ["127.0.0.9"]

[engagement.past]
cidrs = ["203.0.113.0/24"]
not_after = 2020-01-01T00:00:00Z

[principal.tester]
users = ["tester"]
commands = ["scan"]
engagements = ["acme", "past"]

[principal.few]
users = ["few", "other"]
commands = ["attacker"]
max_concurrent = 1

[principal.seldom]
users = ["seldom"]
commands = ["attacker"]
rate = "2/d"

[command.scan]
about = "Says its arguments"
path = "{ATTACKER}"
profile = "base"
prefix = ["exit", "0"]
positional = { name = "target", match = { type = "target" } }
example = [{ allow = ["127.0.0.1"], engagement = "acme" }, { deny = ["8.8.8.8"] }]
"#;

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        a_target_outside_of_the_engagement_does_not_run,
        an_engagement_that_is_over_permits_nothing,
        a_user_runs_what_its_principal_was_granted_and_nothing_else,
        a_principal_has_no_more_runs_at_the_same_time_than_it_may,
        a_rate_is_kept_when_the_policy_is_read_again,
        check_says_which_engagements_are_open,
        explain_answers_for_a_user,
    ]
    .into()
}

fn bench() -> Bench {
    Bench::with(&format!("{POLICY}{GRANTS}"))
}

fn as_user(user: &str, command: &str, args: &[&str]) -> proto::Execute {
    proto::Execute { principal: Text::new(user).unwrap(), ..execute(command, args) }
}

fn a_target_outside_of_the_engagement_does_not_run() {
    let bench = bench();
    let run = bench.run("scan", &["127.0.0.1"]);
    assert_eq!(run.exit().status, Status::Code(0));
    let start = &bench.audit()[0];
    assert_eq!((&start["event"], &start["engagement"]), (&"start".into(), &"acme".into()));
    assert_eq!(start["granted_to"], "tester");
    for target in ["8.8.8.8", "127.0.0.9", "127.0.0.0/28", "localhost"] {
        let denial = bench.run("scan", &[target]).denial().clone();
        assert_eq!((denial.code, denial.argument), (DenyCode::Scope, Some(0)), "{target}");
        assert!(!denial.reason.contains("localhost"), "{denial:?}");
        let records = bench.audit();
        let last = records.last().unwrap();
        assert_eq!((&last["event"], &last["args"][0]), (&"deny".into(), &target.into()));
    }
}

fn an_engagement_that_is_over_permits_nothing() {
    let denial = bench().run("scan", &["203.0.113.7"]).denial().clone();
    assert_eq!(denial.code, DenyCode::Window);
    assert!(denial.reason.contains("until 2020-01-01T00:00:00Z"), "{denial:?}");
}

fn a_user_runs_what_its_principal_was_granted_and_nothing_else() {
    let bench = bench();
    let run = |user, command| bench.run_with(as_user(user, command, &["exit", "3"]), None);
    assert_eq!(run("few", "attacker").exit().status, Status::Code(3));
    for (user, command) in [("tester", "attacker"), ("few", "net"), ("stranger", "attacker")] {
        assert_eq!(run(user, command).denial().code, DenyCode::Principal, "{user} {command}");
    }
    // A refusal is about who asks before it is about what is asked.
    let denial = bench.run_with(as_user("stranger", "attacker", &["-x"]), None).denial().clone();
    assert_eq!((denial.code, denial.argument), (DenyCode::Principal, None));
}

fn a_principal_has_no_more_runs_at_the_same_time_than_it_may() {
    let bench = bench();
    let request =
        proto::Execute { stdin: StdinMode::Piped, ..as_user("few", "attacker", &["cat"]) };
    let ask = || bench.run_with(as_user("other", "attacker", &["exit", "3"]), None);
    let run = block_on(async {
        let (mut sender, mut receiver) = bench.connect().await;
        sender.send(&Request::Execute(request)).await.unwrap();
        assert!(matches!(receiver.receive().await, Ok(Some(Reply::Started(_)))));
        // Connections of their own, and so threads of their own.
        std::thread::scope(|threads| {
            threads.spawn(|| refused_while_another_runs(&bench)).join().unwrap();
        });
        sender.send(&Request::Cancel).await.unwrap();
        collect(receiver).await
    });
    assert_eq!(run.exit().ended, Ended::Cancelled);
    eventually("the place is free", || matches!(ask().last, Reply::Exit(_)));
}

fn refused_while_another_runs(bench: &Bench) {
    let ask = |user| bench.run_with(as_user(user, "attacker", &["exit", "3"]), None).last;
    let Reply::Busy(after) = ask("other") else { panic!("a second run was let in") };
    assert!(after > 0);
    let records = bench.audit();
    let last = records.last().unwrap();
    assert_eq!((&last["event"], &last["command"]), (&"busy".into(), &"attacker".into()));
    assert!(last["reason"].as_str().unwrap().contains("few already has 1"), "{last}");
    // The limit of one principal is none of another's.
    assert!(matches!(ask("seldom"), Reply::Exit(_)));
}

fn a_rate_is_kept_when_the_policy_is_read_again() {
    let bench = bench();
    let ask = || bench.run_with(as_user("seldom", "attacker", &["exit", "3"]), None);
    // What is denied does not count.
    let denied = bench.run_with(as_user("seldom", "attacker", &["-x"]), None);
    assert_eq!(denied.denial().code, DenyCode::Argument);
    assert_eq!(ask().exit().status, Status::Code(3));
    assert_eq!(ask().exit().status, Status::Code(3));
    let policy = format!("{POLICY}{GRANTS}").replace("MARK = \"policy\"", "MARK = \"second\"");
    write_policy(bench.dir.path(), &policy);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(bench.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    eventually("the new policy is in force", || {
        let run = bench.run_with(as_user("few", "attacker", &["environ"]), None);
        run.stdout.contains("MARK=second")
    });
    let Reply::Busy(after) = ask().last else { panic!("a third run was let in") };
    assert!((23 * 3_600_000..=24 * 3_600_000).contains(&after), "{after}");
}

/// What the runner says to the policy, without serving.
fn said(args: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::Builder::new().prefix("runner-it-").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let policy = write_policy(dir.path(), &format!("{POLICY}{GRANTS}"));
    let (verb, rest) = args.split_first().unwrap();
    let mut command = command();
    command.arg(verb);
    match *verb {
        "check" => command.arg(&policy),
        _ => command.arg("--policy").arg(&policy),
    };
    if !nix::unistd::geteuid().is_root() {
        command.arg("--unprivileged");
    }
    let output = command.args(rest).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn check_says_which_engagements_are_open() {
    let (code, said) = said(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("engagement acme: open at all times"), "{said}");
    let past = "engagement past: over; it was open until 2020-01-01T00:00:00Z";
    assert!(said.contains(past), "{said}");
}

fn explain_answers_for_a_user() {
    let (code, text) = said(&["explain", "--as", "tester", "--", "scan", "127.0.0.1"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("engagement   acme"), "{text}");
    for user in [&["--as", "few"][..], &[]] {
        let args = [&["explain"], user, &["--", "scan", "127.0.0.1"]].concat();
        let (code, text) = said(&args);
        assert_eq!(code, Some(77), "{text}");
        assert!(text.contains("deny"), "{text}");
    }
}
