use super::*;
use crate::diagnostic::SourceFile;
use crate::policy::{Trust, parse};

const GOOD: &str = r#"
version = 1
[engagement.acme]
cidrs = ["10.20.0.0/16"]
hosts = ["app.acme.test"]
exclude = ["10.20.0.1"]
resolve = "trust"
[principal.alice]
users = ["alice"]
commands = ["x"]
engagements = ["acme"]
rate = "60/h"
max_concurrent = 4
[command.x]
about = "x"
path = "/usr/bin/true"
network = "any"
positional = { name = "t", match = { type = "target" } }
[[command.x.example]]
allow = ["10.20.3.4"]
engagement = "acme"
[[command.x.example]]
deny = ["8.8.8.8"]
"#;

fn load(text: &str) -> Result<(Policy, String), String> {
    let file = SourceFile { name: "x.toml".to_owned(), text: text.to_owned() };
    parse(&[file], &Trust::root())
        .map(|loaded| (loaded.policy, loaded.warnings.to_string()))
        .map_err(|report| report.to_string())
}

/// The good policy with one line for another.
fn changed(line: &str, by: &str) -> String {
    assert!(GOOD.contains(line), "{line}");
    GOOD.replacen(line, by, 1)
}

#[test]
fn a_policy_with_an_engagement_loads_without_a_word() {
    let (policy, warnings) = load(GOOD).unwrap();
    assert_eq!(warnings, "");
    let quota = policy.quota("alice").unwrap();
    assert_eq!(quota.max_concurrent, Some(4));
    assert_eq!(quota.rate, Some(Rate { n_runs: 60, period: Duration::from_hours(1) }));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line() {
    let cidrs = "cidrs = [\"10.20.0.0/16\"]";
    let hosts = "hosts = [\"app.acme.test\"]";
    let exclude = "exclude = [\"10.20.0.1\"]";
    let trust = "resolve = \"trust\"";
    let rate = "rate = \"60/h\"";
    for (line, by, says) in [
        (cidrs, "cidrs = [\"0.0.0.0/0\"]", "0.0.0.0/0 is wider than any engagement"),
        (cidrs, "cidrs = [\"10.0.0.0/7\"]", "wider than any engagement"),
        (cidrs, "cidrs = [\"2000::/3\"]", "wider than any engagement"),
        (cidrs, "cidrs = [\"10.20.3.4/16\"]", "bits beyond the first 16"),
        (cidrs, "cidrs = [\"10.20.0.0/16x\"]", "no number of 0 to 32"),
        (cidrs, "cidrs = [\"010.20.0.0/16\"]", "'/' after something that is no address"),
        (cidrs, "cidrs = [\"::ffff:10.20.0.0/112\"]", "IPv4 address in IPv6 clothes"),
        (cidrs, "cidrs = [\"acme.test\"]", "it is no address"),
        (cidrs, "cidr = [\"10.20.0.0/16\"]", "no key of this table is called \"cidr\""),
        (hosts, "hosts = [\"10.20.3.4\"]", "this is no host of an engagement"),
        (hosts, "hosts = [\"*\"]", "this is no host of an engagement"),
        (hosts, "hosts = [\"a.*.test\"]", "this is no host of an engagement"),
        (hosts, "hosts = [\"acme.test.\"]", "this is no host of an engagement"),
        (hosts, "hosts = [\"*.test\"]", "*.test is wider than any engagement"),
        (exclude, "exclude = [\"10.0.0.0/8\"]", "10.0.0.0/8 excludes all of 10.20.0.0/16"),
        (exclude, "exclude = [\"app.acme.test\"]", "app.acme.test is in hosts and excluded"),
        (trust, "resolve = \"runner\"", "the runner does not resolve names yet"),
        (trust, "resolve = \"dns\"", "no resolve is called \"dns\""),
        (trust, "not_before = 2026-10-01T00:00:00", "a time without a zone"),
        (trust, "not_before = 2026-10-01", "a time without a zone"),
        (
            trust,
            "not_before = 2026-10-01T00:00:00Z\nnot_after = 2026-10-01T02:00:00+02:00",
            "not_after is not after not_before",
        ),
        (rate, "rate = \"0/h\"", "this is no rate"),
        (rate, "rate = \"60/y\"", "this is no rate"),
        (rate, "rate = \"+6/h\"", "this is no rate"),
        (rate, "rate = \"60\"", "this is no rate"),
        (rate, "rate = \"10001/s\"", "this is no rate"),
        ("max_concurrent = 4", "max_concurrent = 0", "a max_concurrent of 0 allows nothing"),
        ("users = [\"alice\"]", "users = []", "the principal alice has no user"),
        ("users = [\"alice\"]", "users = [\"a b\"]", "this can be no user's id"),
        (
            "users = [\"alice\"]",
            "users = [\"a\", \"a\"]",
            "principal of this user is defined twice",
        ),
        ("commands = [\"x\"]", "commands = [\"y\"]", "no command is called \"y\""),
        ("engagements = [\"acme\"]", "engagements = [\"acm\"]", "did you mean \"acme\"?"),
        ("engagement = \"acme\"", "engagement = \"acm\"", "no engagement is called \"acm\""),
        ("allow = [\"10.20.3.4\"]", "allow = [\"8.8.8.8\"]", "acme does not have its hosts"),
        ("deny = [\"8.8.8.8\"]", "deny = [\"10.20.3.4\"]", "must be denied, but is allowed"),
        ("type = \"target\"", "type = \"target\", scope = \"all\"", "no scope is called \"all\""),
        ("type = \"target\"", "type = \"target\", max_hosts = 0", "max_hosts of 0 allows nothing"),
        ("type = \"target\"", "type = \"text\", scope = \"public\"", "means nothing for type"),
    ] {
        let Err(report) = load(&changed(line, by)) else { panic!("this was loaded: {by}") };
        assert!(report.contains(says), "{by}:\n{report}");
        assert!(report.contains("x.toml:"), "{by}:\n{report}");
    }
}

#[test]
fn an_engagement_without_hosts_and_two_of_one_name_are_refused() {
    let none = load(&format!("{GOOD}[engagement.empty]\nexclude = []\n")).unwrap_err();
    assert!(none.contains("the engagement empty has no host"), "{none}");
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.to_owned() };
    let second = "version = 1\n[engagement.acme]\ncidrs = [\"10.0.0.0/8\"]\n";
    let both = [file("1.toml", GOOD), file("2.toml", second)];
    let twice = parse(&both, &Trust::root()).unwrap_err().to_string();
    assert!(twice.contains("the engagement acme is defined twice"), "{twice}");
    let second = "version = 1\n[principal.bob]\nusers = [\"alice\"]\n";
    let both = [file("1.toml", GOOD), file("2.toml", second)];
    let twice = parse(&both, &Trust::root()).unwrap_err().to_string();
    assert!(twice.contains("the principal of this user is defined twice"), "{twice}");
}

#[test]
fn what_was_hardly_meant_is_a_warning() {
    let exclude = "exclude = [\"10.20.0.1\"]";
    let second = "[command.y]\nabout = \"y\"\npath = \"/usr/bin/true\"\n\
                  example = [{ allow = [] }, { deny = [\"-z\"] }]\n";
    for (text, says) in [
        (changed(exclude, "exclude = [\"10.21.0.1\"]"), "10.21.0.1 is in none of the cidrs"),
        (changed("engagements = [\"acme\"]", ""), "nobody has the engagement acme"),
        (
            changed("engagements = [\"acme\"]", ""),
            "alice may run x but has no engagement to run it in",
        ),
        (changed("commands = [\"x\"]", ""), "the principal alice may run nothing"),
        (changed("commands = [\"x\"]", ""), "nobody may run x"),
        (format!("{GOOD}{second}"), "nobody may run y"),
        (
            changed("type = \"target\"", "type = \"target\", scope = \"public\"")
                .replace("deny = [\"8.8.8.8\"]", "deny = [\"8.8.8.0/8\"]"),
            "this may lead to any host",
        ),
        (
            changed("type = \"target\"", "type = \"hostname\", ip = true")
                .replace("deny = [\"8.8.8.8\"]", "deny = [\"-x\"]"),
            "x takes hosts that no engagement is asked about",
        ),
        (
            GOOD.replace("[principal.alice]", "").replace("users = [\"alice\"]", "").replace(
                "commands = [\"x\"]\nengagements = [\"acme\"]\nrate = \"60/h\"\nmax_concurrent = 4",
                "",
            ),
            "x leads to hosts, and there is no [principal]",
        ),
    ] {
        let (_, warnings) = load(&text).unwrap_or_else(|report| panic!("{says}:\n{report}"));
        assert!(warnings.contains(says), "{says} is not in:\n{warnings}");
    }
}

#[test]
fn without_a_principal_anyone_runs_what_leads_to_no_host() {
    use crate::policy::compliance_tests::{NOW, request};
    use crate::policy::{Decision, decide, explain};
    let text = GOOD.replace("[principal.alice]\nusers = [\"alice\"]\ncommands = [\"x\"]\nengagements = [\"acme\"]\nrate = \"60/h\"\nmax_concurrent = 4\n", "")
        .replace("positional = { name = \"t\",", "positional = { name = \"t\", min = 0,");
    let (policy, _) = load(&text).unwrap();
    assert!(matches!(decide(&policy, &request("x", &[]), "/w", NOW), Decision::Permit(_)));
    let target = request("x", &["10.20.3.4".to_owned()]);
    let explained = explain(&policy, &target, "/w", NOW).to_string();
    assert!(explained.starts_with("deny"), "{explained}");
    assert!(explained.contains("the policy has no principal with an engagement"), "{explained}");
    assert!(explained.contains("principal    none in the policy"), "{explained}");
}

#[test]
fn an_explanation_shows_principal_engagement_and_times() {
    use crate::policy::compliance_tests::{NOW, request};
    use crate::policy::explain;
    let text = changed("resolve = \"trust\"", "not_after = 2026-12-31T23:59:59Z");
    let (policy, _) = load(&text).unwrap();
    let ask = |user: &str, words: &[&str], now| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let mut request = request("x", &words);
        request.principal = proto::Text::new(user).unwrap();
        explain(&policy, &request, "/w", now).to_string()
    };
    let late = humantime::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
    let window = "open until 2026-12-31T23:59:59Z";
    for (said, facts) in [
        (
            ask("alice", &["10.20.3.4"], NOW),
            vec![
                "permit",
                "principal    alice (x.toml:8)",
                "at most      4 runs at the same time",
                "at most      60 runs in an hour",
                "engagement   acme (x.toml:3)",
                &format!("window       {window}"),
                "has          10.20.0.0/16, app.acme.test",
                "excludes     10.20.0.1",
            ],
        ),
        (ask("alice", &["8.8.8.8"], NOW), vec!["deny", "argument     0", "acme (x.toml:3)"]),
        (
            ask("alice", &["10.20.3.4"], late),
            vec!["deny", &format!("window       closed now; {window}")],
        ),
        (ask("mallory", &["10.20.3.4"], NOW), vec!["deny", "none has the user \"mallory\""]),
    ] {
        for fact in facts {
            assert!(said.contains(fact), "{fact} is missing in\n{said}");
        }
    }
}
