//! Command tools: arguments become an invocation, the runner is asked, its answer becomes an
//! outcome. Nothing here starts a program or names a file to execute.

pub mod client;
pub mod describe;
pub mod invocation;
pub mod kept;
pub mod readable;
pub mod result;

use tokio_util::sync::CancellationToken;

use crate::call::args::ValidArgs;
use crate::model::caller::Caller;
use crate::model::command::Command;
use crate::model::outcome::Outcome;

/// Runs one command tool to its end.
pub async fn call(
    runner: &client::Runner,
    caller: &Caller,
    command: &Command,
    args: &ValidArgs,
    cancel: &CancellationToken,
) -> Outcome {
    let invocation = match invocation::Invocation::build(command, args) {
        Ok(invocation) => invocation,
        Err(error) => return result::not_run("arguments", &error.to_string(), None),
    };
    let show = result::Show { stdout: invocation.show_stdout, stderr: invocation.show_stderr };
    match runner.run(caller, invocation, cancel).await {
        Ok(run) => result::finished(&run, show),
        Err(error) => result::failed(&error),
    }
}
