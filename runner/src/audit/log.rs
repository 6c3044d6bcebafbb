//! The file: where it goes on, how lines get to the disk whole or not at all, and how it makes room
//! for a new one without breaking the chain.
//!
//! A full file is renamed to `FILE.N`, where N is the number of its last line, and the first line of
//! the new `FILE` follows that one. Whatever goes wrong with that, lines go on in the old file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::chain::{MAX_LINE, ORIGIN, hash, line};

/// Digits of the number in the name of a file that was put aside: names sort as the files follow.
const DIGITS: usize = 12;

/// The log cannot be written, so the runner does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another runner has it.
    #[error("another runner writes the audit log {path}; stop it, or give each its own --audit")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The key beside it.
    #[error("cannot use {path}, the key of the audit log: {reason}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file cannot be opened or its last line not be read.
    #[error("cannot open the audit log {path}: {reason}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
}

/// The end of a chain: how many lines it has, and the hash of the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) lines: u64,
    pub(super) hash: String,
}

/// An open log. Whoever has one must be the only one.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    len: u64,
    /// Bytes may stand behind them that are no line.
    torn: bool,
    /// The file is put aside before it is longer than this.
    rotate_at: u64,
    max: u64,
    head: Head,
}

impl Log {
    /// Goes on behind the last whole line, here or in the file that was put aside last. What a crash
    /// left of a line was never acknowledged, and goes.
    pub(super) fn open(path: &Path, max: u64) -> Result<Self, OpenError> {
        let failed =
            |e: io::Error| OpenError::Open { path: path.to_owned(), reason: e.to_string() };
        let mut file = open(path, false).map_err(failed)?;
        let mut end = End::of(&mut file).map_err(failed)?;
        if end.torn {
            file.set_len(end.len).map_err(|e| OpenError::Open {
                path: path.to_owned(),
                reason: format!(
                    "its last line was cut off by a crash and cannot be removed ({e}); if the file \
                     is append-only, move it aside with all its lines and start again"
                ),
            })?;
        }
        if end.head.is_none()
            && let Some(aside) = newest_aside(path).map_err(failed)?
        {
            end.head =
                File::open(&aside).and_then(|mut file| End::of(&mut file)).map_err(failed)?.head;
        }
        let head = end.head.unwrap_or(Head { lines: 0, hash: ORIGIN.to_owned() });
        Ok(Self {
            path: path.to_owned(),
            file,
            len: end.len,
            torn: false,
            rotate_at: max,
            max,
            head,
        })
    }

    /// The end of the chain.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Writes records, each as one line, all of them or none.
    pub(super) fn append<S: AsRef<str>>(
        &mut self,
        records: impl Iterator<Item = S>,
    ) -> io::Result<()> {
        let mut text = String::new();
        let mut head = self.head.clone();
        for record in records {
            let line = line(head.lines, record.as_ref(), &head.hash);
            head = Head { lines: head.lines + 1, hash: hash(line.as_bytes()) };
            text.push_str(&line);
            text.push('\n');
        }
        let added = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.mend()?;
        if self.len > 0 && self.len.saturating_add(added) > self.rotate_at {
            self.rotate();
        }
        self.torn = true;
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What is there of it must not stay between the lines that follow. Where that cannot
            // be done now, it is tried again before the next line, and none is written until then.
            self.mend().ok();
            return Err(error);
        }
        self.torn = false;
        self.len += added;
        self.head = head;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len).map_err(|e| {
                io::Error::other(format!("half a line is left of an earlier failure: {e}"))
            })?;
            self.torn = false;
        }
        Ok(())
    }

    fn rotate(&mut self) {
        match self.put_aside() {
            Ok(()) => self.rotate_at = self.max,
            Err(error) => {
                self.rotate_at = self.len.saturating_add(self.max);
                tracing::error!(
                    path = %self.path.display(), %error,
                    "the audit log cannot be rotated; it goes on in the same file"
                );
            }
        }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        if !is_at(&self.file, &self.path)? {
            return Err(io::Error::other("another file is in its place; send SIGUSR1 to use it"));
        }
        let aside = aside(&self.path, self.head.lines.saturating_sub(1));
        let rename =
            |from: &Path, to: &Path| renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
        rename(&self.path, &aside)?;
        let opened = open(&self.path, true).and_then(|file| {
            sync_dir(&self.path).inspect_err(|_unsynced| {
                fs::remove_file(&self.path).ok();
            })?;
            Ok(file)
        });
        match opened {
            Ok(file) => {
                self.file = file;
                self.len = 0;
                Ok(())
            }
            Err(error) => {
                rename(&aside, &self.path).ok();
                Err(error)
            }
        }
    }

    /// Opens the file again by its name, for whoever renamed the old one. The chain goes on.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if self.path.exists() && is_at(&self.file, &self.path)? {
            return Ok(());
        }
        self.mend()?;
        let file = open(&self.path, false)?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::other(
                "the file in its place is not empty; move it away and try again",
            ));
        }
        sync_dir(&self.path)?;
        self.file = file;
        self.len = 0;
        self.rotate_at = self.max;
        Ok(())
    }
}

fn open(path: &Path, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    let file = if new { options.create_new(true) } else { options.create(true) }.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    // The key's lock is by name; this one holds where one file has two names.
    file.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => io::Error::other("another runner writes it by another name"),
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) | None => Path::new("."),
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn aside(path: &Path, last: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{last:0DIGITS$}"));
    PathBuf::from(name)
}

/// The file with the highest number beside the log.
fn newest_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        let found = entry.file_name();
        let number = found
            .to_str()
            .and_then(|found| found.strip_prefix(name.as_ref())?.strip_prefix('.'))
            .filter(|digits| digits.len() >= DIGITS)
            .and_then(|digits| digits.parse().ok());
        if let Some(number) = number
            && newest.as_ref().is_none_or(|(best, _)| *best < number)
        {
            newest = Some((number, entry.path()));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

#[derive(serde::Deserialize)]
struct Numbered {
    seq: u64,
}

/// How a file ends.
struct End {
    /// Bytes of whole lines.
    len: u64,
    torn: bool,
    /// After the last whole line, if there is one.
    head: Option<Head>,
}

impl End {
    fn of(file: &mut File) -> io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        let start = end.saturating_sub(MAX_LINE);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(MAX_LINE).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if whole == 0 && start > 0 {
            return Err(io::Error::other("it ends in something that is no line of a log"));
        }
        let torn = tail.len() - whole;
        let len = end - u64::try_from(torn).unwrap_or(0);
        let last = tail.get(..whole).unwrap_or_default().strip_suffix(b"\n");
        let last = last.and_then(|lines| lines.rsplit(|&byte| byte == b'\n').next());
        let head = match last {
            Some(last) => {
                let numbered: Numbered = serde_json::from_slice(last).map_err(io::Error::other)?;
                let lines = numbered.seq.checked_add(1);
                let lines = lines.ok_or_else(|| io::Error::other("its last number is too high"))?;
                Some(Head { lines, hash: hash(last) })
            }
            None => None,
        };
        Ok(Self { len, torn: torn > 0, head })
    }
}

#[cfg(test)]
mod tests;
