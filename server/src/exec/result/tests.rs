use std::io;

use proto::bounded::Text;
use proto::{Exit, Failure, List, OutOfBounds, Started, Usage};

use super::*;
use crate::catalog::schema;

const BOTH: Show = Show { stdout: true, stderr: true };

fn kept(bytes: &[u8]) -> Kept {
    let mut kept = Kept::default();
    kept.push(bytes);
    kept
}

fn run(ended: Ended, status: Status, stdout: &[u8], stderr: &[u8]) -> Run {
    let report = |bytes: &[u8]| {
        let n = u64::try_from(bytes.len()).unwrap();
        StreamReport { written: n, passed: n, sha256: [0; 32] }
    };
    Run {
        started: Started { rule: Text::new("date").unwrap(), argv: List::default() },
        stdout: kept(stdout),
        stderr: kept(stderr),
        exit: Exit {
            status,
            ended,
            duration_ms: 1_042,
            stdout: report(stdout),
            stderr: report(stderr),
            usage: Usage { cpu_us: 12_900, max_rss_kib: 2_048 },
        },
    }
}

#[test]
fn a_success_reads_as_in_the_original_and_is_structured() {
    let outcome = finished(&run(Ended::Itself, Status::Code(0), b"out\n", b""), BOTH);
    assert_eq!(
        outcome.text,
        "Exit Code: 0\nExecution Time: 1.042s\nStatus: Success\n\n--- stdout ---\nout\n\n\
         --- stderr ---\n(none)\n"
    );
    assert!(!outcome.is_error);
    assert_eq!(
        outcome.structured.unwrap(),
        json!({
            "rule": "date", "exit_code": 0, "signal": null, "timed_out": false,
            "cancelled": false, "truncated": false, "stdout": "out\n", "stderr": "",
            "stdout_bytes": 4, "stderr_bytes": 0, "duration_ms": 1042, "cpu_ms": 12,
            "max_rss_kib": 2048
        })
    );
}

#[test]
fn every_other_end_is_an_error_that_says_what_happened() {
    for (ended, status, line) in [
        (
            Ended::Itself,
            Status::Code(2),
            "Status: Failed\nError: the command ended with exit code 2",
        ),
        (
            Ended::Itself,
            Status::Signal(9),
            "Exit Code: none\nExecution Time: 1.042s\nStatus: Failed\nError: signal 9 ended",
        ),
        (
            Ended::TimedOut { forced: true },
            Status::Signal(9),
            "Status: Timed Out\nError: stopped by force after 1.042 s",
        ),
        (Ended::Cancelled, Status::Signal(15), "Status: Cancelled\nError: cancelled"),
        (Ended::OutputLimit, Status::Signal(9), "Error: stopped because it wrote more"),
        (Ended::Shutdown, Status::Code(0), "Status: Failed\nError: stopped because the runner"),
    ] {
        let outcome = finished(&run(ended, status, b"partial", b""), BOTH);
        assert!(outcome.text.contains(line), "{}", outcome.text);
        assert!(outcome.text.contains("--- stdout ---\npartial\n"), "{}", outcome.text);
        assert!(outcome.is_error);
        let structured = outcome.structured.unwrap();
        assert_eq!(structured["timed_out"], matches!(ended, Ended::TimedOut { .. }));
        assert_eq!(structured["cancelled"], ended == Ended::Cancelled);
        assert_eq!(structured["exit_code"].is_null(), structured["signal"].is_u64());
    }
}

#[test]
fn what_was_dropped_is_said_and_a_hidden_stream_is_nowhere() {
    let mut run = run(Ended::Itself, Status::Code(0), b"first", b"hidden");
    run.exit.stdout.written = 5_000;
    let outcome = finished(&run, Show { stdout: true, stderr: false });
    let note = "first\n[stdout is truncated: 5000 bytes were written, the first 5 are kept]\n";
    assert!(outcome.text.contains(note), "{}", outcome.text);
    assert!(outcome.text.contains("--- stderr ---\n(not shown by this tool)\n"));
    let structured = outcome.structured.unwrap();
    assert_eq!(structured["truncated"], true);
    assert_eq!(structured["stdout_bytes"], 5_000);
    assert!(structured.get("stderr").is_none());
    assert!(!outcome.text.contains("hidden"));
}

#[test]
fn a_gap_is_shown_at_its_place() {
    let mut run = run(Ended::Itself, Status::Code(0), b"", b"");
    run.stdout = kept(b"first");
    run.stdout.gap(4_991);
    run.stdout.push(b"last\n");
    run.exit.stdout = StreamReport { written: 5_000, passed: 9, sha256: [0; 32] };
    let outcome = finished(&run, BOTH);
    let shown = "--- stdout ---\nfirst\n[4991 bytes dropped]\nlast\n[stdout is truncated: 5000 bytes \
                 were written, the first 5 and the last 5 are kept]\n";
    assert!(outcome.text.contains(shown), "{}", outcome.text);
    let structured = outcome.structured.unwrap();
    assert_eq!(structured["truncated"], true);
    assert_eq!(structured["stdout"], "first\n[4991 bytes dropped]\nlast\n");
}

#[test]
fn an_outcome_stays_within_its_limit_when_every_byte_must_be_escaped() {
    let noise = vec![0x1b; limits::RUN_OUTPUT];
    let outcome = finished(&run(Ended::Itself, Status::Code(0), &noise, &noise), BOTH);
    assert!(outcome.text.len() < limits::RESULT_TEXT + 1_024, "{}", outcome.text.len());
    assert_eq!(outcome.structured.unwrap()["truncated"], true);
}

fn denial(code: DenyCode, rule: Option<&str>, argument: Option<u16>) -> RunError {
    RunError::Denied(Denial {
        code,
        rule: rule.map(|rule| Text::new(rule).unwrap()),
        argument,
        reason: Text::new("`--script` is not allowed; allowed are -sS and -sT\u{1b}[0m").unwrap(),
    })
}

#[test]
fn a_denial_names_the_rule_the_argument_and_what_is_allowed() {
    let outcome = failed(&denial(DenyCode::Argument, Some("nmap"), Some(2)));
    assert_eq!(
        outcome.text,
        "Denied by the runner's policy (rule `nmap`): argument 2 (counted from 0): `--script` is \
         not allowed; allowed are -sS and -sT\\u{1b}[0m\n\
         Change it and call again; the same call will be denied again."
    );
    let structured = outcome.structured.unwrap();
    assert_eq!((&structured["rule"], &structured["error"]), (&json!("nmap"), &json!("denied")));
    let outcome = failed(&denial(DenyCode::Scope, Some("nmap"), Some(1)));
    assert!(outcome.text.contains("the target in argument 1"), "{}", outcome.text);
    assert!(outcome.text.contains("Change it and call again"), "{}", outcome.text);
    let outcome = failed(&denial(DenyCode::Window, Some("nmap"), None));
    assert!(outcome.text.contains("Only the operator"), "{}", outcome.text);
    let outcome = failed(&denial(DenyCode::UnknownCommand, None, None));
    assert!(outcome.text.contains("Only the operator"), "{}", outcome.text);
}

#[test]
fn every_outcome_fits_the_output_schema() {
    let validator = jsonschema::draft202012::new(&schema::command_output()).unwrap();
    let failure = Failure { step: Text::default(), reason: Text::default() };
    let errors = [
        RunError::Busy(5),
        RunError::Cancelled,
        RunError::Unfinished(failure.clone()),
        RunError::Failed(failure),
        RunError::HungUp,
        RunError::NotThere(io::ErrorKind::NotFound.into()),
        RunError::Refused(None),
        RunError::Request { what: "an argument", bound: OutOfBounds::Nul },
        RunError::Silent,
        RunError::Unexpected("end"),
        denial(DenyCode::Argument, None, None),
        denial(DenyCode::Stdin, Some("date"), None),
    ];
    let mut outcomes: Vec<Outcome> = errors.iter().map(failed).collect();
    assert!(outcomes.iter().all(|outcome| outcome.is_error && !outcome.text.is_empty()));
    for show in [BOTH, Show { stdout: false, stderr: false }] {
        for status in [Status::Code(0), Status::Signal(15)] {
            outcomes.push(finished(&run(Ended::Itself, status, b"a", b"b"), show));
        }
    }
    for outcome in outcomes {
        let structured = outcome.structured.unwrap();
        let problems: Vec<_> = validator.iter_errors(&structured).collect();
        assert!(problems.is_empty(), "{structured}: {problems:?}");
    }
}

#[test]
fn a_cancelled_run_without_an_end_is_still_known_as_cancelled() {
    assert_eq!(failed(&RunError::Cancelled).structured.unwrap()["cancelled"], true);
}
