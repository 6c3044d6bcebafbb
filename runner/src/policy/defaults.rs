//! How much of everything: the built-in limits, those of `[defaults]`, and those of a command, which
//! may only be tighter unless it says which it raises.

use std::time::Duration;

use toml::Spanned;

use super::parse::At;
use super::raw::{RawDefaults, RawLimits, RawOutput, RawSize, Word};
use super::value::number;
use crate::diagnostic::Report;
use crate::line::Bounds;
use crate::plan::Limits;

/// The limits of a run when no file says anything.
pub(super) fn built_in() -> Limits {
    Limits {
        wall: Duration::from_mins(1),
        grace: Duration::from_secs(3),
        cpu_s: 30,
        memory: 512 << 20,
        pids: 64,
        nofile: 256,
        fsize: 64 << 20,
        workdir_size: 64 << 20,
        stdout: 1 << 20,
        stderr: 128 << 10,
        output_head: 64 << 10,
        output_hard: 16 << 20,
        stdin: 1 << 20,
        line: Bounds { concurrency: 64, queue: 16, wait: Duration::from_secs(30) },
    }
}

/// The environment of a run when no file says anything.
pub(super) const ENV: [(&str, &str); 4] =
    [("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("HOME", "/nonexistent"), ("TERM", "dumb")];

/// The names of the limits, as `allow_raise` has them.
pub(super) const NAMES: [&str; 16] = [
    "wall_s",
    "grace_s",
    "cpu_s",
    "memory",
    "pids",
    "nofile",
    "fsize",
    "workdir_size",
    "output.stdout",
    "output.stderr",
    "output.head",
    "output.hard",
    "stdin",
    "concurrency",
    "queue",
    "queue_s",
];

/// Whether a limit may be raised over what stands.
#[derive(Clone, Copy)]
enum Raise<'a> {
    Any,
    Only(&'a [Word]),
}

/// The limits of all commands: the built-in ones, as `[defaults]` changes them.
pub(super) fn of_file(raw: RawDefaults, at: &At, report: &mut Report) -> Limits {
    let as_command = RawLimits {
        wall_s: raw.wall_s,
        grace_s: raw.grace_s,
        cpu_s: raw.cpu_s,
        memory: raw.memory,
        pids: raw.pids,
        nofile: raw.nofile,
        fsize: raw.fsize,
        workdir_size: raw.workdir_size,
        output: raw.output,
        stdin: raw.stdin,
        concurrency: raw.concurrency,
        queue: raw.queue,
        queue_s: raw.queue_s,
        allow_raise: Vec::new(),
    };
    apply(&built_in(), &as_command, Raise::Any, at, report)
}

/// The limits of one command.
pub(super) fn of_command(base: &Limits, raw: &RawLimits, at: &At, report: &mut Report) -> Limits {
    for name in &raw.allow_raise {
        if !NAMES.contains(&name.get_ref().as_str()) {
            report.unknown_word(&at.place(name.span()), "limit", name.get_ref(), &NAMES);
        }
    }
    apply(base, raw, Raise::Only(&raw.allow_raise), at, report)
}

fn apply(base: &Limits, raw: &RawLimits, raise: Raise<'_>, at: &At, report: &mut Report) -> Limits {
    let none = RawOutput::default();
    let output = raw.output.as_ref().unwrap_or(&none);
    let mut pick = |name, raw: &Option<Spanned<RawSize>>, base| {
        limit(name, raw.as_ref(), base, raise, at, report)
    };
    Limits {
        wall: Duration::from_secs(pick("wall_s", &raw.wall_s, base.wall.as_secs())),
        grace: Duration::from_secs(pick("grace_s", &raw.grace_s, base.grace.as_secs())),
        cpu_s: pick("cpu_s", &raw.cpu_s, base.cpu_s),
        memory: pick("memory", &raw.memory, base.memory),
        pids: pick("pids", &raw.pids, base.pids),
        nofile: pick("nofile", &raw.nofile, base.nofile),
        fsize: pick("fsize", &raw.fsize, base.fsize),
        workdir_size: pick("workdir_size", &raw.workdir_size, base.workdir_size),
        stdout: pick("output.stdout", &output.stdout, base.stdout),
        stderr: pick("output.stderr", &output.stderr, base.stderr),
        output_head: pick("output.head", &output.head, base.output_head),
        output_hard: pick("output.hard", &output.hard, base.output_hard),
        stdin: pick("stdin", &raw.stdin, base.stdin),
        line: Bounds {
            concurrency: pick("concurrency", &raw.concurrency, base.line.concurrency),
            queue: pick("queue", &raw.queue, base.line.queue),
            wait: Duration::from_secs(pick("queue_s", &raw.queue_s, base.line.wait.as_secs())),
        },
    }
}

fn limit(
    name: &str,
    raw: Option<&Spanned<RawSize>>,
    base: u64,
    raise: Raise<'_>,
    at: &At,
    report: &mut Report,
) -> u64 {
    let Some(raw) = raw else { return base };
    let place = at.place(raw.span());
    let value = match number_of(raw.get_ref()) {
        Ok(0) if !may_be_0(name) => {
            report.error(&place, format!("{name} must not be 0")).help("give it a number from 1");
            return base;
        }
        Ok(value) if value > most(name) => {
            report
                .error(&place, format!("{name} = {value} is no limit"))
                .help(format!("it may be at most {}", most(name)));
            return base;
        }
        Ok(value) => value,
        Err(why) => {
            report.error(&place, format!("{name}: {why}"));
            return base;
        }
    };
    if let Raise::Only(names) = raise
        && value > base
        && !names.iter().any(|allowed| allowed.get_ref() == name)
    {
        report
            .error(&place, format!("{name} = {value} is over the default of {base}"))
            .help(format!("a command only tightens; to raise it, say allow_raise = [\"{name}\"]"));
    }
    value
}

/// A number of a policy file: digits, or a size with a unit.
pub(super) fn number_of(raw: &RawSize) -> Result<u64, String> {
    match raw {
        RawSize::Number(n) => Ok(*n),
        RawSize::Text(text) => number::size(text).map_err(|why| why.to_string()),
    }
}

/// No first part, or no queue.
fn may_be_0(name: &str) -> bool {
    matches!(name, "output.head" | "queue")
}

/// What is beyond any use, and would be a slip of the pen.
fn most(name: &str) -> u64 {
    match name {
        "wall_s" | "cpu_s" => 7 * 86_400,
        "grace_s" | "queue_s" => 600,
        "concurrency" | "queue" => 128,
        "pids" | "nofile" => 1 << 16,
        _ => 1 << 40,
    }
}
