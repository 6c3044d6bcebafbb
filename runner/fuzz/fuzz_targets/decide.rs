//! Any words as a request to the shipped policy: the decision never panics, what is permitted starts
//! with the rule's own words and holds no control character, and its canonical form is its own.
//!
//! The input is lines: the command, then one argument a line.
#![no_main]

use std::sync::LazyLock;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use proto::{Execute, List, RunId, StdinMode, Text};
use runner::policy::{Decision, Policy, SourceFile, Trust, decide, parse};

const WORKDIR: &str = "/run/work";

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = include_str!("../../../policy/demo.d/10-host.toml").to_owned();
    let file = SourceFile { name: "10-host.toml".to_owned(), text };
    parse(&[file], &Trust::root()).expect("the shipped policy loads").policy
});

fn request(command: &str, words: &[&str]) -> Option<Execute> {
    let words: Result<Vec<_>, _> = words.iter().map(|word| Text::new(*word)).collect();
    Some(Execute {
        run: RunId([0; 16]),
        principal: Text::default(),
        command: Text::new(command).ok()?,
        args: List::new(words.ok()?).ok()?,
        env: List::default(),
        cwd: None,
        stdin: StdinMode::Closed,
        timeout_ms: None,
    })
}

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let command = lines.next().unwrap_or_default();
    let words: Vec<&str> = lines.collect();
    let Some(first) = request(command, &words) else { return };
    let Decision::Permit(plan) = decide(&POLICY, &first, WORKDIR, SystemTime::UNIX_EPOCH) else { return };
    assert!(plan.argv.iter().all(|word| !word.chars().any(char::is_control)));
    let rule = POLICY.rule(&plan.rule).expect("a permit names its rule");
    let own = rule.head.len() + rule.prefix.len();
    let end = plan.argv.len() - rule.suffix.len();
    let canonical: Vec<&str> = plan.argv[own..end].iter().map(String::as_str).collect();
    if let Some(again) = request(command, &canonical) {
        assert_eq!(decide(&POLICY, &again, WORKDIR, SystemTime::UNIX_EPOCH), Decision::Permit(plan.clone()));
    }
});
