//! Who is let in: tokens that come and go while the server runs, and the order of the judgements.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::bench::{Bench, SERVER, Said, copy_program, directory, run};
use crate::http::{Client, request};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let root = cases![Root: the_admin_socket_answers_no_other_user_even_where_modes_let_it_in];
    let anywhere = cases![Nothing:
        a_token_works_as_soon_as_it_is_added_and_no_longer_once_revoked,
        a_revoked_token_ends_its_sessions_too,
        sessions_of_two_users_do_not_mix,
        without_a_token_nothing_else_is_judged,
        a_foreign_host_or_origin_is_refused_before_the_token,
        health_needs_no_token_and_the_rest_tells_nothing,
    ];
    anywhere.into_iter().chain(root).collect()
}

fn the_admin_socket_answers_no_other_user_even_where_modes_let_it_in() {
    let bench = Bench::without_runner();
    let state = bench.state();
    let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    open(Path::new(&state), 0o755);
    open(&Path::new(&state).join("admin.sock"), 0o666);
    // A build directory may be out of another user's reach; a copy is not.
    let place = directory();
    let program = copy_program(Path::new(SERVER), place.path());
    let status_as = |uid| -> Said {
        let mut command = Command::new(&program);
        command.args(["status", "--db-dir", &state]).env_clear().uid(uid).gid(uid);
        command.output().unwrap().into()
    };
    assert_eq!(status_as(0).code, Some(0));
    let said = status_as(65_534);
    assert!(said.code != Some(0) && said.stdout.is_empty(), "{said:?}");
    assert!(bench.client().is_let_in());
}

fn revoke(bench: &Bench, hash: &str) {
    let said = run(&["token", "revoke", "--yes", "--db-dir", &bench.state(), hash]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn a_token_works_as_soon_as_it_is_added_and_no_longer_once_revoked() {
    let bench = Bench::without_runner();
    let (token, hash) = bench.add_token();
    let client = Client { at: &bench.at, token: &token };
    assert!(client.is_let_in());
    revoke(&bench, &hash);
    assert!(!client.is_let_in());
    assert!(bench.client().is_let_in(), "the other one stays");
    let said = run(&["token", "list", "--db-dir", &bench.state()]);
    assert!(!said.stdout.contains(&hash) && !said.stdout.contains(&token), "{said:?}");
}

fn a_revoked_token_ends_its_sessions_too() {
    let bench = Bench::without_runner();
    let (token, hash) = bench.add_token();
    let session = Client { at: &bench.at, token: &token }.session();
    assert_eq!(session.ask(1, "ping", &json!({})).status, 200);
    revoke(&bench, &hash);
    let answer = session.ask(2, "ping", &json!({}));
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("WWW-Authenticate"), Some(r#"Bearer error="invalid_token""#));
}

fn sessions_of_two_users_do_not_mix() {
    let bench = Bench::without_runner();
    let (token, _) = bench.add_token();
    let (anna, ben) = (bench.client(), Client { at: &bench.at, token: &token });
    let (of_anna, of_ben) = (anna.session(), ben.session());
    assert_ne!(of_anna.id, of_ben.id);
    let mut stolen = of_anna.clone();
    stolen.client = ben;
    assert_eq!(stolen.ask(1, "ping", &json!({})).status, 404);
    assert_eq!(stolen.ask(2, "tools/list", &json!({})).status, 404);
    assert_eq!(stolen.delete().status, 404);
    assert_eq!(of_anna.ask(3, "ping", &json!({})).status, 200);
    assert_eq!(of_ben.delete().status, 204);
    assert_eq!(of_anna.ask(4, "ping", &json!({})).status, 200);
}

fn without_a_token_nothing_else_is_judged() {
    let bench = Bench::without_runner();
    // Everything else about these is wrong as well.
    for method in ["POST", "GET", "DELETE", "PUT"] {
        let answer = request(&bench.at, method, "/mcp", &[("Content-Type", "text/plain")], "{");
        assert_eq!(answer.status, 401, "{method}: {answer:?}");
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
    }
    let longer = format!("Bearer {}x", bench.token);
    let twice = format!("Bearer {0} {0}", bench.token);
    let basic = format!("Basic {}", bench.token);
    for sent in ["Bearer wrong", "Bearer ", "Bearer", &bench.token, &longer, &twice, &basic] {
        let answer = request(&bench.at, "POST", "/mcp", &[("Authorization", sent)], "{");
        assert_eq!(answer.status, 401, "{sent}: {answer:?}");
        let challenge = answer.header("WWW-Authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "{sent}: {challenge}");
        assert!(!answer.body.contains(&bench.token));
    }
}

fn a_foreign_host_or_origin_is_refused_before_the_token() {
    let bench = Bench::without_runner();
    let bearer = format!("Bearer {}", bench.token);
    for foreign in [
        ("Host", "evil.example"),
        ("Host", "evil.example:8888"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        for path in ["/mcp", "/health", "/"] {
            let answer = request(&bench.at, "POST", path, &[foreign], "{");
            assert_eq!(answer.status, 403, "{foreign:?} {path}: {answer:?}");
        }
        let headers = [foreign, ("Authorization", bearer.as_str())];
        assert_eq!(request(&bench.at, "POST", "/mcp", &headers, "{").status, 403);
    }
    let own = format!("http://{}", bench.at);
    for ours in [("Origin", own.as_str()), ("Origin", "http://localhost"), ("Host", "localhost")] {
        assert_eq!(request(&bench.at, "POST", "/mcp", &[ours], "{").status, 401);
    }
}

fn health_needs_no_token_and_the_rest_tells_nothing() {
    let bench = Bench::without_runner();
    let health = request(&bench.at, "GET", "/health", &[], "");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    assert_eq!(request(&bench.at, "GET", "/etc/passwd", &[], "").status, 404);
    assert_eq!(request(&bench.at, "GET", "/../etc/passwd", &[], "").status, 404);
    assert_eq!(request(&bench.at, "GET", "/mcp/", &[], "").status, 404);
}
