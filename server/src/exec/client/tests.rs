use proto::{DenyCode, Ended, Status, StreamReport, Usage};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_seqpacket::UnixSeqpacketListener;

use super::*;
use crate::model::caller::UserId;

/// The protocol's other end, on a real socket.
pub(crate) struct Peer {
    pub(crate) runner: Runner,
    task: JoinHandle<()>,
    dir: TempDir,
}

impl Peer {
    /// Whether the peer's own script went through.
    pub(crate) async fn done(self) {
        self.task.await.unwrap();
        drop(self.dir);
    }
}

/// Listens, takes one connection and plays `script` on it.
pub(crate) fn peer<F, Script>(script: Script) -> Peer
where
    Script: FnOnce(Sender<Reply>, Receiver<Request>) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runner.sock");
    let mut listener = UnixSeqpacketListener::bind(&path).unwrap();
    let task = tokio::spawn(async move {
        let (sender, receiver) = proto::channel(listener.accept().await.unwrap());
        script(sender, receiver).await;
    });
    Peer { runner: Runner::new(path), task, dir }
}

fn invocation() -> Invocation {
    Invocation {
        key: "date".into(),
        args: vec!["-u".into(), "+%s".into()],
        env: vec![("LANG".into(), "C".into())],
        cwd: Some("/tmp".into()),
        stdin: None,
        timeout: Duration::from_secs(9),
        show_stdout: true,
        show_stderr: true,
    }
}

fn caller() -> Caller {
    Caller::LOCAL
}

pub(crate) fn started() -> Started {
    let argv = List::new(vec![Text::new("date").unwrap()]).unwrap();
    Started { rule: Text::new("date").unwrap(), argv }
}

pub(crate) fn exit(ended: Ended) -> Exit {
    Exit {
        status: Status::Code(0),
        ended,
        duration_ms: 3,
        stdout: StreamReport::default(),
        stderr: StreamReport::default(),
        usage: Usage::default(),
    }
}

pub(crate) fn out(stream: Stream, bytes: &[u8]) -> Reply {
    Reply::Output(stream, Blob::new(bytes.to_vec()).unwrap())
}

async fn run(peer: &Peer, invocation: Invocation) -> Result<Run, RunError> {
    peer.runner.run(&caller(), invocation, &CancellationToken::new()).await
}

#[tokio::test]
async fn a_run_carries_the_request_and_brings_back_both_streams() {
    let peer = peer(|mut sender, mut receiver| async move {
        let Some(Request::Execute(asked)) = receiver.receive().await.unwrap() else {
            panic!("not an execution");
        };
        assert_ne!(asked.run, RunId([0; 16]));
        assert_eq!(asked.principal.as_str(), UserId::LOCAL.to_string());
        assert_eq!(asked.command.as_str(), "date");
        assert_eq!(asked.args.iter().map(Text::as_str).collect::<Vec<_>>(), ["-u", "+%s"]);
        assert_eq!(asked.env[0].name.as_str(), "LANG");
        assert_eq!(asked.cwd.unwrap().as_str(), "/tmp");
        assert_eq!((asked.stdin, asked.timeout_ms), (StdinMode::Closed, Some(9_000)));
        for reply in [
            Reply::Started(started()),
            out(Stream::Stdout, b"one "),
            out(Stream::Stderr, b"two"),
            out(Stream::Stdout, b"three"),
            Reply::Exit(exit(Ended::Itself)),
        ] {
            sender.send(&reply).await.unwrap();
        }
    });
    let run = run(&peer, invocation()).await.unwrap();
    assert_eq!((run.stdout.head(), run.stderr.head()), (&b"one three"[..], &b"two"[..]));
    assert_eq!((run.started, run.exit), (started(), exit(Ended::Itself)));
    peer.done().await;
}

#[tokio::test]
async fn stdin_larger_than_the_sockets_queue_flows_while_output_comes() {
    let text = "0123456789".repeat(100_000);
    let expected = text.clone();
    let peer = peer(|mut sender, mut receiver| async move {
        assert!(matches!(receiver.receive().await.unwrap(), Some(Request::Execute(_))));
        sender.send(&Reply::Started(started())).await.unwrap();
        let mut got = Vec::new();
        while let Some(Request::Stdin(piece)) = receiver.receive().await.unwrap() {
            if piece.is_empty() {
                break;
            }
            got.extend_from_slice(&piece);
            sender.send(&out(Stream::Stdout, &piece)).await.unwrap();
        }
        assert!(got == expected.as_bytes());
        sender.send(&Reply::Exit(exit(Ended::Itself))).await.unwrap();
    });
    let asked = Invocation { stdin: Some(text.clone()), ..invocation() };
    let run = run(&peer, asked).await.unwrap();
    let (head, tail) = (run.stdout.head(), run.stdout.tail());
    assert_eq!(head.len() + tail.len(), limits::RUN_OUTPUT, "the rest is dropped, not kept");
    assert!(text.as_bytes().starts_with(head));
    assert!(text.as_bytes().ends_with(tail));
    assert_eq!(usize::try_from(run.stdout.dropped()).unwrap(), text.len() - limits::RUN_OUTPUT);
    peer.done().await;
}

#[tokio::test]
async fn the_end_is_heard_though_the_runner_closed_with_stdin_unread() {
    let peer = peer(|mut sender, mut receiver| async move {
        assert!(matches!(receiver.receive().await.unwrap(), Some(Request::Execute(_))));
        sender.send(&Reply::Started(started())).await.unwrap();
        // A piece is in our queue when we close: the other side sees a reset.
        assert!(matches!(receiver.receive().await.unwrap(), Some(Request::Stdin(_))));
        sender.send(&Reply::Exit(exit(Ended::Itself))).await.unwrap();
    });
    let asked = Invocation { stdin: Some("x".repeat(2_000_000)), ..invocation() };
    assert_eq!(run(&peer, asked).await.unwrap().exit, exit(Ended::Itself));
    peer.done().await;
}

#[tokio::test]
async fn cancelling_says_so_and_waits_for_the_end() {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let peer = peer(|mut sender, mut receiver| async move {
        assert!(matches!(receiver.receive().await.unwrap(), Some(Request::Execute(_))));
        sender.send(&Reply::Started(started())).await.unwrap();
        sender.send(&out(Stream::Stdout, b"partial")).await.unwrap();
        stop.cancel();
        assert_eq!(receiver.receive().await.unwrap(), Some(Request::Cancel));
        sender.send(&Reply::Exit(exit(Ended::Cancelled))).await.unwrap();
    });
    let run = peer.runner.run(&caller(), invocation(), &cancel).await.unwrap();
    assert_eq!(run.exit.ended, Ended::Cancelled);
    assert_eq!(run.stdout.head(), b"partial");
    peer.done().await;
}

#[tokio::test]
async fn dropping_the_future_hangs_up() {
    let (say, heard) = tokio::sync::oneshot::channel();
    let peer = peer(|_sender, mut receiver| async move {
        assert!(matches!(receiver.receive().await.unwrap(), Some(Request::Execute(_))));
        say.send(()).unwrap();
        assert_eq!(receiver.receive().await.unwrap(), None);
    });
    tokio::select! {
        end = run(&peer, invocation()) => panic!("ended: {end:?}"),
        heard = heard => heard.unwrap(),
    }
    peer.done().await;
}

#[tokio::test]
async fn each_refusal_keeps_what_the_runner_said() {
    let denial = Denial {
        code: DenyCode::Argument,
        rule: Some(Text::new("date").unwrap()),
        argument: Some(1),
        reason: Text::new("not allowed").unwrap(),
    };
    let failure =
        Failure { step: Text::new("landlock").unwrap(), reason: Text::new("no").unwrap() };
    for reply in [
        Reply::Denied(denial.clone()),
        Reply::Busy(250),
        Reply::Failed(failure.clone()),
        Reply::Exit(exit(Ended::Itself)),
        Reply::End,
    ] {
        let sent = reply.clone();
        let peer = peer(|mut sender, mut receiver| async move {
            receiver.receive().await.unwrap();
            sender.send(&sent).await.unwrap();
        });
        let error = run(&peer, invocation()).await.unwrap_err();
        assert!(
            match (&error, &reply) {
                (RunError::Denied(got), _) => *got == denial,
                (RunError::Busy(ms), _) => *ms == 250,
                (RunError::Failed(got), _) => *got == failure,
                (RunError::Unexpected(what), Reply::Exit(_)) => *what == "exit",
                (RunError::Unexpected(what), Reply::End) => *what == "end",
                _ => false,
            },
            "{error:?}"
        );
        peer.done().await;
    }
}

#[tokio::test]
async fn a_failure_after_the_start_does_not_say_that_nothing_ran() {
    let failure = Failure { step: Text::new("audit").unwrap(), reason: Text::new("full").unwrap() };
    let sent = failure.clone();
    let peer = peer(|mut sender, mut receiver| async move {
        receiver.receive().await.unwrap();
        sender.send(&Reply::Started(started())).await.unwrap();
        sender.send(&Reply::Failed(sent)).await.unwrap();
    });
    let error = run(&peer, invocation()).await.unwrap_err();
    assert!(error.to_string().contains("after the command had started"), "{error}");
    assert!(matches!(error, RunError::Unfinished(got) if got == failure));
    peer.done().await;
}

#[tokio::test]
async fn hanging_up_is_told_apart_before_and_during_a_run() {
    let before = peer(|_sender, mut receiver| async move {
        receiver.receive().await.unwrap();
    });
    assert!(matches!(run(&before, invocation()).await, Err(RunError::Refused(None))));
    let during = peer(|mut sender, mut receiver| async move {
        receiver.receive().await.unwrap();
        sender.send(&Reply::Started(started())).await.unwrap();
    });
    assert!(matches!(run(&during, invocation()).await, Err(RunError::HungUp)));
}

#[tokio::test]
async fn without_a_runner_the_text_says_how_to_start_it() {
    let dir = tempfile::tempdir().unwrap();
    let runner = Runner::new(dir.path().join("nobody.sock"));
    let error = runner.run(&caller(), invocation(), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, RunError::NotThere(_)));
    assert!(error.to_string().contains("`mcpfusion-runner serve`"), "{error}");
    assert!(!error.to_string().contains("nobody.sock"), "{error}");
}

#[tokio::test]
async fn a_runner_that_never_reports_is_given_up_when_the_wait_is_over() {
    for cancelled in [false, true] {
        let peer = peer(|_sender, mut receiver| async move {
            while receiver.receive().await.unwrap().is_some() {}
        });
        let (soon, never) = (Duration::from_millis(20), Duration::from_hours(1));
        let waits = Waits {
            end: if cancelled { never } else { soon },
            cancel: if cancelled { soon } else { never },
        };
        let cancel = CancellationToken::new();
        let asked = requests(&caller(), invocation()).unwrap();
        let run = peer.runner.run_within(waits, asked, &cancel);
        let end = async {
            if cancelled {
                // Not before the connection: that is another case.
                tokio::task::yield_now().await;
                cancel.cancel();
            }
        };
        let (end, ()) = tokio::join!(run, end);
        match end {
            Err(RunError::Silent) => assert!(!cancelled),
            Err(RunError::Cancelled) => assert!(cancelled),
            other => panic!("{other:?}"),
        }
        drop(peer);
    }
}

#[test]
fn what_is_over_a_bound_of_the_wire_is_named() {
    let refused = |change: fn(&mut Invocation)| {
        let mut asked = invocation();
        change(&mut asked);
        requests(&caller(), asked).unwrap_err().to_string()
    };
    for (text, part) in [
        (refused(|i| i.args = vec!["x".repeat(5_000)]), "an argument cannot be sent"),
        (refused(|i| i.args = vec!["a\0b".into()]), "holds a NUL byte"),
        (refused(|i| i.args = vec![String::new(); 65]), "the list of arguments"),
        (refused(|i| i.args = vec!["x".repeat(4_000); 9]), "the command line"),
        (refused(|i| i.env = vec![("x".repeat(257), String::new())]), "a variable's name"),
        (refused(|i| i.key = "\0".into()), "the command"),
        (refused(|i| i.cwd = Some("/".repeat(5_000))), "the working directory"),
    ] {
        assert!(text.contains(part), "{text}");
    }
}
