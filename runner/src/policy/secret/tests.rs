use std::time::SystemTime;

use proptest::prelude::*;
use proto::{EnvVar, List, Text};

use super::super::compliance_tests::request;
use super::super::{Decision, SourceFile, Trust, decide, explain, parse};
use super::*;
use crate::plan::Plan;

const POLICY: &str = r#"
version = 1
[command.ask]
path = "/usr/bin/true"
flags = ["-v"]
options."--token" = { type = "text", style = "equals", secret = true }
options."-k" = { type = "regex", pattern = "[a-z0-9]+", style = "attached", secret = true }
options."-u" = { type = "text" }
options."-l" = { type = "list", of = { type = "text", secret = true } }
positional = { name = "pin", min = 0, max = 2, match = { type = "int", secret = true } }
settable_env = { PLAIN = { type = "text" }, TOKEN = { type = "text", secret = true } }
[command.deep.sub.login]
options."--password" = { type = "text", secret = true }
[command.deep.sub.list]
[command.deep]
path = "/usr/bin/true"
[command.open]
path = "/usr/bin/true"
positional = { name = "word", min = 0, max = 2, match = { type = "text" } }
"#;

fn load(text: &str) -> Result<Policy, String> {
    let file = SourceFile { name: "t.toml".to_owned(), text: text.to_owned() };
    parse(&[file], &Trust::root()).map(|loaded| loaded.policy).map_err(|r| r.to_string())
}

fn policy() -> Policy {
    let mut policy = load(POLICY).unwrap();
    for rule in policy.rules.values_mut() {
        rule.unavailable = None;
    }
    policy
}

fn asked(command: &str, words: &[&str]) -> Execute {
    request(command, &words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
}

fn stars(_secret: &str) -> String {
    "***".to_owned()
}

fn permitted(request: &Execute) -> Box<Plan> {
    match decide(&policy(), request, "/run/work", SystemTime::UNIX_EPOCH) {
        Decision::Permit(plan) => plan,
        Decision::Deny(denial) => panic!("{denial:?}"),
    }
}

#[test]
fn a_plan_knows_which_parts_of_its_words_are_secret() {
    let words =
        ["-v", "--token=hunter2", "-khunter3", "-u", "bob", "-l", "hunter4,hunter5", "1234"];
    let plan = permitted(&asked("ask", &words));
    let shown = ["true", "-v", "--token=***", "-k***", "-u", "bob", "-l", "***", "***"];
    assert_eq!(plan.shown_argv(stars), shown);
    assert_eq!(plan.argv[2], "--token=hunter2");
    let deep = permitted(&asked("deep", &["login", "--password", "hunter2"]));
    assert_eq!(deep.shown_argv(stars), ["true", "login", "--password", "***"]);
}

#[test]
fn a_variable_is_shown_by_its_name_and_a_secret_one_with_its_mask() {
    let mut request = asked("ask", &[]);
    let var =
        |name, value| EnvVar { name: Text::new(name).unwrap(), value: Text::new(value).unwrap() };
    request.env = List::new(vec![var("TOKEN", "hunter2"), var("PLAIN", "x")]).unwrap();
    let shown = permitted(&request).shown_env(stars);
    assert!(shown.contains(&"TOKEN=***".to_owned()) && shown.contains(&"PLAIN".to_owned()));
    assert!(!shown.concat().contains("hunter2"));
}

#[test]
fn of_a_refused_request_only_the_rules_own_words_are_shown() {
    let policy = policy();
    let shown = |command, words: &[&str]| shown_args(&policy, &asked(command, words), stars);
    assert_eq!(shown("ask", &["-v", "--token=hunter2", "-x"]), ["-v", "--token=***", "***"]);
    assert_eq!(shown("ask", &["--tokne=hunter2", "--", "-khunter2"]), ["***", "--", "***"]);
    assert_eq!(shown("deep", &["login", "hunter2"]), ["login", "***"]);
    assert_eq!(shown("open", &["-x", "word"]), ["-x", "word"]);
    // For which rule it was meant is not known.
    assert_eq!(shown("aks", &["--token=hunter2"]), ["***"]);
}

#[test]
fn a_refusal_does_not_tell_of_what_may_be_a_secret() {
    let policy = policy();
    for (command, words) in [
        ("ask", &["hunter2"][..]),
        ("ask", &["--token", "hunter2"]),
        ("ask", &["--hunter2"]),
        ("ask", &["-xhunter2"]),
        ("ask", &["-khunter2-"]),
        ("ask", &["--token=hunter2\u{7}"]),
        ("deep", &["hunter2"]),
        ("deep", &["login", "--hunter2"]),
        ("deep", &["list", "hunter2"]),
    ] {
        let Decision::Deny(denial) =
            decide(&policy, &asked(command, words), "/w", SystemTime::UNIX_EPOCH)
        else {
            panic!("{words:?} is permitted")
        };
        assert!(!denial.reason.contains("hunter"), "{}", denial.reason);
        assert!(!denial.reason.contains("U+"), "{}", denial.reason);
    }
}

#[test]
fn an_explanation_shows_no_secret() {
    let said =
        explain(&policy(), &asked("ask", &["--token=hunter2"]), "/w", SystemTime::UNIX_EPOCH)
            .to_string();
    assert!(said.contains("--token=[secret]") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_secret_that_the_policy_tells_is_an_error() {
    let with = |option: &str| {
        load(&format!(
            "version = 1\n[command.x]\npath = \"/usr/bin/true\"\noptions.\"-p\" = {{ {option} }}\n"
        ))
    };
    assert!(with("type = \"text\", secret = true").is_ok());
    for wrong in [
        "type = \"text\", secret = true, default = \"hunter2\"",
        "type = \"enum\", values = [\"hunter2\"], secret = true",
        "type = \"literal\", value = \"hunter2\", secret = true",
        "type = \"bool\", secret = true",
        "type = \"list\", of = { type = \"enum\", values = [\"a\"] }, secret = true",
    ] {
        let errors = with(wrong).unwrap_err();
        assert!(errors.contains("secret"), "{errors}");
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_the_secret_is_shown_nowhere(
        mut words in prop::collection::vec(prop_oneof![
            Just("-v".to_owned()), Just("-u".to_owned()), Just("-l".to_owned()),
            Just("--".to_owned()), Just("login".to_owned()), Just("--password".to_owned()),
            "[a-z=-]{1,6}",
        ], 0..6),
        form in prop_oneof![
            Just("--token=S3CR3T"), Just("-kS3CR3T"), Just("S3CR3T"), Just("--tokenS3CR3T"),
            Just("-S3CR3T"), Just("--x=S3CR3T"),
        ],
        command in prop_oneof![Just("ask"), Just("deep"), Just("nothing")],
        at in any::<prop::sample::Index>(),
    ) {
        // A public option may be given anything; what is told of it is not a secret.
        let at = at.index(words.len() + 1);
        words.insert(at, form.to_owned());
        let public = at > 0 && words[at - 1] == "-u";
        prop_assume!(!public);
        let policy = policy();
        let request = request(command, &words);
        match decide(&policy, &request, "/w", SystemTime::UNIX_EPOCH) {
            Decision::Permit(plan) => {
                prop_assert!(!plan.shown_argv(stars).concat().contains("S3CR3T"));
            }
            Decision::Deny(denial) => {
                prop_assert!(!denial.reason.contains("S3CR3T"), "{}", denial.reason);
                prop_assert!(!shown_args(&policy, &request, stars).concat().contains("S3CR3T"));
            }
        }
    }
}
