//! How calls end when they do not end by themselves, and what is left of them: nothing.

use std::io::Read;
use std::time::Instant;

use serde_json::json;

use crate::bench::{Bench, add_token, eventually, lives, runs_with, unique_name, unique_number};
use crate::http::{Client, receive};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        a_killed_server_leaves_no_process_of_its_runs_and_the_runner_serves_the_next,
        a_killed_server_forgets_no_token_that_was_acknowledged,
        hanging_up_on_the_stateless_wire_ends_the_command,
        hanging_up_on_the_session_wire_does_not,
        a_cancelled_notification_ends_the_command_of_its_session,
        another_users_session_cannot_cancel_it,
        a_stopped_server_ends_what_runs,
    ]
    .into()
}

fn a_killed_server_leaves_no_process_of_its_runs_and_the_runner_serves_the_next() {
    let mut bench = Bench::start();
    let (daemon, seconds) = (unique_name(), unique_number().to_string());
    // Its command line inside the host's /proc: the words, each with a NUL behind it.
    let sleeper = format!("\0sleep\0{seconds}");
    let calls = [vec!["daemon-wait", &daemon], vec!["sleep", &seconds]].map(|words| {
        let call = json!({"name": "command_attack", "arguments": {"words": words}});
        bench.client().send_modern("tools/call", call)
    });
    eventually("both run", || lives(&daemon) && runs_with(&sleeper));
    bench.kill_server();
    eventually("none runs", || !lives(&daemon) && !runs_with(&sleeper));
    eventually("both ends are recorded", || bench.audit("exit").len() == 2);
    for mut call in calls {
        let mut answer = Vec::new();
        call.read_to_end(&mut answer).ok();
        assert!(answer.is_empty(), "a killed server answered");
    }
    bench.start_server();
    assert_eq!(bench.client().attack(&["exit", "0"])["isError"], false);
}

fn a_killed_server_forgets_no_token_that_was_acknowledged() {
    const ROUNDS: usize = 3;
    const PER_ROUND: usize = 6;
    let mut bench = Bench::without_runner();
    let state = bench.state();
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        let (tell, told) = std::sync::mpsc::channel();
        let adders: Vec<_> = (0..2)
            .map(|_| {
                let (state, tell) = (state.clone(), tell.clone());
                std::thread::spawn(move || {
                    // Without a server one more goes to the store itself, and counts as well.
                    while let Ok((token, _)) = add_token(&state) {
                        if tell.send(token).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        acknowledged.extend(told.iter().take(PER_ROUND));
        bench.kill_server();
        acknowledged.extend(told.try_iter());
        drop(told);
        for adder in adders {
            adder.join().unwrap();
        }
        bench.start_server();
        assert!(acknowledged.len() >= round * PER_ROUND);
    }
    for token in &acknowledged {
        assert!(Client { at: &bench.at, token }.is_let_in(), "a token is lost");
    }
    assert!(bench.client().is_let_in());
}

fn hanging_up_on_the_stateless_wire_ends_the_command() {
    let bench = Bench::start();
    let daemon = unique_name();
    let call = json!({"name": "command_attack", "arguments": {"words": ["daemon-wait", daemon]}});
    let stream = bench.client().send_modern("tools/call", call);
    eventually("it runs", || lives(&daemon));
    drop(stream);
    assert_eq!(bench.end_of_the_run(), "cancelled");
    assert!(!lives(&daemon));
}

fn hanging_up_on_the_session_wire_does_not() {
    let bench = Bench::start();
    let session = bench.client().session();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "command_nap", "arguments": {}}});
    let stream = session.send("POST", &call.to_string());
    eventually("it runs", || !bench.audit("start").is_empty());
    drop(stream);
    // It ends by its timeout, as if somebody waited for it.
    assert_eq!(bench.end_of_the_run(), "timeout");
}

fn a_cancelled_notification_ends_the_command_of_its_session() {
    let bench = Bench::start();
    let session = bench.client().session();
    let daemon = unique_name();
    let call = json!({"jsonrpc": "2.0", "id": "the call", "method": "tools/call",
        "params": {"name": "command_attack", "arguments": {"words": ["daemon-wait", daemon]}}});
    let stream = session.send("POST", &call.to_string());
    eventually("it runs", || lives(&daemon));
    let cancel = |id: &str| {
        let params = json!({"requestId": id, "reason": "enough"});
        session
            .post(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
    };
    assert_eq!(cancel("another call").status, 202);
    assert!(lives(&daemon));
    assert_eq!(cancel("the call").status, 202);
    assert_eq!(bench.end_of_the_run(), "cancelled");
    assert!(!lives(&daemon));
    let result = receive(stream).result();
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result["structuredContent"]["cancelled"], true, "{result}");
}

fn another_users_session_cannot_cancel_it() {
    let bench = Bench::start();
    let session = bench.client().session();
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": "command_nap", "arguments": {}}});
    let stream = session.send("POST", &call.to_string());
    eventually("it runs", || !bench.audit("start").is_empty());
    let (token, _) = bench.add_token();
    let other = Client { at: &bench.at, token: &token };
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 7}});
    assert_eq!(other.session().post(&cancel).status, 202);
    let mut stolen = session.clone();
    stolen.client = other;
    assert_eq!(stolen.post(&cancel).status, 404);
    assert_eq!(receive(stream).result()["structuredContent"]["timed_out"], true);
}

fn a_stopped_server_ends_what_runs() {
    let mut bench = Bench::start();
    let daemon = unique_name();
    let call = json!({"name": "command_attack", "arguments": {"words": ["daemon-wait", daemon]}});
    let stream = bench.client().send_modern("tools/call", call);
    eventually("it runs", || lives(&daemon));
    let began_at = Instant::now();
    assert_eq!(bench.stop_server(), Some(0), "{}", bench.log());
    assert!(began_at.elapsed().as_secs() < 15);
    assert_eq!(bench.end_of_the_run(), "cancelled");
    assert!(!lives(&daemon));
    drop(stream);
}
