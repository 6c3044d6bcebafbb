//! A front end that is not what it should be.

use proto::{Reply, Request, Status};
use tokio_seqpacket::UnixSeqpacket;

use crate::bench::{Bench, block_on, collect, execute};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let anywhere = cases![Nothing:
        garbage_is_answered_audited_and_harmless,
        an_oversized_datagram_is_refused,
        a_second_request_ends_the_run,
        stdin_before_a_request_is_refused,
        too_many_bytes_of_arguments_are_refused,
        a_description_lists_commands_and_layers,
        many_connections_that_say_nothing_do_not_stop_others,
        a_connection_that_says_nothing_is_ended,
    ];
    let root = cases![Root: a_user_that_is_not_allowed_gets_nothing];
    anywhere.into_iter().chain(root).collect()
}

async fn raw(bench: &Bench) -> UnixSeqpacket {
    UnixSeqpacket::connect(&bench.socket).await.unwrap()
}

/// Sends bytes and returns the failure that comes back.
fn failure_of(bench: &Bench, bytes: &[u8]) -> proto::Failure {
    block_on(async {
        let socket = raw(bench).await;
        socket.send(bytes).await.unwrap();
        let (_, mut replies) = proto::channel::<Request, Reply>(socket);
        match replies.receive().await.unwrap() {
            Some(Reply::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        }
    })
}

fn still_serves(bench: &Bench) {
    assert_eq!(bench.run("attacker", &["exit", "0"]).exit().status, Status::Code(0));
}

fn garbage_is_answered_audited_and_harmless() {
    let bench = Bench::start();
    for garbage in [
        &b"GET / HTTP/1.1"[..],
        b"MF\x01\x00\xff",
        b"MF\x09\x00\x00",
        b"MF\x01\x00\x03\x00",
        b"MF\x01\x00\x02\xfd\x00\x00\x00\x00\x00\x00\x00\x10",
    ] {
        let failure = failure_of(&bench, garbage);
        assert_eq!(failure.step.as_str(), "request");
        assert!(failure.reason.contains("broke the protocol"), "{}", failure.reason);
    }
    let events = bench.audit();
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| event["event"] == "malformed"));
    still_serves(&bench);
}

fn an_oversized_datagram_is_refused() {
    let bench = Bench::start();
    let failure = failure_of(&bench, &vec![0; 70_000]);
    assert!(failure.reason.contains("65536"), "{}", failure.reason);
    still_serves(&bench);
}

fn a_second_request_ends_the_run() {
    let bench = Bench::start();
    block_on(async {
        let (mut sender, receiver) = bench.connect().await;
        sender.send(&Request::Execute(execute("attacker", &["sleep", "600"]))).await.unwrap();
        sender.send(&Request::Execute(execute("attacker", &["sleep", "600"]))).await.unwrap();
        assert_eq!(collect(receiver).await.exit().ended, proto::Ended::Cancelled);
    });
    still_serves(&bench);
}

fn stdin_before_a_request_is_refused() {
    let bench = Bench::start();
    let failure = failure_of(&bench, b"MF\x01\x00\x02\x00");
    assert!(failure.reason.contains("first message"), "{}", failure.reason);
}

fn too_many_bytes_of_arguments_are_refused() {
    let bench = Bench::start();
    let long = "x".repeat(4_000);
    let run = bench.run("attacker", &[long.as_str(); 9]);
    assert!(matches!(run.last, Reply::Failed(_)), "{run:?}");
    still_serves(&bench);
}

fn a_description_lists_commands_and_layers() {
    let bench = Bench::start();
    block_on(async {
        let (mut sender, mut receiver) = bench.connect().await;
        sender.send(&Request::Describe).await.unwrap();
        let Some(Reply::About(about)) = receiver.receive().await.unwrap() else { panic!("about") };
        assert!(about.layers.iter().any(|layer| layer.contains("landlock")));
        let mut names = Vec::new();
        while let Some(Reply::Command(command)) = receiver.receive().await.unwrap() {
            names.push(command.name.as_str().to_owned());
        }
        assert_eq!(names, ["attacker", "net", "raw"]);
    });
}

fn many_connections_that_say_nothing_do_not_stop_others() {
    let bench = Bench::start();
    block_on(async {
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(raw(&bench).await);
        }
        let (mut sender, receiver) = bench.connect().await;
        sender.send(&Request::Execute(execute("attacker", &["exit", "0"]))).await.unwrap();
        assert_eq!(collect(receiver).await.exit().status, Status::Code(0));
    });
}

fn a_connection_that_says_nothing_is_ended() {
    let bench = Bench::start();
    block_on(async {
        let (_, mut replies) = proto::channel::<Request, Reply>(raw(&bench).await);
        let end = tokio::time::timeout(std::time::Duration::from_secs(20), replies.receive());
        assert!(matches!(end.await, Ok(Ok(None))));
    });
}

fn a_user_that_is_not_allowed_gets_nothing() {
    use std::os::unix::process::CommandExt;
    let bench = Bench::start();
    // Open the way to the socket, so that only the check of the peer is left.
    let open = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(bench.socket.parent().unwrap(), 0o755);
    open(&bench.socket, 0o666);
    let attacker = bench.dir.path().join("attacker");
    let output = std::process::Command::new(attacker)
        .args(["seqpacket", bench.socket.to_str().unwrap()])
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok connected, then closed");
    assert!(bench.audit().is_empty());
    still_serves(&bench);
}
