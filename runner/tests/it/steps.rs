//! Steps that fail: the command must not run, and the answer must name the step.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount, umount};
use proto::Reply;

use crate::bench::{Bench, POLICY, Run, eventually};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        a_program_that_became_a_link_does_not_run,
        a_program_that_others_may_write_does_not_run,
        a_program_that_is_gone_does_not_run,
        a_missing_working_directory_stops_the_run,
        a_file_that_cannot_be_executed_stops_the_run,
    ];
    let root = cases![Root:
        a_log_that_cannot_be_written_stops_every_run,
        a_program_of_another_owner_does_not_run,
    ];
    anywhere.into_iter().chain(root).collect()
}

/// The step that failed, once it is sure that nothing ran and that the log has both lines.
fn failed_step(bench: &Bench, run: &Run) -> String {
    let Reply::Failed(failure) = &run.last else { panic!("it did not fail: {run:?}") };
    assert!(run.started.is_none() && run.stdout.is_empty());
    let log = bench.audit();
    let events: Vec<_> = log.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "fail"]);
    failure.step.to_string()
}

/// Changes the attacker's file after the policy was loaded, and runs it.
fn step_after(change: impl FnOnce(&Path)) -> String {
    let bench = Bench::start();
    change(&bench.dir.path().join("attacker"));
    let run = bench.run("attacker", &["exit", "0"]);
    failed_step(&bench, &run)
}

fn a_program_that_became_a_link_does_not_run() {
    let step = step_after(|program| {
        fs::remove_file(program).unwrap();
        symlink("/usr/bin/true", program).unwrap();
    });
    assert_eq!(step, "program");
}

fn a_program_that_others_may_write_does_not_run() {
    for mode in [0o775, 0o757] {
        let step = step_after(|program| {
            fs::set_permissions(program, fs::Permissions::from_mode(mode)).unwrap();
        });
        assert_eq!(step, "program");
    }
}

fn a_program_that_is_gone_does_not_run() {
    assert_eq!(step_after(|program| fs::remove_file(program).unwrap()), "program");
}

fn a_program_of_another_owner_does_not_run() {
    let step = step_after(|program| {
        std::os::unix::fs::chown(program, Some(65_534), None).unwrap();
    });
    assert_eq!(step, "program");
}

fn a_missing_working_directory_stops_the_run() {
    let policy = POLICY.replace("aliases = [\"evil\"]", "cwd = \"/proc/none\"");
    let bench = Bench::with(&policy);
    let run = bench.run("attacker", &["exit", "0"]);
    assert_eq!(failed_step(&bench, &run), "directory");
}

fn a_file_that_cannot_be_executed_stops_the_run() {
    let step = step_after(|program| fs::write(program, b"\x7fELF but not really").unwrap());
    assert_eq!(step, "exec");
}

/// A file system that is full.
struct Full<'a>(&'a Path);

impl<'a> Full<'a> {
    fn over(dir: &'a Path) -> Self {
        mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some("size=16k")).unwrap();
        Self(dir)
    }

    fn fill(&self) {
        let filler = vec![0; 64 << 10];
        // It takes what fits and then fails, which is what is wanted.
        assert!(fs::write(self.0.join("filler"), filler).is_err());
    }
}

impl Drop for Full<'_> {
    fn drop(&mut self) {
        umount(self.0).ok();
    }
}

fn a_log_that_cannot_be_written_stops_every_run() {
    let dir = tempfile::tempdir().unwrap();
    let full = Full::over(dir.path());
    let audit = dir.path().join("audit.jsonl");
    let mut bench = Bench::with_audit(POLICY, &audit);
    bench.run("attacker", &["exit", "0"]);
    full.fill();
    // The line that is begun fills the last page; what does not fit is not written.
    eventually(
        "the log is full",
        || matches!(&bench.run("attacker", &["exit", "0"]).last, Reply::Failed(f) if f.step.as_str() == "audit"),
    );
    let run = bench.run("attacker", &["exit", "0"]);
    let Reply::Failed(failure) = &run.last else { panic!("it ran: {run:?}") };
    assert_eq!(failure.step.as_str(), "audit");
    assert!(run.started.is_none());
    // With room again, the chain goes on behind the last whole line.
    fs::remove_file(dir.path().join("filler")).unwrap();
    assert!(matches!(bench.run("attacker", &["exit", "0"]).last, Reply::Exit(_)));
    let text = fs::read_to_string(&audit).unwrap();
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    bench.process.kill().unwrap();
    bench.process.wait().unwrap();
}

/// Whether a program is on this host.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
