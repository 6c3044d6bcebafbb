//! Starts that must fail, and say why; and the commands that start nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::bench::{Bench, POLICY, command, write_policy};
use crate::{Case, cases};

/// Passes a socket as systemd does; part of systemd.
pub(crate) const ACTIVATOR: &str = "systemd-socket-activate";

pub(crate) fn cases() -> Vec<Case> {
    let activated = cases![SocketActivation: an_inherited_socket_is_served];
    let anywhere = cases![Nothing:
        a_policy_with_errors_stops_the_start_with_all_of_them,
        a_policy_that_others_can_write_is_not_read,
        an_empty_policy_directory_is_an_error,
        a_socket_in_use_is_named,
        a_file_in_the_sockets_place_is_not_removed,
        a_stale_socket_is_replaced,
        a_socket_that_was_promised_and_not_passed_is_an_error,
        wrong_usage_is_its_own_exit_code,
        check_reports_a_good_policy,
        a_warning_ends_before_the_verdict_begins,
        explain_tells_the_canonical_command_line_and_refusals,
        doctor_tries_the_layers,
        few_descriptors_are_enough_to_start,
        a_bad_reload_keeps_the_old_policy,
        a_good_reload_is_taken,
        the_shipped_policy_is_good,
    ];
    anywhere.into_iter().chain(activated).collect()
}

/// Root: users that no other test's runner has. Everybody else: the mode of an ordinary user.
fn mode_flags() -> Vec<String> {
    if nix::unistd::geteuid().is_root() {
        vec!["--first-uid".to_owned(), crate::bench::unused_uids().to_string()]
    } else {
        vec!["--unprivileged".to_owned()]
    }
}

fn runner(args: &[&str]) -> Output {
    command().args(args).args(mode_flags()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn a_policy_with_errors_stops_the_start_with_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let broken = POLICY
        .replace("profile = \"base\"\naliases", "profil = \"base\"\naliases")
        .replacen("network = \"any\"", "network = \"some\"", 1)
        .replace("cpu_s = 2", "cpu_s = \"two\"");
    let policy = write_policy(dir.path(), &broken);
    let socket = dir.path().join("s");
    let (policy, socket) = (policy.to_str().unwrap(), socket.to_str().unwrap());
    for args in [
        vec!["check", policy],
        vec!["serve", "--policy", policy, "--socket", socket, "--audit", "/dev/null"],
    ] {
        let output = runner(&args);
        assert_eq!(output.status.code(), Some(78), "{args:?}");
        let errors = text(&output.stderr);
        assert!(errors.contains("10-test.toml:"), "{errors}");
        assert!(errors.contains("profil"), "{errors}");
    }
    assert!(!std::path::Path::new(socket).exists());
}

fn a_policy_that_others_can_write_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let policy = write_policy(dir.path(), POLICY);
    let file = policy.join("10-test.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let output = runner(&["check", policy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("can be written"), "{}", text(&output.stderr));
}

fn an_empty_policy_directory_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let output = runner(&["check", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains(".toml"), "{}", text(&output.stderr));
}

fn serve_again(bench: &Bench, socket: &str) -> Output {
    let policy = bench.dir.path().join("policy.d");
    let audit = bench.dir.path().join("second.jsonl");
    runner(&[
        "serve",
        "--policy",
        policy.to_str().unwrap(),
        "--socket",
        socket,
        "--audit",
        audit.to_str().unwrap(),
    ])
}

fn a_socket_in_use_is_named() {
    let bench = Bench::start();
    let output = serve_again(&bench, bench.socket.to_str().unwrap());
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains("another runner"), "{}", text(&output.stderr));
    assert_eq!(bench.run("attacker", &["exit", "0"]).exit().status, proto::Status::Code(0));
}

fn a_file_in_the_sockets_place_is_not_removed() {
    let bench = Bench::start();
    let file = bench.dir.path().join("precious");
    fs::write(&file, "keep me").unwrap();
    let output = serve_again(&bench, file.to_str().unwrap());
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");
}

fn a_socket_that_was_promised_and_not_passed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let policy = write_policy(dir.path(), POLICY);
    let output = std::process::Command::new("sh")
        .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&-", "sh", crate::bench::RUNNER])
        .args(["serve", "--policy", policy.to_str().unwrap(), "--audit", "/dev/null"])
        .args(mode_flags())
        .output()
        .unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{errors}");
    assert!(errors.contains("the inherited descriptor is not a listening"), "{errors}");
}

fn a_stale_socket_is_replaced() {
    let mut bench = Bench::start();
    bench.process.kill().unwrap();
    bench.process.wait().unwrap();
    assert!(bench.socket.exists());
    let policy = bench.dir.path().join("policy.d");
    let mut again = command()
        .args(["serve", "--exit-with-stdin", "--policy"])
        .arg(policy)
        .arg("--socket")
        .arg(&bench.socket)
        .arg("--audit")
        .arg(&bench.audit)
        .args(mode_flags())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    crate::bench::eventually("it answers", || {
        crate::bench::block_on(tokio_seqpacket::UnixSeqpacket::connect(&bench.socket)).is_ok()
    });
    assert_eq!(bench.run("attacker", &["exit", "4"]).exit().status, proto::Status::Code(4));
    // Its stdin ends, and so does it.
    drop(again.stdin.take());
    assert!(again.wait().unwrap().success());
}

fn an_inherited_socket_is_served() {
    let mut bench = Bench::start();
    bench.process.kill().unwrap();
    bench.process.wait().unwrap();
    fs::remove_file(&bench.socket).unwrap();
    let mut activator = std::process::Command::new(ACTIVATOR)
        .args(["--seqpacket", "--listen"])
        .arg(&bench.socket)
        .arg(crate::bench::RUNNER)
        .args(["serve", "--socket", "/nonexistent/unused", "--policy"])
        .arg(bench.dir.path().join("policy.d"))
        .arg("--audit")
        .arg(&bench.audit)
        .args(mode_flags())
        .spawn()
        .unwrap();
    crate::bench::eventually("the activator listens", || bench.socket.exists());
    assert_eq!(bench.run("attacker", &["exit", "7"]).exit().status, proto::Status::Code(7));
    // It has become the runner.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(activator.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(activator.wait().unwrap().success());
}

fn wrong_usage_is_its_own_exit_code() {
    let output = command().arg("--no-such-option").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let root = nix::unistd::geteuid().is_root();
    let wrong_mode: &[&str] = if root { &["serve", "--unprivileged"] } else { &["serve"] };
    let output = command().args(wrong_mode).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("--unprivileged"));
}

fn a_warning_ends_before_the_verdict_begins() {
    let dir = tempfile::tempdir().unwrap();
    let missing = "\n[command.gone]\nabout = \"Gone\"\npath = \"/usr/bin/no-such-program\"\nprofile = \"base\"\n";
    let policy = write_policy(dir.path(), &format!("{POLICY}{missing}"));
    let output = runner(&["check", policy.to_str().unwrap()]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let mut lines = said.lines();
    assert!(lines.next().unwrap().starts_with("warning: "), "{said}");
    let verdict = lines.next_back().unwrap();
    assert!(verdict.starts_with(policy.to_str().unwrap()), "{said}");
}

fn check_reports_a_good_policy() {
    let dir = tempfile::tempdir().unwrap();
    let policy = write_policy(dir.path(), POLICY);
    let output = runner(&["check", policy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("3 commands"), "{}", text(&output.stdout));
}

fn explain_tells_the_canonical_command_line_and_refusals() {
    let dir = tempfile::tempdir().unwrap();
    let policy = write_policy(dir.path(), POLICY);
    let policy = policy.to_str().unwrap();
    let explain = |argv: &[&str]| {
        let mut command = command();
        command.args(["explain", "--policy", policy]).args(mode_flags()).arg("--").args(argv);
        command.output().unwrap()
    };
    let allowed = explain(&["attacker", "read", "/etc/passwd"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    let said = text(&allowed.stdout);
    assert!(said.contains("10-test.toml:") && said.contains("/etc/passwd"), "{said}");
    let denied = explain(&["attacker", "-x"]);
    assert_eq!(denied.status.code(), Some(77));
    assert!(text(&denied.stdout).contains("-x"), "{}", text(&denied.stdout));
}

fn doctor_tries_the_layers() {
    let dir = tempfile::tempdir().unwrap();
    let policy = write_policy(dir.path(), POLICY);
    let output = runner(&["doctor", "--policy", policy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("landlock"), "{}", text(&output.stdout));
}

fn few_descriptors_are_enough_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let policy = write_policy(dir.path(), POLICY);
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64 && exec \"$@\"",
            "sh",
            crate::bench::RUNNER,
            "doctor",
            "--policy",
        ])
        .arg(policy)
        .args(mode_flags())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

fn reload(bench: &Bench, policy: &str) {
    write_policy(bench.dir.path(), policy);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(bench.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
}

fn a_bad_reload_keeps_the_old_policy() {
    let bench = Bench::start();
    reload(&bench, "version = 1\nnonsense = true\n");
    // The reload is done before the next request is read, or it is not done at all: either way the
    // old policy answers.
    assert_eq!(bench.run("attacker", &["exit", "0"]).exit().status, proto::Status::Code(0));
}

fn a_good_reload_is_taken() {
    let bench = Bench::start();
    reload(
        &bench,
        &POLICY
            .replace("[command.net]", "[command.renamed]")
            .replace("command.net.", "command.renamed."),
    );
    crate::bench::eventually("the new name is known", || {
        matches!(bench.run("renamed", &["exit", "0"]).last, proto::Reply::Exit(_))
    });
}

fn the_shipped_policy_is_good() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/demo.d");
    let dir = tempfile::tempdir().unwrap();
    // A checkout may be writable by a group, which a policy must not be.
    let policy = dir.path().join("policy.d");
    fs::create_dir(&policy).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(shipped).unwrap() {
        let entry = entry.unwrap();
        let copy = policy.join(entry.file_name());
        fs::copy(entry.path(), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let output = runner(&["check", policy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
