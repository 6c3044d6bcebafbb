//! The one writer. Changes queue for it; it takes all that wait, runs them in one transaction,
//! makes one durable commit, publishes the changed tokens and only then answers. A commit costs
//! one fsync whatever its size, so many callers share it.

use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};

use redb::{Database, DatabaseError, Durability, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::error::{Refusal, WriteError};
use crate::auth::table::{self, Tokens};
use crate::limits;

/// The database, until it is closed.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<RwLock<Option<Database>>>);

impl Shared {
    /// The database for a moment: `None` in it once the store is closed.
    pub(super) fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Database> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a change works on. It checks before it writes: a change that is refused must have written
/// nothing, since its transaction is committed with those of others.
pub(super) struct Change<'a> {
    /// The transaction.
    pub(super) transaction: &'a WriteTransaction,
    /// What becomes of tokens, for the table in memory.
    pub(super) tokens: &'a mut Vec<table::Change>,
}

/// What a change comes to: a storage error dooms the whole commit, a refusal only the change.
pub(super) type Verdict<T> = Result<Result<T, Refusal>, redb::Error>;

enum Message {
    Close(oneshot::Sender<Result<(), DatabaseError>>),
    Write(Box<dyn Job>),
}

/// A change and whoever waits for it, without its types.
trait Job: Send {
    fn run(&mut self, on: &mut Change<'_>) -> Result<(), redb::Error>;
    fn answer(self: Box<Self>, committed: Result<(), WriteError>);
}

struct Pending<F, T> {
    change: Option<F>,
    verdict: Option<Result<T, Refusal>>,
    sender: oneshot::Sender<Result<T, WriteError>>,
}

impl<F, T> Job for Pending<F, T>
where
    F: FnOnce(&mut Change<'_>) -> Verdict<T> + Send,
    T: Send,
{
    fn run(&mut self, on: &mut Change<'_>) -> Result<(), redb::Error> {
        if let Some(change) = self.change.take() {
            self.verdict = Some(change(on)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), WriteError>) {
        let result = match (committed, self.verdict) {
            (Ok(()), Some(verdict)) => verdict.map_err(WriteError::Refused),
            (Ok(()), None) => Err(WriteError::Closed),
            (Err(error), _) => Err(error),
        };
        // Whoever asked may have gone; the change is made all the same.
        drop(self.sender.send(result));
    }
}

/// The queue to the writer's thread. Dropping it waits until the thread has done what was queued.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; from now on nobody else writes to the database.
    pub(super) fn start(
        database: Database,
        tokens: Arc<Tokens>,
    ) -> Result<(Self, Shared), std::io::Error> {
        let shared = Shared(Arc::new(RwLock::new(Some(database))));
        let (queue, messages) = mpsc::channel(limits::STORE_QUEUE);
        let work = Work { shared: shared.clone(), tokens, poisoned: false };
        let thread =
            thread::Builder::new().name("store-writer".to_owned()).spawn(|| work.run(messages))?;
        Ok((Self { queue: Some(queue), thread: Some(thread) }, shared))
    }

    /// Makes a change and returns once it is on the disk. If the future is dropped, the change may
    /// still be made.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Verdict<T> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (sender, answered) = oneshot::channel();
        let job = Pending { change: Some(change), verdict: None, sender };
        self.send(Message::Write(Box::new(job))).await?;
        answered.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Commits what is queued and closes the database; whatever comes later is refused.
    pub(super) async fn close(&self) -> Result<(), CloseError> {
        let (sender, closed) = oneshot::channel();
        if self.send(Message::Close(sender)).await.is_err() {
            return Ok(());
        }
        match closed.await {
            Ok(result) => result.map_err(|source| CloseError { source: Box::new(source) }),
            Err(_already_closed) => Ok(()),
        }
    }

    async fn send(&self, message: Message) -> Result<(), WriteError> {
        let queue = self.queue.as_ref().ok_or(WriteError::Closed)?;
        queue.send(message).await.map_err(|_no_writer| WriteError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the store's writer had died");
        }
    }
}

/// The database did not close cleanly. What was acknowledged is on the disk all the same.
#[derive(Debug, thiserror::Error)]
#[error("cannot close the store cleanly")]
pub struct CloseError {
    source: Box<DatabaseError>,
}

struct Work {
    shared: Shared,
    tokens: Arc<Tokens>,
    poisoned: bool,
}

impl Work {
    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut taken = Vec::new();
        while messages.blocking_recv_many(&mut taken, limits::STORE_BATCH) > 0 {
            let (mut jobs, mut closers) = (Vec::new(), Vec::new());
            for message in taken.drain(..) {
                match message {
                    Message::Close(closer) => closers.push(closer),
                    Message::Write(job) => jobs.push(job),
                }
            }
            self.commit(jobs);
            if let Some(closer) = closers.pop() {
                let closed = self.shared.take().map_or(Ok(()), Database::close);
                drop(closer.send(closed));
                return;
            }
        }
    }

    /// One transaction for all jobs, and an answer to each.
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let result =
            if self.poisoned { Err(WriteError::Poisoned) } else { self.transact(&mut jobs) };
        for job in jobs {
            job.answer(result.clone());
        }
    }

    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), WriteError> {
        match self.make_durable(jobs) {
            Ok(tokens) => {
                if !tokens.is_empty() {
                    self.tokens.publish(tokens);
                }
                Ok(())
            }
            Err(error) => {
                let cause: &dyn Error = &error;
                tracing::error!(cause, "a commit failed; the store takes no more writes");
                self.poisoned = true;
                Err(WriteError::Commit { source: Arc::new(error) })
            }
        }
    }

    fn make_durable(&self, jobs: &mut [Box<dyn Job>]) -> Result<Vec<table::Change>, redb::Error> {
        let guard = self.shared.database();
        let database = guard.as_ref().ok_or(redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut tokens = Vec::new();
        let mut change = Change { transaction: &transaction, tokens: &mut tokens };
        for job in jobs {
            job.run(&mut change)?;
        }
        transaction.commit()?;
        Ok(tokens)
    }
}
