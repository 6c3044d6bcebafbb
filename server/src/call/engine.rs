//! The one way to call a tool: find it, decide, check the arguments, execute, record. Each step
//! needs what the one before it made, so none can be left out.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::args::ValidArgs;
use crate::access::decide::{Permit, decide};
use crate::catalog::{Catalog, Entry};
use crate::model::caller::{Caller, UserId};
use crate::model::outcome::Outcome;
use crate::model::tool::Action;
use crate::{api, exec};

/// Calls tools of the catalog that is in force.
#[derive(Debug)]
pub struct Engine {
    catalog: ArcSwap<Catalog>,
    api: api::client::Client,
    runner: exec::client::Runner,
}

/// No tool has the name that was called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no tool of this name{}", hint(.nearest.as_deref()))]
pub struct UnknownTool {
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

impl Engine {
    /// An engine for the tools of `catalog`.
    pub fn new(catalog: Catalog, api: api::client::Client, runner: exec::client::Runner) -> Self {
        Self { catalog: ArcSwap::from_pointee(catalog), api, runner }
    }

    /// The catalog that is in force. It stays whole while it is held, whatever replaces it.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Puts `catalog` in force. Calls that run finish on the one that they began with.
    pub fn replace(&self, catalog: Catalog) {
        self.catalog.store(Arc::new(catalog));
    }

    /// Calls one tool. That it fails is an outcome; `cancel`, or dropping the future, ends it.
    pub async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        arguments: Map<String, Value>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, UnknownTool> {
        let catalog = self.catalog();
        let Some(entry) = catalog.find(tool) else {
            let nearest = catalog.nearest(tool).map(str::to_owned);
            tracing::info!(user = %caller.user, nearest, "call of an unknown tool");
            return Err(UnknownTool { nearest });
        };
        let mut record = Record::begin(caller, entry);
        let (end, outcome) = match decide(caller, entry) {
            Ok(permit) => match ValidArgs::check(permit.entry(), arguments) {
                Ok(args) => ("executed", self.execute(&permit, &args, cancel).await),
                Err(error) => ("arguments", not_executed(entry, "arguments", &error)),
            },
            Err(refusal) => ("refused", not_executed(entry, "refused", &refusal)),
        };
        record.end = match end {
            "executed" if cancel.is_cancelled() => "cancelled",
            "executed" if outcome.is_error => "failed",
            "executed" => "ok",
            other => other,
        };
        Ok(outcome)
    }

    async fn execute(
        &self,
        permit: &Permit<'_>,
        args: &ValidArgs,
        cancel: &CancellationToken,
    ) -> Outcome {
        match &permit.entry().tool.action {
            Action::Api(endpoint) => tokio::select! {
                biased;
                () = cancel.cancelled() => Outcome::failure("the call was cancelled"),
                outcome = api::call(&self.api, endpoint, args) => outcome,
            },
            // It listens to `cancel` itself: the command's end must still be heard.
            Action::Command(command) => {
                exec::call(&self.runner, permit.caller(), command, args, cancel).await
            }
        }
    }
}

fn not_executed(entry: &Entry, class: &str, error: &dyn std::error::Error) -> Outcome {
    match entry.tool.action {
        Action::Api(_) => Outcome::failure(error.to_string()),
        Action::Command(_) => exec::result::not_run(class, &error.to_string(), None),
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The one line that a call leaves in the log, also when the client went away in its middle.
/// It has no argument: an argument may be a secret.
struct Record<'a> {
    tool: &'a str,
    user: UserId,
    began: Instant,
    end: &'static str,
}

impl<'a> Record<'a> {
    fn begin(caller: &Caller, entry: &'a Entry) -> Self {
        let tool = entry.tool.name.as_str();
        Self { tool, user: caller.user, began: Instant::now(), end: "dropped" }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(tool = self.tool, user = %self.user, outcome = self.end, ms, "call");
    }
}

#[cfg(test)]
mod tests;
