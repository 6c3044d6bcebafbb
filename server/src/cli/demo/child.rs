//! One of the demo's two programs. It holds the other end of the child's stdin: whatever ends the
//! demo, even a KILL, ends that pipe, and the child with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep};

/// For a child to end by itself once its stdin has.
const STOP: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running program.
#[derive(Debug)]
pub(super) struct Child {
    /// For people.
    pub(super) name: &'static str,
    process: std::process::Child,
}

impl Child {
    /// Starts it, as the user `uid` if there is one.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[OsString],
        uid: Option<u32>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // A group of its own: Ctrl-C reaches the demo, which ends its programs in order.
        command.process_group(0);
        command.env("MCP_FUSION_LOG", "warn");
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        Ok(Self { name, process: command.spawn()? })
    }

    /// The first address of the line that `serve --announce` prints; `None` if it ended instead.
    pub(super) async fn announced(&mut self) -> io::Result<Option<String>> {
        #[derive(Deserialize)]
        struct Announced {
            listen: Vec<String>,
        }
        let Some(stdout) = self.process.stdout.take() else { return Ok(None) };
        let mut line = String::new();
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?;
        BufReader::new(stdout).read_line(&mut line).await?;
        let announced = serde_json::from_str::<Announced>(&line).ok();
        Ok(announced.and_then(|announced| announced.listen.into_iter().next()))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.process.try_wait().ok()??;
        Some(format!("{} ended ({status})", self.name))
    }

    /// Ends it and waits for that.
    pub(super) async fn stop(&mut self) {
        drop(self.process.stdin.take());
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.ended().is_some() {
                return;
            }
            sleep(LOOK_AGAIN).await;
        }
        self.kill();
    }

    fn kill(&mut self) {
        // It may have ended by now.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}
