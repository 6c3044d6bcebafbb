//! One connection: who is it, what does it ask, and its one run. What a connection may send is
//! decided here, state by state; anything else ends it.

use std::sync::Arc;
use std::time::Duration;

use proto::{
    About, ChannelError, CommandInfo, Name, Reason, Receiver, Reply, Request, Sender, StdinMode,
    Text, VERSION,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_seqpacket::UnixSeqpacket;

use crate::audit::Peer;
use crate::requests::Requests;
use crate::run::{malformed, not_understood, run};
use crate::runner::Runner;

/// For the first message to come.
const FIRST_MESSAGE: Duration = Duration::from_secs(5);
/// For a peer to read the last message, or a whole description.
const LAST_MESSAGE: Duration = Duration::from_secs(10);
/// Messages between the socket and the run, each way. Each is at most one datagram.
const QUEUE: usize = 4;

/// Serves one connection to its end.
pub async fn serve(runner: Arc<Runner>, socket: UnixSeqpacket, peer: Peer) {
    let (mut sender, mut receiver) = proto::channel::<Reply, Request>(socket);
    let first = timeout(FIRST_MESSAGE, receiver.receive()).await;
    let reply = match first {
        // Nothing came: there is nobody to answer.
        Err(_) | Ok(Ok(None)) => return,
        Ok(Ok(Some(Request::Describe))) => {
            match timeout(LAST_MESSAGE, describe(&runner, &mut sender)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the peer left in the middle of a description");
                }
                Err(_elapsed) => tracing::warn!("the peer does not read its description"),
            }
            return;
        }
        Ok(Ok(Some(Request::Execute(execute)))) => match execute.check_total() {
            Ok(()) => return run_between(&runner, peer, execute, sender, receiver).await,
            Err(error) => not_understood(format_args!("arguments and environment: {error}")),
        },
        Ok(Ok(Some(Request::Stdin(_) | Request::Cancel))) => {
            not_understood("the first message must be `execute` or `describe`")
        }
        Ok(Err(error)) => not_understood(explain(&error)),
    };
    if let Reply::Failed(failure) = &reply {
        malformed(&runner, peer, &failure.reason).await;
    }
    timeout(LAST_MESSAGE, sender.send(&reply)).await.ok();
}

/// Runs between two tasks' queues: one reads the socket, one writes it, so that a peer that does not
/// read holds up nobody but itself.
async fn run_between(
    runner: &Arc<Runner>,
    peer: Peer,
    execute: proto::Execute,
    mut sender: Sender<Reply>,
    mut receiver: Receiver<Request>,
) {
    let (reply_queue, mut to_send) = mpsc::channel::<Reply>(QUEUE);
    let (to_run, request_queue) = mpsc::channel::<Request>(QUEUE);
    let takes_stdin = execute.stdin == StdinMode::Piped;
    let mut writer = tokio::spawn(async move {
        while let Some(reply) = to_send.recv().await {
            if sender.send(&reply).await.is_err() {
                return;
            }
        }
    });
    let reader_runner = Arc::clone(runner);
    let reader = tokio::spawn(async move {
        // When this ends, the run sees the peer as gone.
        loop {
            match receiver.receive().await {
                Ok(Some(request @ Request::Stdin(_))) if takes_stdin => {
                    if to_run.send(request).await.is_err() {
                        return;
                    }
                }
                Ok(Some(Request::Cancel)) => {
                    if to_run.send(Request::Cancel).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Ok(Some(_)) => {
                    return malformed(&reader_runner, peer, "a message out of turn").await;
                }
                Err(error) => return malformed(&reader_runner, peer, &explain(&error)).await,
            }
        }
    });
    let last = run(runner, peer, &execute, &reply_queue, Requests::new(request_queue)).await;
    let told = async {
        reply_queue.send(last).await.ok();
        drop(reply_queue);
        (&mut writer).await.ok();
    };
    if timeout(LAST_MESSAGE, told).await.is_err() {
        tracing::warn!(run = %execute.run, "the peer does not read");
        // Left alone it would hold the connection for as long as the peer likes.
        writer.abort();
    }
    reader.abort();
}

async fn describe(runner: &Runner, sender: &mut Sender<Reply>) -> Result<(), ChannelError> {
    let policy = runner.policy();
    let layers = runner.host.layers().into_iter().map(Name::clipped).collect();
    let missing = runner.host.missing.iter().map(Reason::clipped).collect();
    sender
        .send(&Reply::About(About {
            version: Text::clipped(env!("CARGO_PKG_VERSION")),
            policy_sha256: policy.sha256,
            layers: proto::List::new(layers).unwrap_or_default(),
            missing: proto::List::new(missing).unwrap_or_default(),
        }))
        .await?;
    for command in policy.commands() {
        let aliases = command.aliases.iter().map(Text::clipped).collect();
        let info = CommandInfo {
            name: Text::clipped(command.name),
            path: Text::clipped(command.path),
            aliases: proto::List::new(aliases).unwrap_or_default(),
            about: Text::clipped(command.about),
            unavailable: command.unavailable.map(Text::clipped),
        };
        sender.send(&Reply::Command(info)).await?;
    }
    sender.send(&Reply::End).await
}

fn explain(error: &ChannelError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{} (this runner speaks version {VERSION})", cause.unwrap_or_default())
}
