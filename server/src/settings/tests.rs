use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const NO_FLAGS: Flags = Flags {
    config: None,
    db_dir: None,
    listen: None,
    log: None,
    allowed_hosts: None,
    runner: None,
    port: None,
    callers: Callers::Authenticated,
};

fn text(text: &str) -> String {
    text.to_owned()
}

fn find(flags: &Flags, env: &[(&str, &str)], file: &str) -> Result<Settings, Vec<String>> {
    let env: HashMap<_, _> = [("HOME", "/home/ann")].iter().chain(env).copied().collect();
    let file = EnvFile::parse(Path::new("/etc/mcpfusion/env"), file).unwrap();
    let host = Host {
        env: &|name| env.get(name).map(|&value| value.to_owned()),
        env_file: Some(&file),
        holds_store: &|_| false,
        is_writable: &|_| false,
        is_root: false,
    };
    settings(flags, &host).map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn with_nothing_said_it_listens_on_loopback_with_tokens() {
    assert_eq!(
        find(&NO_FLAGS, &[], "").unwrap(),
        Settings {
            callers: Callers::Authenticated,
            configs: vec![],
            db_dir: "/home/ann/.local/state/mcpfusion".into(),
            listen: vec!["127.0.0.1:8888".parse().unwrap()],
            log: "info".to_owned(),
            allowed_hosts: vec![],
            runner: "/run/mcpfusion/runner.sock".into(),
        }
    );
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let runner = |flags: &Flags, env: &[_], file| find(flags, env, file).unwrap().runner;
    let flags = Flags { runner: Some(text("/flag")), ..NO_FLAGS };
    let (env, file) = ([("MCP_FUSION_RUNNER", "/env")], "MCP_FUSION_RUNNER=/file");
    assert_eq!(runner(&flags, &env, file), Path::new("/flag"));
    assert_eq!(runner(&NO_FLAGS, &env, file), Path::new("/env"));
    assert_eq!(runner(&NO_FLAGS, &[], file), Path::new("/file"));
    let emptied = [("MCP_FUSION_RUNNER", "")];
    assert_eq!(runner(&NO_FLAGS, &emptied, file), Path::new(DEFAULT_RUNNER));
}

#[test]
fn every_setting_has_its_variable() {
    let env = [
        ("MCP_FUSION_CONFIG", "a.json"),
        ("MCP_FUSION_DB_DIR", "/state"),
        ("MCP_FUSION_LISTEN", "[::1]:1"),
        ("MCP_FUSION_LOG", "server=debug,warn"),
        ("MCP_FUSION_ALLOWED_HOSTS", "mcp.example.com, mcp"),
        ("MCP_FUSION_RUNNER", "/run/r"),
    ];
    let expected = Settings {
        callers: Callers::Authenticated,
        configs: vec!["a.json".into()],
        db_dir: "/state".into(),
        listen: vec!["[::1]:1".parse().unwrap()],
        log: "server=debug,warn".to_owned(),
        allowed_hosts: vec!["mcp.example.com".to_owned(), "mcp".to_owned()],
        runner: "/run/r".into(),
    };
    assert_eq!(find(&NO_FLAGS, &env, "").unwrap(), expected);
    let lines = env.map(|(name, value)| format!("{name}={value}"));
    assert_eq!(find(&NO_FLAGS, &[], &lines.join("\n")).unwrap(), expected);
}

#[test]
fn config_lists_are_trimmed_and_the_plural_beats_the_singular() {
    let one = ("MCP_FUSION_CONFIG", "one.json");
    let both = [one, ("MCP_FUSION_CONFIGS", " a.json ,, b.json,")];
    let configs = |flags: &Flags, env: &[_]| find(flags, env, "").unwrap().configs;
    assert_eq!(configs(&NO_FLAGS, &both), ["a.json", "b.json"].map(PathBuf::from));
    assert_eq!(configs(&NO_FLAGS, &[one]), ["one.json"].map(PathBuf::from));
    let flags = Flags { config: Some(text("flag.json")), ..NO_FLAGS };
    assert_eq!(configs(&flags, &both), ["flag.json"].map(PathBuf::from));
}

#[test]
fn the_port_flag_is_only_for_the_default_address() {
    let flags = Flags { port: Some(9), ..NO_FLAGS };
    let listen = |env: &[_]| find(&flags, env, "").unwrap().listen[0].to_string();
    assert_eq!(listen(&[]), "127.0.0.1:9");
    assert_eq!(listen(&[("MCP_FUSION_LISTEN", "0.0.0.0:7")]), "0.0.0.0:7");
}

#[test]
fn addresses_are_taken_in_the_forms_that_people_write() {
    for (text, expected) in [
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("[::]:80", "[::]:80"),
        ("localhost:80", "127.0.0.1:80"),
        (":80", "0.0.0.0:80"),
    ] {
        assert_eq!(address(text), Some(expected.parse().unwrap()), "{text}");
    }
    for wrong in
        ["", "80", "10.0.0.1", "::1:80", "host:80", ":", ":+80", ":65536", "http://[::1]:80"]
    {
        assert_eq!(address(wrong), None, "{wrong}");
    }
}

#[test]
fn no_auth_is_refused_unless_every_address_is_loopback() {
    let everyone = Flags { callers: Callers::Everyone, ..NO_FLAGS };
    assert!(find(&everyone, &[], "").is_ok());
    assert!(
        find(&everyone, &[("MCP_FUSION_LISTEN", "127.0.0.2:1,[::1]:1,localhost:1")], "").is_ok()
    );
    for open in ["0.0.0.0:1", ":1", "[::]:1", "192.0.2.1:1", "127.0.0.1:1,192.0.2.1:1"] {
        let refused = find(&everyone, &[("MCP_FUSION_LISTEN", open)], "").unwrap_err();
        assert!(refused[0].contains("--no-auth works on loopback"), "{open}: {refused:?}");
    }
    assert_eq!(
        find(&everyone, &[("MCP_FUSION_LISTEN", "0.0.0.0:1, 192.0.2.1:1")], "").unwrap_err().len(),
        2
    );
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let flags = Flags { config: Some(text(" , ")), ..NO_FLAGS };
    let env = [("MCP_FUSION_LISTEN", "nowhere, 127.0.0.1:1"), ("HOME", "")];
    assert_eq!(
        find(&flags, &env, "A=1\nMCP_FUSION_LOG=a=b=c").unwrap_err(),
        [
            "--config: the list has nothing in it",
            "MCP_FUSION_DB_DIR: there is no home directory to keep state in; say where with \
             --db-dir",
            "MCP_FUSION_LISTEN: \"nowhere\" is no address to listen on; write IP:PORT, \
             [IPv6]:PORT, localhost:PORT or :PORT",
            "/etc/mcpfusion/env:2: MCP_FUSION_LOG: \"a=b=c\" is no log filter; write a level, or \
             target=level, separated by commas",
        ]
    );
}

#[test]
fn state_is_kept_where_an_installation_keeps_it() {
    let db_dir = |held: &[&str], writable: &[&str], is_root, env: &[(&str, &str)]| {
        let env: HashMap<_, _> = env.iter().copied().collect();
        let host = Host {
            env: &|name| env.get(name).map(|&value| value.to_owned()),
            env_file: None,
            holds_store: &|dir| held.iter().any(|known| Path::new(known) == dir),
            is_writable: &|dir| writable.iter().any(|known| Path::new(known) == dir),
            is_root,
        };
        settings(&NO_FLAGS, &host).unwrap().db_dir
    };
    let home = ("HOME", "/home/ann");
    let both = ["/opt/mcpfusion", "/var/lib/mcpfusion"];
    let [original, ours] = both.map(Path::new);
    assert_eq!(db_dir(&[], &both, false, &[home]), original);
    assert_eq!(db_dir(&[], &both[1..], false, &[home]), ours);
    assert_eq!(db_dir(&both[1..], &both, false, &[home]), ours);
    assert_eq!(db_dir(&[], &both, true, &[home]), ours);
    assert_eq!(db_dir(&both[..1], &both, true, &[home]), original);
    let own = Path::new("/home/ann/.local/state/mcpfusion");
    assert_eq!(db_dir(&[], &[], false, &[home]), own);
    let xdg = ("XDG_STATE_HOME", "/xdg");
    assert_eq!(db_dir(&[], &[], false, &[home, xdg]), Path::new("/xdg/mcpfusion"));
    let relative = ("XDG_STATE_HOME", "xdg");
    assert_eq!(db_dir(&[], &[], false, &[home, relative]), own);
}

#[test]
fn a_config_reads_variables_of_the_process_before_those_of_the_file() {
    let file = EnvFile::parse(Path::new("env"), "A=file\nB=file\nC=file").unwrap();
    let env = |name: &str| match name {
        "A" => Some(text("process")),
        "B" => Some(text("")),
        _ => None,
    };
    let host = Host {
        env: &env,
        env_file: Some(&file),
        holds_store: &|_| false,
        is_writable: &|_| false,
        is_root: false,
    };
    assert_eq!(host.variable("A"), Some(text("process")));
    assert_eq!(host.variable("B"), Some(text("")));
    assert_eq!(host.variable("C"), Some(text("file")));
    assert_eq!(host.variable("D"), None);
}

proptest! {
    #[test]
    fn any_value_is_judged_and_no_auth_never_listens_beyond_the_host(listen in "\\PC{0,40}") {
        let everyone = Flags { callers: Callers::Everyone, listen: Some(listen), ..NO_FLAGS };
        if let Ok(settings) = find(&everyone, &[], "") {
            prop_assert!(settings.listen.iter().all(|address| address.ip().is_loopback()));
            prop_assert!(!settings.listen.is_empty());
        }
    }
}
