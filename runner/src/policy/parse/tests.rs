use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::plan::Network;
use crate::policy::compliance_tests::{NOW, request};
use crate::policy::{Decision, decide};

const GOOD: &str = r#"
version = 1
[command.x]
about = "x"
path = "/usr/bin/true"
[[command.x.example]]
allow = []
[[command.x.example]]
deny = ["-x"]
"#;

fn parse_all(texts: &[&str]) -> Result<Loaded, Report> {
    let files: Vec<SourceFile> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| SourceFile { name: format!("{n}.toml"), text: (*text).to_owned() })
        .collect();
    parse(&files, &Trust::root())
}

fn refusal(texts: &[&str]) -> String {
    match parse_all(texts) {
        Ok(_) => panic!("this was loaded:\n{}", texts.join("\n----\n")),
        Err(report) => report.to_string(),
    }
}

/// A command with these lines, examples included.
fn with(lines: &str) -> String {
    format!(
        "version = 1\n[command.x]\nabout = \"x\"\npath = \"/usr/bin/true\"\nexample = [{{ allow = [] }}, {{ deny = [\"-zz\"] }}]\n{lines}\n"
    )
}

fn warnings(text: &str) -> String {
    parse_all(&[text]).map_err(|report| report.to_string()).unwrap().warnings.to_string()
}

/// A directory that only its owner can write to, whatever the umask.
fn trusted_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn a_plain_policy_loads_without_a_word() {
    assert_eq!(warnings(GOOD), "");
    assert_eq!(warnings(&with("")), "");
}

#[test]
fn each_mistake_of_each_file_is_told_in_one_run() {
    let first = r#"
version = 1
[defaults]
wall_s = 0
colour = "red"
[command.a]
path = "usr/bin/true"
flags = ["x", "-a", "-a"]
shell = true
[command.a.options]
"-p" = { type = "prots" }
"-q" = { type = "int", min = 5, max = 1 }
"-r" = { type = "int", pattern = "a" }
"-s" = { kind = "int" }
[command.b]
network = "all"
"#;
    let second = "version = 2\n[command.c]\npath = \"/usr/bin/true\"\nprofile = \"nix\"\n";
    let text = refusal(&[first, second]);
    for part in [
        "wall_s must not be 0",
        "no key of this table is called \"colour\"",
        "no key of this table is called \"shell\"",
        "it is not absolute",
        "this is no flag",
        "-a is listed twice",
        "no value type is called \"prots\"",
        "did you mean \"ports\"?",
        "max 1 is less than min 5",
        "\"pattern\" means nothing for type \"int\"",
        "no key of this table is called \"kind\"",
        "the key \"path\" is missing",
        "this version of the format is not known",
        "no profile is called \"nix\"",
        "0.toml:4:",
        "1.toml:1:",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn a_misspelt_key_is_told_with_the_right_one() {
    let text = refusal(&[&with("prefixx = [\"-q\"]")]);
    assert!(text.contains("\"prefixx\"") && text.contains("did you mean \"prefix\"?"), "{text}");
}

#[test]
fn every_syntax_error_is_told() {
    let text = refusal(&["version = \n[command.x\npath = 'a'\n"]);
    assert!(text.matches("error:").count() >= 2, "{text}");
}

#[test]
fn a_name_that_stands_twice_is_told_with_both_places() {
    let text = refusal(&[GOOD, GOOD]);
    assert!(text.contains("the command x is defined twice"), "{text}");
    assert!(text.contains("1.toml:3:") && text.contains("0.toml:3:"), "{text}");
    let alias = "version = 1\n[command.y]\npath = \"/usr/bin/true\"\naliases = [\"x\"]\n";
    assert!(refusal(&[GOOD, alias]).contains("this key of a command is defined twice"));
    let path = alias.replace("\"x\"", "\"/usr/bin/true\"").replace("/true\"\n", "/uname\"\n");
    assert!(refusal(&[GOOD, &path]).contains("this key of a command is defined twice"));
    let defaults = "version = 1\n[defaults]\nwall_s = 5\n";
    assert!(refusal(&[GOOD, defaults, defaults]).contains("[defaults] is defined twice"));
}

#[test]
fn an_empty_policy_does_not_load() {
    assert!(refusal(&["version = 1\n"]).contains("has no command"));
    assert!(refusal(&["[command.x]\npath = \"/usr/bin/true\"\n"]).contains("version = 1"));
}

#[test]
fn a_failing_example_stops_the_load_at_its_place() {
    let text = refusal(&[&GOOD.replace("allow = []", "allow = [\"-q\"]\nbecause = \"of it\"")]);
    assert!(text.contains("must be allowed (of it), but is denied"), "{text}");
    assert!(text.contains("0.toml:6:") && text.contains("argument 0: no flag"), "{text}");
    let text = refusal(&[&GOOD.replace("deny = [\"-x\"]", "deny = []")]);
    assert!(text.contains("must be denied, but is allowed"), "{text}");
    assert!(refusal(&[&GOOD.replace("allow = []", "because = \"x\"")]).contains("either"));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for (lines, part) in [
        (
            "flags = [\"-pn\"]\noptions.\"-p\" = { type = \"int\", style = \"attached\" }",
            "also be read",
        ),
        (
            "flags = [\"-p=x\"]\noptions.\"-p\" = { type = \"int\", style = \"equals\" }",
            "also be read",
        ),
        ("flags = [\"-p\"]\noptions.\"-p\" = { type = \"int\" }", "a flag and an option"),
        (
            "sub.a = {}\npositional = { name = \"n\", match = { type = \"bool\" } }",
            "the same place",
        ),
        ("sub.\"-a\" = {}", "no name of a sub-command"),
        ("flags = [\"--\"]", "this is no flag"),
        ("flags = [\"-a b\"]", "this is no flag"),
        (
            "positional = [{ name = \"n\", min = 0, match = { type = \"bool\" } }, { name = \"m\", match = { type = \"bool\" } }]",
            "only the last positional",
        ),
        ("requires = [[\"-a\", \"-b\"]]", "no flag or option beside it"),
        ("options.\"-p\" = { type = \"int\", required = true, default = 5 }", "needs no default"),
        ("options.\"-p\" = { type = \"int\", max = 4, default = 5 }", "no value of its type"),
        ("options.\"-p\" = { type = \"enum\", values = [\"-a\"] }", "this can never be given"),
        (
            "options.\"-p\" = { type = \"list\", of = { type = \"int\", style = \"equals\" } }",
            "for options",
        ),
        ("options.\"-s\" = { type = \"text\", style = \"attached\" }", "spell any other option"),
        ("options.\"-p\" = { type = \"path\", beneath = \"/\" }", "every path"),
        ("options.\"-p\" = { type = \"regex\", pattern = \".*\" }", "the empty string"),
    ] {
        let text = refusal(&[&with(lines)]);
        assert!(text.contains(part), "{part} is missing for {lines}:\n{text}");
    }
}

#[test]
fn what_a_reviewer_would_refuse_is_refused() {
    for (lines, part) in [
        ("ro = [\"/\"]", "opens the whole host"),
        ("rw = [\"/etc/x\"]", "must not be written"),
        ("rw = [\"/usr\"]", "must not be written"),
        ("rw = [\"/dev/sda\"]", "must not be written"),
        ("rw = [\"/var\"]", "must not be written"),
        ("rw = [\"/run/mcpfusion\"]", "must not be written"),
        ("rw = [\"/srv/a\"]\nexec = [\"/srv/a/b\"]", "can be written to and"),
        ("rw = [\"%workdir\"]\nexec = [\"%workdir/x\"]", "can be written to and"),
        ("rw = [\"/srv/../etc\"]", "not usable"),
        ("ro = [\"etc\"]", "not usable"),
        ("ro = [\"x%workdir\"]", "not usable"),
        ("ro = [\"/srv/%workdir\"]", "only at its start"),
        ("ro = [\"%workdirx\"]", "not usable"),
        ("ro = [\"%workdir/../x\"]", "not usable"),
        ("ro = [\"/tmp/x\"]", "everybody can write"),
        ("capabilities = [\"CAP_SYS_ADMIN\"]", "acts on the whole host"),
        ("capabilities = [\"CAP_NET_RAWW\"]", "did you mean \"CAP_NET_RAW\"?"),
        ("settable_env.LD_PRELOAD = { type = \"text\" }", "must not set LD_PRELOAD"),
        ("settable_env.PATH = { type = \"text\" }", "must not set PATH"),
        ("settable_env.https_proxy = { type = \"text\" }", "must not set https_proxy"),
        ("settable_env.PYTHONPATH = { type = \"text\" }", "must not set PYTHONPATH"),
        ("env = { A = \"1\" }\nsettable_env.A = { type = \"bool\" }", "settable as well"),
        ("env = { \"A=B\" = \"1\" }", "no name of a variable"),
        ("limits = { wall_s = 6000 }", "over the default"),
        ("limits = { wall_s = 6000, allow_raise = [\"wall\"] }", "did you mean \"wall_s\"?"),
        ("limits = { memory = \"64Q\" }", "plain decimal digits"),
        ("limits = { grace_s = 601, allow_raise = [\"grace_s\"] }", "at most 600"),
        ("rw = [\"/var/log\"]", "must not be written to"),
        ("network = { connect_tcp = [] }", "needs ports"),
        ("network = { connect_tcp = [443] }", "only from ABI 4"),
        ("network = \"all\"", "no network is called"),
        ("stdin = \"open\"", "no stdin is called"),
        ("cwd = \"relative\"", "not usable"),
        ("i_know = \"yes\"", "gives no reason"),
    ] {
        let text = refusal(&[&with(lines)]);
        assert!(text.contains(part), "{part} is missing for {lines}:\n{text}");
    }
}

#[test]
fn what_a_reviewer_should_see_is_a_warning() {
    for (lines, part) in [
        ("limits = { wall_s = 6000, allow_raise = [\"wall_s\"] }", "more than an hour"),
        ("capabilities = [\"CAP_NET_RAW\"]", "keeps CAP_NET_RAW"),
        ("ro = [\"/etc\"]", "/etc lets the command read /etc/gshadow"),
        ("ro = [\"/home/x\"]", "lets the command read /home"),
        (
            "positional = { name = \"n\", min = 0, match = { type = \"path\", beneath = \"/srv\" } }",
            "takes /srv, which it cannot read",
        ),
        ("env = { LD_LIBRARY_PATH = \"/srv\" }", "changes what is loaded"),
    ] {
        let text = warnings(&with(lines));
        assert!(text.contains(part), "{part} is missing for {lines}:\n{text}");
    }
    let bare = "version = 1\n[command.x]\npath = \"/usr/bin/true\"\n";
    let text = warnings(bare);
    assert!(text.contains("lacks an example") && text.contains("what it is for"), "{text}");
    let sort = "version = 1\n[command.x]\npath = \"/usr/bin/sort\"\nflags = [\"--compress-program=gzip\"]\n";
    assert!(warnings(sort).contains("sort --compress-program=gzip is dangerous"));
}

#[test]
fn a_shell_or_interpreter_is_not_told_freely_what_to_run() {
    let find = |more: &str| format!("version = 1\n[command.x]\npath = \"/usr/bin/find\"\n{more}\n");
    let free = "options.\"-name\" = { type = \"text\" }";
    assert!(refusal(&[&find(free)]).contains("runs what it is told"));
    assert!(refusal(&[&find("sub.a.positional = { name = \"n\", match = { type = \"regex\", pattern = \"[a-z]+\" } }")])
        .contains("and n can be nearly anything"));
    assert!(parse_all(&[&find("flags = [\"-ls\"]")]).is_ok());
    let known = format!("i_know = \"its -exec is not in the grammar\"\n{free}");
    assert!(parse_all(&[&find(&known)]).is_ok());
}

#[test]
fn a_program_is_an_elf_file_that_only_trusted_users_can_change() {
    let path = |path: &str| with("").replace("/usr/bin/true", path);
    assert!(refusal(&[&path("/usr/bin")]).contains("no regular file"));
    assert!(refusal(&[&path("/etc/passwd")]).contains("no ELF program"));
    assert!(refusal(&[&path("/usr/bin/../bin/true")]).contains("\"..\""));
    let dir = trusted_dir();
    let setuid = dir.path().join("setuid");
    std::fs::copy("/usr/bin/true", &setuid).unwrap();
    std::fs::set_permissions(&setuid, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/usr/bin/true", &link).unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let shown = script.to_str().unwrap();
    let trust = Trust::user(rustix::process::getuid().as_raw());
    let file = |text: String| [SourceFile { name: "x.toml".to_owned(), text }];
    for (program, part) in [(&setuid, "setuid"), (&link, "the file is /usr/bin/true")] {
        let text = path(program.to_str().unwrap());
        assert!(parse(&file(text), &trust).unwrap_err().to_string().contains(part), "{part}");
    }
    let text = parse(&file(path(shown)), &trust).unwrap_err().to_string();
    assert!(text.contains("is a script") && text.contains("interpreter ="), "{text}");
}

#[test]
fn a_program_that_others_can_write_is_refused() {
    let dir = trusted_dir();
    let trust = Trust::user(rustix::process::getuid().as_raw());
    let program = dir.path().join("program");
    std::fs::copy("/usr/bin/true", &program).unwrap();
    let text = with("").replace("/usr/bin/true", program.to_str().unwrap());
    let files = [SourceFile { name: "x.toml".to_owned(), text }];
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&program, 0o755);
    mode(dir.path(), 0o755);
    assert!(parse(&files, &trust).is_ok());
    mode(&program, 0o775);
    assert!(parse(&files, &trust).unwrap_err().to_string().contains("can be written"));
    let beside = with(&format!("exec = [\"{}\"]", program.display()));
    let text = parse(&[SourceFile { name: "x.toml".to_owned(), text: beside }], &trust);
    assert!(text.unwrap_err().to_string().contains("x may execute"));
    mode(&program, 0o755);
    mode(dir.path(), 0o777);
    assert!(parse(&files, &trust).unwrap_err().to_string().contains("can be written"));
}

#[test]
fn a_missing_program_is_a_warning_and_its_rule_denies() {
    let text = with("").replace("/usr/bin/true", "/usr/bin/no-such-program");
    let loaded = parse_all(&[&text]).unwrap();
    assert!(loaded.warnings.to_string().contains("is not installed here"));
    assert!(loaded.policy.commands().all(|command| command.unavailable.is_some()));
    let Decision::Deny(denial) = decide(&loaded.policy, &request("x", &[]), "/w", NOW) else {
        panic!("a program that is not there was permitted")
    };
    assert!(denial.reason.contains("not installed") && denial.rule.is_some(), "{denial:?}");
}

#[test]
fn a_script_runs_under_its_interpreter_and_may_be_read() {
    let dir = trusted_dir();
    let script = dir.path().join("tool.pl");
    std::fs::write(&script, "#!/usr/bin/perl\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o644)).unwrap();
    let shown = script.to_str().unwrap();
    let text = with("interpreter = \"/usr/bin/true\"\nprefix = [\"-q\"]")
        .replace("path = \"/usr/bin/true\"", &format!("path = \"{shown}\""));
    let trust = Trust::user(rustix::process::getuid().as_raw());
    let files = [SourceFile { name: "x.toml".to_owned(), text }];
    let loaded = parse(&files, &trust).map_err(|r| r.to_string()).unwrap();
    let Decision::Permit(plan) = decide(&loaded.policy, &request(shown, &[]), "/w", NOW) else {
        panic!("the script was denied")
    };
    assert_eq!(plan.program.to_str(), Some("/usr/bin/true"));
    assert_eq!(plan.argv, ["true", shown, "-q"]);
    assert!(plan.confinement.ro.contains(&script));
}

#[test]
fn the_work_directory_replaces_the_policys_words_and_nothing_else() {
    let text = with(
        "prefix = [\"%workdir/a\"]\nsuffix = [\"x%workdir\"]\nenv = { HOME = \"%workdir\" }\nrw = [\"%workdir\", \"/dev/null\"]\npositional = { name = \"n\", min = 0, match = { type = \"text\" } }",
    );
    let loaded = parse_all(&[&text]).map_err(|r| r.to_string()).unwrap();
    let words = ["%workdir".to_owned()];
    let Decision::Permit(plan) = decide(&loaded.policy, &request("x", &words), "/w/7", NOW) else {
        panic!("this was denied")
    };
    assert_eq!(plan.argv, ["true", "/w/7/a", "%workdir", "x/w/7"]);
    assert_eq!(plan.cwd.to_str(), Some("/w/7"));
    assert!(plan.env.contains(&("HOME".to_owned(), "/w/7".to_owned())));
    assert!(plan.confinement.rw.contains(&"/w/7".into()));
    assert_eq!(plan.confinement.network, Network::None);
    assert!(plan.confinement.capabilities.is_empty());
}

#[test]
fn the_caller_can_only_shorten_the_time() {
    let policy = parse_all(&[&with("limits = { wall_s = 10 }")]).unwrap().policy;
    let wall = |timeout_ms| {
        let mut request = request("x", &[]);
        request.timeout_ms = timeout_ms;
        match decide(&policy, &request, "/w", NOW) {
            Decision::Permit(plan) => plan.limits.wall.as_millis(),
            Decision::Deny(denial) => panic!("{denial:?}"),
        }
    };
    assert_eq!([None, Some(0), Some(500), Some(99_999)].map(wall), [10_000, 1, 500, 10_000]);
}

#[test]
fn profiles_add_up_and_rings_are_told() {
    let base = "[profile.a]\nro = [\"/usr/lib\"]\nenv = { A = \"1\", B = \"1\" }\n[profile.b]\nextends = \"a\"\nro = [\"/proc\"]\nenv = { B = \"2\" }\n";
    let text = format!("{}{base}", with("profile = \"b\"\nro = [\"/srv\"]\nenv = { C = \"3\" }"));
    let loaded = parse_all(&[&text]).map_err(|r| r.to_string()).unwrap();
    let Decision::Permit(plan) = decide(&loaded.policy, &request("x", &[]), "/w", NOW) else {
        panic!("this was denied")
    };
    assert_eq!(plan.confinement.ro, ["/proc", "/srv", "/usr/lib"].map(std::path::PathBuf::from));
    for pair in [("A", "1"), ("B", "2"), ("C", "3")] {
        assert!(plan.env.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?}");
    }
    let ring = format!("{}[profile.a]\nextends = \"b\"\n[profile.b]\nextends = \"a\"\n", with(""));
    assert!(refusal(&[&ring]).contains("extend each other"));
    let gap = format!("{}[profile.a]\nextends = \"b\"\n[profile.b]\nextends = \"c\"\n", with(""));
    let text = refusal(&[&gap]);
    assert!(text.contains("no profile is called \"c\"") && !text.contains("each other"), "{text}");
}

#[test]
fn a_path_finds_its_rule_unless_several_run_it() {
    let other = GOOD.replace("[command.x]", "[command.y]").replace("command.x.", "command.y.");
    let find = |texts: &[&str]| {
        let policy = parse_all(texts).unwrap().policy;
        decide(&policy, &request("/usr/bin/true", &[]), "/w", NOW)
    };
    assert!(matches!(find(&[GOOD]), Decision::Permit(_)));
    let Decision::Deny(denial) = find(&[GOOD, &other]) else { panic!("which of them?") };
    assert!(denial.reason.contains("one of x, y"), "{denial:?}");
}

#[test]
fn the_digest_is_of_names_and_texts() {
    let sha = |texts: &[&str]| parse_all(texts).unwrap().policy.sha256;
    assert_eq!(sha(&[GOOD]), sha(&[GOOD]));
    assert_ne!(sha(&[GOOD]), sha(&[&format!("{GOOD}\n")]));
    assert_ne!(sha(&[GOOD]), sha(&["version = 1\n", GOOD]));
}

#[test]
fn ports_are_granted_where_landlock_holds_them() {
    let text = with("network = { connect_tcp = [443] }\n[require]\nlandlock_abi = 4");
    let policy = parse_all(&[&text]).map_err(|r| r.to_string()).unwrap().policy;
    let Decision::Permit(plan) = decide(&policy, &request("x", &[]), "/w", NOW) else {
        panic!("this was denied")
    };
    assert_eq!(plan.confinement.network, Network::Connect(vec![443]));
}

#[test]
fn the_highest_landlock_abi_of_all_files_is_required() {
    let abi = |n: i64| format!("version = 1\n[require]\nlandlock_abi = {n}\n");
    assert_eq!(parse_all(&[GOOD]).unwrap().policy.landlock_abi, 1);
    assert_eq!(parse_all(&[&abi(6), GOOD, &abi(2)]).unwrap().policy.landlock_abi, 6);
    for n in [0, 10, -1] {
        assert!(refusal(&[GOOD, &abi(n)]).contains("no such Landlock ABI"));
    }
}

#[test]
fn a_request_over_the_limits_of_the_wire_is_denied_here_too() {
    let text = with(
        "positional = { name = \"n\", max = 64, match = { type = \"text\", max_len = 4096 } }",
    );
    let policy = parse_all(&[&text.replace("allow = []", "allow = [\"a\"]")]).unwrap().policy;
    let judge = |n| decide(&policy, &request("x", &vec!["a".repeat(4_096); n]), "/w", NOW);
    assert!(matches!(judge(8), Decision::Permit(_)));
    let Decision::Deny(denial) = judge(9) else { panic!("36 KiB were permitted") };
    assert!(denial.reason.contains("over the limit"), "{denial:?}");
}

#[test]
fn a_variable_is_set_once_and_replaces_the_default() {
    let text = with("settable_env.TZ = { type = \"enum\", values = [\"UTC\", \"CET\"] }");
    let policy =
        parse_all(&[&format!("{text}\n[defaults]\nenv = {{ TZ = \"UTC\" }}")]).unwrap().policy;
    let var = |value: &str| proto::EnvVar {
        name: proto::Text::new("TZ").unwrap(),
        value: proto::Text::new(value).unwrap(),
    };
    let mut request = request("x", &[]);
    request.env = proto::List::new(vec![var("CET")]).unwrap();
    let Decision::Permit(plan) = decide(&policy, &request, "/w", NOW) else {
        panic!("this was denied")
    };
    assert_eq!(plan.env, [("TZ".to_owned(), "CET".to_owned())]);
    request.env = proto::List::new(vec![var("CET"), var("UTC")]).unwrap();
    let Decision::Deny(denial) = decide(&policy, &request, "/w", NOW) else { panic!("set twice") };
    assert!(denial.reason.contains("TZ is set twice"), "{denial:?}");
}
