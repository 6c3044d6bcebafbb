//! Opening the store: which schema it has, who else holds it, and which tokens it knows.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};
use tokio::time::{Instant, sleep};

use super::error::ReadError;
use super::state_dir::{self, FILE};
use super::tables::{self, SCHEMA, StoredToken, TOKENS};
use super::writer::{CloseError, Shared, Writer};
use crate::auth::table::{Change, Tokens};
use crate::clock::Clock;
use crate::limits;

/// Between two looks at a store that is held.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Users and tokens on disk, and the valid tokens in memory.
#[derive(Debug)]
pub struct Store {
    pub(super) writer: Writer,
    pub(super) clock: Clock,
    shared: Shared,
    tokens: Arc<Tokens>,
}

/// The store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database itself refused.
    #[error("cannot open the store {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// The state directory cannot be made or looked at.
    #[error("cannot use the state directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put their own files where ours are.
    #[error(
        "the state directory {} can be written by others (mode {mode:04o}); \
        run `chmod 700` on it",
        path.display()
    )]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be opened or made private.
    #[error("cannot open the file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database, but of another program.
    #[error("{} is not a store of this program; move it away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the store {} is held by another process", path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error("the store has schema {found}, this program knows up to {ours}; use a newer program")]
    NewerSchema {
        /// The file's.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// The directory is another user's, who could put a link where our file is.
    #[error(
        "the state directory {} belongs to uid {owner}, this program runs as uid {own}; \
        run it as that user",
        path.display()
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        own: u32,
    },
    /// The file's pages do not make sense.
    #[error("the store {} is damaged; move it away, and put a copy of it back if there is one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The writer's thread did not start.
    #[error("cannot start the store's writer")]
    Thread {
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// Opens the store in the state directory `dir`; makes both if they are not there. Blocks
    /// while the database checks itself after a crash.
    pub fn open(dir: &Path, clock: Clock) -> Result<Self, OpenError> {
        state_dir::prepare(dir)?;
        state_dir::make_file(dir, initialise)?;
        let path = dir.join(FILE);
        let failed = |source: redb::Error| {
            if matches!(source, redb::Error::DatabaseAlreadyOpen) {
                return OpenError::Held { path: path.clone() };
            }
            OpenError::Database { path: path.clone(), source: Box::new(source) }
        };
        let file = state_dir::open_file(&path)
            .map_err(|source| OpenError::File { path: path.clone(), source })?;
        let read = AssertUnwindSafe(|| {
            let database = database(file).map_err(|error| failed(error.into()))?;
            let snapshot = database.begin_read().map_err(|error| failed(error.into()))?;
            match tables::schema(&snapshot).map_err(failed)? {
                Some(SCHEMA) => {}
                Some(found) if found > SCHEMA => {
                    return Err(OpenError::NewerSchema { found, ours: SCHEMA });
                }
                Some(_) | None => return Err(OpenError::Foreign { path: path.clone() }),
            }
            drop(snapshot);
            let known = known_tokens(&database).map_err(failed)?;
            Ok((database, known))
        });
        // redb panics at some damage. Nothing that the panic may have left half done is used again.
        let (database, known) = catch_unwind(read)
            .unwrap_or_else(|_panic| Err(OpenError::Damaged { path: path.clone() }))?;
        let tokens = Tokens::new(clock.clone());
        tokens.publish(known);
        Self::start(database, Arc::new(tokens), clock)
    }

    /// Like [`Store::open`], but waits up to `patience` for another process to let go: a command
    /// that works without a server holds the store for a moment.
    pub async fn open_within(
        patience: Duration,
        dir: &Path,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let deadline = Instant::now() + patience;
        loop {
            match Self::open(dir, clock.clone()) {
                Err(OpenError::Held { .. }) if Instant::now() < deadline => {
                    sleep(LOOK_AGAIN).await;
                }
                done => return done,
            }
        }
    }

    /// The store on a database that is prepared.
    pub(super) fn start(
        database: Database,
        tokens: Arc<Tokens>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let (writer, shared) = Writer::start(database, Arc::clone(&tokens))
            .map_err(|source| OpenError::Thread { source })?;
        Ok(Self { writer, clock, shared, tokens })
    }

    /// The valid tokens; what the store commits shows there at once.
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// Commits what waits and closes the file. Whatever is asked later is refused.
    pub async fn close(&self) -> Result<(), CloseError> {
        self.writer.close().await
    }

    /// Reads from one snapshot.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, ReadError> {
        let guard = self.shared.database();
        let database = guard.as_ref().ok_or(ReadError::Closed)?;
        let snapshot = database.begin_read().map_err(redb::Error::from);
        snapshot
            .and_then(|snapshot| read(&snapshot))
            .map_err(|source| ReadError::Read { source: Box::new(source) })
    }
}

fn database(file: File) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(limits::STORE_CACHE)
        .create_with_backend(FileBackend::new(file)?)
}

fn initialise(file: File) -> Result<(), redb::Error> {
    let database = database(file)?;
    create_tables(&database)?;
    Ok(database.close()?)
}

/// Makes the tables of [`SCHEMA`] in an empty database.
pub(super) fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let change = database.begin_write()?;
    tables::create(&change)?;
    Ok(change.commit()?)
}

fn known_tokens(database: &Database) -> Result<Vec<Change>, redb::Error> {
    let mut known = Vec::new();
    for entry in database.begin_read()?.open_table(TOKENS)?.iter()? {
        let (key, value) = entry?;
        let token: StoredToken = tables::decode("a token", value.value())?;
        known.push(Change::Add {
            hash: tables::token_hash(key.value())?,
            user: token.user,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        });
    }
    Ok(known)
}
