//! Opening the store: whose directory, which file, which schema, and who else holds it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};
use rustix::fs::OFlags;
use tokio::time::{Instant, sleep};

use super::error::ReadError;
use super::tables::{self, SCHEMA, StoredToken, TOKENS};
use super::writer::{CloseError, Shared, Writer};
use crate::auth::table::{Change, Tokens};
use crate::clock::Clock;
use crate::entropy;
use crate::limits;

/// The database's file in the state directory.
pub const FILE: &str = "mcpfusion.redb";

/// Between two looks at a store that is held.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);

const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

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
        private_directory(dir)?;
        let path = dir.join(FILE);
        let failed = |source: redb::Error| {
            if matches!(source, redb::Error::DatabaseAlreadyOpen) {
                return OpenError::Held { path: path.clone() };
            }
            OpenError::Database { path: path.clone(), source: Box::new(source) }
        };
        create_if_missing(dir, &path)?;
        let file =
            private_file(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let database = database(file).map_err(|error| failed(error.into()))?;
        let snapshot = database.begin_read().map_err(|error| failed(error.into()))?;
        match tables::schema(&snapshot).map_err(failed)? {
            Some(SCHEMA) => {}
            Some(found) if found > SCHEMA => {
                return Err(OpenError::NewerSchema { found, ours: SCHEMA });
            }
            Some(_) | None => return Err(OpenError::Foreign { path }),
        }
        drop(snapshot);
        let tokens = Tokens::new(clock.clone());
        tokens.publish(known_tokens(&database).map_err(failed)?);
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

/// Makes `dir` for us alone. One that is there already may be readable by others, since the file
/// is not; but nobody else may own it or write to it.
fn private_directory(dir: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let found = fs::metadata(dir).map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        return Err(OpenError::Owner { path: dir.to_owned(), owner: found.uid(), own });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(OpenError::Exposed { path: dir.to_owned(), mode });
    }
    Ok(())
}

/// Makes the database under another name and gives it its own once it is whole and on the disk:
/// a crash leaves no half-made one to stumble over. Whoever else makes one at the same time, the
/// first stays.
fn create_if_missing(dir: &Path, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let random = entropy::bytes().map_err(|error| failed(io::Error::other(error)))?;
    let made = dir.join(format!(".{FILE}.{:016x}", u64::from_ne_bytes(*random)));
    let file = options().create_new(true).open(&made).map_err(failed)?;
    initialise(file)
        .map_err(|error| OpenError::Database { path: made.clone(), source: Box::new(error) })?;
    match fs::hard_link(&made, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => fs::remove_file(&made).map_err(failed)?,
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn initialise(file: File) -> Result<(), redb::Error> {
    let database = database(file)?;
    create_tables(&database)?;
    Ok(database.close()?)
}

/// Ours alone to read, and never by way of a link.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(NO_FOLLOW);
    options
}

/// The file, ours alone to read.
fn private_file(path: &Path) -> Result<File, io::Error> {
    let file = options().open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn database(file: File) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(limits::STORE_CACHE)
        .create_with_backend(FileBackend::new(file)?)
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
