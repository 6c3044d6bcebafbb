//! What the runner says of itself: its layers and its commands, for the log and for the demo.

use proto::{About, CommandInfo, Reply, Request};
use tokio::time::timeout;

use super::client::{RunError, Runner, receive};
use crate::limits;

impl Runner {
    /// Asks the runner what it is and what it may run.
    pub async fn describe(&self) -> Result<(About, Vec<CommandInfo>), RunError> {
        let described = timeout(limits::RUNNER_DESCRIBE, self.ask()).await;
        described.unwrap_or(Err(RunError::Silent))
    }

    async fn ask(&self) -> Result<(About, Vec<CommandInfo>), RunError> {
        let (mut sender, mut receiver) = self.connect().await?;
        if let Err(error) = sender.send(&Request::Describe).await {
            // The runner may have answered before it closed: read on.
            tracing::debug!(%error, "cannot send to the runner");
        }
        let mut about = None;
        let mut commands = Vec::new();
        loop {
            match receive(&mut receiver).await? {
                Some(Reply::About(found)) => about = Some(found),
                Some(Reply::Command(command)) if commands.len() < limits::RUNNER_COMMANDS => {
                    commands.push(command);
                }
                Some(Reply::End) => {
                    let about = about.ok_or(RunError::Unexpected("end"))?;
                    return Ok((about, commands));
                }
                Some(Reply::Busy(after_ms)) => return Err(RunError::Busy(after_ms)),
                Some(Reply::Failed(failure)) => return Err(RunError::Failed(failure)),
                Some(Reply::Denied(denial)) => return Err(RunError::Denied(denial)),
                Some(Reply::Command(_)) => return Err(RunError::Unexpected("command")),
                Some(Reply::Started(_)) => return Err(RunError::Unexpected("started")),
                Some(Reply::Gap(..)) => return Err(RunError::Unexpected("gap")),
                Some(Reply::Output(..)) => return Err(RunError::Unexpected("output")),
                Some(Reply::Exit(_)) => return Err(RunError::Unexpected("exit")),
                None if about.is_some() => return Err(RunError::HungUp),
                None => return Err(RunError::Refused(None)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::bounded::Text;
    use proto::{DenyCode, List};

    use super::*;
    use crate::exec::client::tests::peer;

    fn command() -> CommandInfo {
        CommandInfo {
            name: Text::new("date").unwrap(),
            path: Text::new("/bin/date").unwrap(),
            aliases: List::default(),
            about: Text::new("Says the time.").unwrap(),
            unavailable: None,
        }
    }

    #[tokio::test]
    async fn a_description_without_an_end_is_not_kept() {
        let peer = peer(|mut sender, mut receiver| async move {
            assert_eq!(receiver.receive().await.unwrap(), Some(Request::Describe));
            // Until the other side has enough of it.
            while sender.send(&Reply::Command(command())).await.is_ok() {}
        });
        assert!(matches!(peer.runner.describe().await, Err(RunError::Unexpected("command"))));
        peer.done().await;
    }

    #[tokio::test]
    async fn a_description_is_the_runner_and_all_its_commands() {
        let about = About {
            version: Text::new("1.2.3").unwrap(),
            policy_sha256: [7; 32],
            layers: List::default(),
            missing: List::default(),
        };
        let replies = vec![
            Reply::About(about.clone()),
            Reply::Command(command()),
            Reply::Command(command()),
            Reply::End,
        ];
        let peer = peer(move |mut sender, mut receiver| async move {
            assert_eq!(receiver.receive().await.unwrap(), Some(Request::Describe));
            for reply in replies {
                sender.send(&reply).await.unwrap();
            }
        });
        let described = peer.runner.describe().await.unwrap();
        assert_eq!(described, (about, vec![command(), command()]));
        peer.done().await;
    }

    #[tokio::test]
    async fn a_runner_that_hangs_up_at_once_has_refused() {
        let peer = peer(|_, _| async {});
        assert!(matches!(peer.runner.describe().await, Err(RunError::Refused(None))));
        peer.done().await;
    }

    #[tokio::test]
    async fn an_answer_to_another_question_is_an_error() {
        let denial = proto::Denial {
            code: DenyCode::Principal,
            rule: None,
            argument: None,
            reason: Text::clipped("no"),
        };
        for (reply, refused) in [(Reply::Denied(denial), true), (Reply::End, false)] {
            let peer = peer(move |mut sender, _receiver| async move {
                sender.send(&reply).await.unwrap();
            });
            let error = peer.runner.describe().await.unwrap_err();
            assert_eq!(matches!(error, RunError::Denied(_)), refused, "{error}");
            peer.done().await;
        }
    }
}
