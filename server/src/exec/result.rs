//! How a run, or the lack of one, reads: text in the shape that models know from the original, and
//! structured content as the tool's `outputSchema` says.

use proto::{Denial, DenyCode, Ended, Status, StreamReport};
use serde_json::{Map, Value, json};

use super::client::{Run, RunError};
use super::kept::Kept;
use super::readable::{readable, readable_end};
use crate::limits;
use crate::model::causes::chain;
use crate::model::outcome::Outcome;

/// Longest text of the runner's own that is shown, bytes.
const REASON: usize = 2 * proto::limit::REASON;

/// Which streams the tool shows.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    /// stdout.
    pub stdout: bool,
    /// stderr.
    pub stderr: bool,
}

/// The outcome of a run that ended.
pub fn finished(run: &Run, show: Show) -> Outcome {
    let exit = &run.exit;
    let stdout = show.stdout.then(|| Shown::new("stdout", &run.stdout, exit.stdout));
    let stderr = show.stderr.then(|| Shown::new("stderr", &run.stderr, exit.stderr));
    let (code, signal) = match exit.status {
        Status::Code(code) => (Some(code), None),
        Status::Signal(signal) => (None, Some(signal)),
    };
    let problem = problem(exit.ended, exit.status, exit.duration_ms);
    let cut = |shown: &Option<Shown>| shown.as_ref().is_some_and(|shown| shown.note.is_some());

    let mut structured = standing(Some(&run.started.rule));
    structured.extend([
        ("exit_code".into(), json!(code)),
        ("signal".into(), json!(signal)),
        ("timed_out".into(), matches!(exit.ended, Ended::TimedOut { .. }).into()),
        ("cancelled".into(), (exit.ended == Ended::Cancelled).into()),
        ("truncated".into(), (cut(&stdout) || cut(&stderr)).into()),
        ("stdout_bytes".into(), exit.stdout.written.into()),
        ("stderr_bytes".into(), exit.stderr.written.into()),
        ("duration_ms".into(), exit.duration_ms.into()),
        ("cpu_ms".into(), (exit.usage.cpu_us / 1_000).into()),
        ("max_rss_kib".into(), exit.usage.max_rss_kib.into()),
    ]);
    for (name, shown) in [("stdout", &stdout), ("stderr", &stderr)] {
        if let Some(shown) = shown {
            structured.insert(name.into(), shown.text.as_str().into());
        }
    }

    let mut text = format!(
        "Exit Code: {}\nExecution Time: {}.{:03}s\nStatus: {}\n",
        code.map_or_else(|| "none".into(), |code| code.to_string()),
        exit.duration_ms / 1_000,
        exit.duration_ms % 1_000,
        status(exit.ended, exit.status),
    );
    if let Some(problem) = &problem {
        text.extend(["Error: ", problem, "\n"]);
    }
    text.extend(["\n", &section("stdout", stdout.as_ref())]);
    text.extend(["\n", &section("stderr", stderr.as_ref())]);
    Outcome { text, structured: Some(Value::Object(structured)), is_error: problem.is_some() }
}

/// The outcome when nothing ran, or its end is not known.
pub fn failed(error: &RunError) -> Outcome {
    match error {
        RunError::Denied(denial) => denied(denial),
        RunError::Busy(_) => not_run("busy", &error.to_string(), None),
        RunError::Cancelled => {
            let mut outcome = not_run("cancelled", &error.to_string(), None);
            if let Some(Value::Object(structured)) = &mut outcome.structured {
                structured.insert("cancelled".into(), true.into());
            }
            outcome
        }
        RunError::Request { .. } => not_run("arguments", &format!("{error}; send less"), None),
        RunError::NotThere(_) | RunError::Refused(_) => {
            log(error);
            not_run("unavailable", &error.to_string(), None)
        }
        RunError::Failed(_)
        | RunError::HungUp
        | RunError::Protocol(_)
        | RunError::Random(_)
        | RunError::Silent
        | RunError::Unexpected(_)
        | RunError::Unfinished(_) => {
            log(error);
            not_run("failed", &readable(error.to_string().as_bytes(), REASON).0, None)
        }
    }
}

/// A failure in the words `text`, whose class programs know as `class`.
pub fn not_run(class: &str, text: &str, rule: Option<&str>) -> Outcome {
    let mut structured = standing(rule);
    structured.insert("error".into(), class.into());
    Outcome { text: text.into(), structured: Some(Value::Object(structured)), is_error: true }
}

fn log(error: &RunError) {
    let cause = std::error::Error::source(error).map(chain);
    tracing::warn!(%error, cause, "a run without an end");
}

/// What the output schema requires of every outcome.
fn standing(rule: Option<&str>) -> Map<String, Value> {
    Map::from_iter([
        ("rule".into(), json!(rule)),
        ("exit_code".into(), Value::Null),
        ("signal".into(), Value::Null),
        ("timed_out".into(), false.into()),
        ("cancelled".into(), false.into()),
        ("truncated".into(), false.into()),
    ])
}

fn denied(denial: &Denial) -> Outcome {
    let subject = match (denial.code, denial.argument) {
        (DenyCode::Argument, Some(index)) => format!("argument {index} (counted from 0)"),
        (DenyCode::Argument, None) => "the arguments".into(),
        (DenyCode::Environment, _) => "the environment".into(),
        (DenyCode::Principal, _) => "the user".into(),
        (DenyCode::Scope, Some(index)) => {
            format!("the target in argument {index} (counted from 0)")
        }
        (DenyCode::Scope, None) => "the target".into(),
        (DenyCode::Stdin, _) => "stdin".into(),
        (DenyCode::UnknownCommand, _) => "the command".into(),
        (DenyCode::Window, _) => "the time".into(),
        (DenyCode::WorkingDirectory, _) => "the working directory".into(),
    };
    let rule = denial.rule.as_deref();
    let by = rule.map(|rule| format!(" (rule `{rule}`)")).unwrap_or_default();
    let (reason, _) = readable(denial.reason.as_bytes(), REASON);
    let advice = match denial.code {
        DenyCode::Principal | DenyCode::UnknownCommand | DenyCode::Window => {
            "Only the operator can change that; the same call will be denied again."
        }
        DenyCode::Argument
        | DenyCode::Environment
        | DenyCode::Scope
        | DenyCode::Stdin
        | DenyCode::WorkingDirectory => {
            "Change it and call again; the same call will be denied again."
        }
    };
    let text = format!("Denied by the runner's policy{by}: {subject}: {reason}\n{advice}");
    not_run("denied", &text, rule)
}

fn status(ended: Ended, status: Status) -> &'static str {
    match (ended, status) {
        (Ended::Itself, Status::Code(0)) => "Success",
        (Ended::Itself | Ended::OutputLimit | Ended::Shutdown, _) => "Failed",
        (Ended::TimedOut { .. }, _) => "Timed Out",
        (Ended::Cancelled, _) => "Cancelled",
    }
}

fn problem(ended: Ended, status: Status, duration_ms: u64) -> Option<String> {
    match (ended, status) {
        (Ended::Itself, Status::Code(0)) => None,
        (Ended::Itself, Status::Code(code)) => {
            Some(format!("the command ended with exit code {code}; its stderr says why"))
        }
        (Ended::Itself, Status::Signal(signal)) => {
            Some(format!("signal {signal} ended the command"))
        }
        (Ended::TimedOut { forced }, _) => Some(format!(
            "stopped{} after {}.{:03} s because its time was up; ask it for less, or for more time \
             if the tool takes a timeout. What it printed until then is below",
            if forced { " by force" } else { "" },
            duration_ms / 1_000,
            duration_ms % 1_000,
        )),
        (Ended::Cancelled, _) => Some("cancelled by the client".into()),
        (Ended::OutputLimit, _) => {
            Some("stopped because it wrote more than the policy allows; ask it for less".into())
        }
        (Ended::Shutdown, _) => Some("stopped because the runner is stopping; call again".into()),
    }
}

/// One stream, fit to be shown.
struct Shown {
    text: String,
    note: Option<String>,
}

impl Shown {
    fn new(name: &str, kept: &Kept, report: StreamReport) -> Self {
        let (head, tail) = (kept.head(), kept.tail());
        let written = report.written;
        if kept.dropped() == 0 {
            let (text, clipped) = readable(&[head, tail].concat(), limits::RUN_OUTPUT);
            let shown = head.len() + tail.len();
            let cut = clipped || u64::try_from(shown).unwrap_or(u64::MAX) < written;
            let note = cut.then(|| {
                format!(
                    "{name} is truncated: {written} bytes were written, the first {shown} are kept"
                )
            });
            return Self { text, note };
        }
        let (beginning, _) = readable(head, limits::RUN_OUTPUT / 2);
        let line_end = if beginning.is_empty() || beginning.ends_with('\n') { "" } else { "\n" };
        let end = readable_end(tail, limits::RUN_OUTPUT / 2);
        let text = format!("{beginning}{line_end}[{} bytes dropped]\n{end}", kept.dropped());
        let note = format!(
            "{name} is truncated: {written} bytes were written, the first {} and the last {} are \
             kept",
            head.len(),
            tail.len()
        );
        Self { text, note: Some(note) }
    }
}

fn section(name: &str, shown: Option<&Shown>) -> String {
    let Some(Shown { text, note }) = shown else {
        return format!("--- {name} ---\n(not shown by this tool)\n");
    };
    let text = if text.is_empty() { "(none)" } else { text };
    let note = note.as_ref().map(|note| format!("[{note}]\n")).unwrap_or_default();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("--- {name} ---\n{text}{end}{note}")
}

#[cfg(test)]
mod tests;
