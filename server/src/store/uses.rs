//! When tokens were last used. Requests note it in memory; from there it goes to the disk in one
//! change a minute, and once more at the end.

use std::error::Error;

use redb::ReadableTable;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::error::WriteError;
use super::open::Store;
use super::tables::{self, StoredToken, TOKENS};
use crate::limits;

impl Store {
    /// Keeps the uses that were noted since the last time. Gives how many tokens they were of.
    pub async fn keep_uses(&self) -> Result<usize, WriteError> {
        let uses = self.tokens().unkept_uses();
        if uses.is_empty() {
            return Ok(0);
        }
        let kept = uses.clone();
        self.writer
            .write(move |change| {
                let mut tokens = change.transaction.open_table(TOKENS)?;
                for (hash, at) in uses {
                    let key = hash.0.as_slice();
                    // A token that was revoked meanwhile stays revoked.
                    let found = tokens
                        .get(key)?
                        .map(|value| tables::decode::<StoredToken>("a token", value.value()));
                    if let Some(mut token) = found.transpose()? {
                        token.last_used_at = token.last_used_at.max(Some(at));
                        tokens.insert(key, tables::encode(&token)?.as_slice())?;
                    }
                }
                Ok(Ok(()))
            })
            .await?;
        self.tokens().note_kept(&kept);
        Ok(kept.len())
    }

    /// Calls [`Store::keep_uses`] every [`limits::LAST_USED_FLUSH`] until `stop`, and then once
    /// more. It must end before [`Store::close`].
    pub async fn keep_uses_until(&self, stop: CancellationToken) {
        let mut minute = time::interval(limits::LAST_USED_FLUSH);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                _ = minute.tick() => false,
            };
            if let Err(error) = self.keep_uses().await {
                let cause: &dyn Error = &error;
                tracing::warn!(cause, "cannot keep when tokens were last used");
            }
            if stopped {
                return;
            }
        }
    }
}
