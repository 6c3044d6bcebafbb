// STAND-IN
//! One tool call.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::model::caller::Caller;
use crate::model::outcome::Outcome;

/// Runs tools.
#[derive(Debug)]
pub struct Engine {
    /// What is listed.
    pub catalog: Arc<Catalog>,
    /// Gets a permit when `slow` starts.
    pub started: Semaphore,
    /// Gets a permit when `slow` ends, cancelled or dropped.
    pub ended: Arc<Semaphore>,
}

/// There is no such tool.
#[derive(Debug)]
pub struct UnknownTool {
    /// The tool that was perhaps meant.
    pub nearest: Option<String>,
}

struct Ends(Arc<Semaphore>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Engine {
    /// Calls a tool.
    pub async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        arguments: Map<String, Value>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, UnknownTool> {
        match tool {
            "echo" => Ok(Outcome {
                text: format!("{} {}", caller.user, Value::Object(arguments.clone())),
                structured: Some(Value::Object(arguments)),
                is_error: false,
            }),
            "slow" => {
                let ends = Ends(Arc::clone(&self.ended));
                self.started.add_permits(1);
                cancel.cancelled().await;
                drop(ends);
                Ok(Outcome::failure("the call was cancelled"))
            }
            "fails" => Ok(Outcome::failure("the upstream answered 500")),
            _ => Err(UnknownTool { nearest: Some("echo".into()) }),
        }
    }

    /// What is offered now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }
}
