//! Runs the tables of `tests/it/policy`: a policy, lines, and what the policy says to each. A case is
//! added there without any Rust. Also holds the shipped policies to what they promise.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{DenyCode, EnvVar, Execute, List, RunId, StdinMode, Text};
use serde::Deserialize;

use super::{Decision, Policy, SourceFile, Trust, decide, explain, parse};

const WORKDIR: &str = "/run/mcpfusion/work/7";
/// When nothing depends on it.
pub(super) const NOW: SystemTime = SystemTime::UNIX_EPOCH;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestTable {
    policy: Option<String>,
    policy_file: Option<String>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    command: String,
    args: Vec<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    cwd: Option<String>,
    #[serde(default)]
    stdin: bool,
    /// The user that the front end claims; alice.
    user: Option<String>,
    /// RFC 3339, in UTC; the beginning of 1970.
    now: Option<String>,
    /// The engagement that a permit names.
    engagement: Option<String>,
    /// The whole canonical command line. A case without it is a refusal.
    argv: Option<Vec<String>>,
    code: Option<String>,
    argument: Option<u16>,
    reason: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A policy that is about words: which of its programs a bare machine has does not matter.
fn load(name: &str, text: String) -> Policy {
    let file = SourceFile { name: name.to_owned(), text };
    let loaded = parse(&[file], &Trust::root()).map_err(|report| report.to_string()).unwrap();
    let mut policy = loaded.policy;
    for rule in policy.rules.values_mut() {
        rule.unavailable = None;
    }
    policy
}

/// A request as the front end would send it.
pub(super) fn request(command: &str, args: &[String]) -> Execute {
    Execute {
        run: RunId([7; 16]),
        principal: Text::new("alice").unwrap(),
        command: Text::new(command).unwrap(),
        args: List::new(args.iter().map(|arg| Text::new(arg.as_str()).unwrap()).collect()).unwrap(),
        env: List::default(),
        cwd: None,
        stdin: StdinMode::Closed,
        timeout_ms: None,
    }
}

fn request_of(case: &Case) -> Execute {
    let mut request = request(&case.command, &case.args);
    let env = case.env.iter().map(|(name, value)| EnvVar {
        name: Text::new(name.as_str()).unwrap(),
        value: Text::new(value.as_str()).unwrap(),
    });
    request.env = List::new(env.collect()).unwrap();
    request.cwd = case.cwd.as_ref().map(|cwd| Text::new(cwd.as_str()).unwrap());
    if let Some(user) = &case.user {
        request.principal = Text::new(user.as_str()).unwrap();
    }
    if case.stdin {
        request.stdin = StdinMode::Piped;
    }
    request
}

#[test]
fn every_line_of_the_tables_is_judged_as_the_table_says() {
    let dir = root().join("runner/tests/it/policy");
    let (mut permitted, mut denied) = (0, 0);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let shown = path.file_name().unwrap().to_string_lossy().into_owned();
        let table: TestTable = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let text = match (table.policy, table.policy_file) {
            (Some(text), None) => text,
            (None, Some(file)) => fs::read_to_string(root().join(file)).unwrap(),
            _ => panic!("{shown}: either policy or policy_file"),
        };
        let policy = load(&shown, text);
        for case in &table.case {
            let request = request_of(case);
            let line = format!("{shown}: {} {:?}", case.command, case.args);
            let now = case.now.as_deref().map_or(NOW, |now| humantime::parse_rfc3339(now).unwrap());
            match (decide(&policy, &request, WORKDIR, now), &case.argv) {
                (Decision::Permit(plan), Some(argv)) => {
                    assert_eq!(plan.engagement, case.engagement, "{line}");
                    assert_eq!(&plan.argv, argv, "{line}");
                    permitted += 1;
                }
                (Decision::Deny(denial), None) => {
                    let code = case.code.as_deref().unwrap_or("Argument");
                    assert_eq!(format!("{:?}", denial.code), code, "{line}: {denial:?}");
                    assert_eq!(denial.argument, case.argument, "{line}: {denial:?}");
                    let reason = case.reason.as_deref().expect("a refusal names its reason");
                    assert!(denial.reason.contains(reason), "{line}: {denial:?}");
                    assert!(!denial.reason.contains("hunter2"), "{line}: {denial:?}");
                    denied += 1;
                }
                (Decision::Permit(plan), None) => panic!("{line}: permitted as {:?}", plan.argv),
                (Decision::Deny(denial), Some(_)) => panic!("{line}: {denial:?}"),
            }
        }
    }
    assert!(permitted >= 20 && denied >= 40, "{permitted} permitted, {denied} denied");
}

#[test]
fn shipped_policies_load_and_each_command_has_an_example_of_both_kinds() {
    let dir = root().join("policy/demo.d");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let file = SourceFile {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).unwrap(),
        };
        let loaded = parse(&[file], &Trust::root()).map_err(|r| r.to_string()).unwrap();
        for warning in loaded.warnings.diagnostics() {
            assert!(warning.message.ends_with("is not installed here"), "{}", loaded.warnings);
        }
        assert!(loaded.policy.commands().count() > 0);
    }
}

#[test]
fn the_manual_loads_and_names_every_type_and_limit() {
    let manual = fs::read_to_string(root().join("docs/policy.md")).unwrap();
    let blocks: Vec<&str> = manual.split("```toml\n").skip(1).collect();
    assert!(blocks.len() > 1);
    for block in blocks {
        load("manual.toml", block.split("```").next().unwrap().to_owned());
    }
    for kind in super::kind::KINDS {
        assert!(manual.contains(&format!("\n| `{kind}` |")), "{kind}");
    }
    for limit in super::defaults::NAMES {
        assert!(manual.contains(&format!("\n| `{limit}` |")), "{limit}");
    }
}

#[test]
fn an_explanation_names_the_rule_the_place_and_every_fact() {
    let text = fs::read_to_string(root().join("policy/demo.d/10-host.toml")).unwrap();
    let policy = load("10-host.toml", text);
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let yes = explain(&policy, &request("df", &words(&["-h"])), WORKDIR, NOW).to_string();
    for fact in ["permit", "df (10-host.toml:", "\"-h\"", "/usr/bin/df", WORKDIR, "network", "wall"]
    {
        assert!(yes.contains(fact), "{fact} is missing in\n{yes}");
    }
    let no = explain(&policy, &request("df", &words(&["-q"])), WORKDIR, NOW).to_string();
    for fact in ["deny", "df (10-host.toml:", "argument     0", "-t: one of btrfs"] {
        assert!(no.contains(fact), "{fact} is missing in\n{no}");
    }
    let none = explain(&policy, &request("dff", &[]), WORKDIR, NOW);
    assert!(none.to_string().contains("uname"), "{none}");
    let Decision::Deny(denial) = none.decision else { panic!("dff was permitted") };
    assert_eq!(denial.code, DenyCode::UnknownCommand);
}
