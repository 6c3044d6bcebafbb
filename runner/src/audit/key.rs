//! The key by which secrets are hashed: random, one a log, in a file of its own beside it. Who holds
//! the log alone learns nothing from a hash; who holds both can tell whether a guess is right.
//!
//! The file stays where it is when the log is rotated, so its lock is also what keeps two runners
//! off one log.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};

use super::chain::hex;
use super::log::OpenError;

const LEN: usize = 32;
/// What SHA-256 works on at a time.
const BLOCK: usize = 64;
/// Bytes of a hash that are shown.
const SHOWN: usize = 8;
const OTHERS: u32 = 0o077;
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The key, and with it the right to write the log.
pub(super) struct Key {
    bytes: [u8; LEN],
    /// Locked as long as it is open.
    _file: File,
}

impl Key {
    /// Takes the key of the log at `log`, or makes one. Fails where another runner has it.
    pub(super) fn take(log: &Path) -> Result<Self, OpenError> {
        let path = path_for(log);
        let unusable = |reason: String| OpenError::Key { path: path.clone(), reason };
        let failed = |e: io::Error| unusable(e.to_string());
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(failed)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: log.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() || meta.uid() != geteuid().as_raw() || meta.mode() & OTHERS != 0 {
            return Err(unusable(
                "it must be a regular file of the runner's own user with mode 0600".to_owned(),
            ));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        if text.is_empty() {
            let mut bytes = [0; LEN];
            match getrandom(&mut bytes, GetRandomFlags::empty()) {
                Ok(LEN) => {}
                Ok(_) => return Err(unusable("the kernel gave too few random bytes".to_owned())),
                Err(error) => return Err(failed(error.into())),
            }
            file.write_all(format!("{}\n", hex(&bytes)).as_bytes()).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            return Ok(Self { bytes, _file: file });
        }
        let bytes = parse(&text).ok_or_else(|| {
            unusable(
                "it holds no key; remove it, and a new one is made, by which secrets of older \
                 lines can no longer be told apart from others"
                    .to_owned(),
            )
        })?;
        Ok(Self { bytes, _file: file })
    }

    /// What a log shows of a secret: equal for equal secrets.
    pub(super) fn mask(&self, secret: &str) -> String {
        let hash = hmac(&self.bytes, secret.as_bytes());
        format!("hmac:{}", hex(hash.get(..SHOWN).unwrap_or(&hash)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// A runner that is just ending is waited for.
fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    Err(TryLockError::WouldBlock)
}

/// Hidden, so that `LOG*` names the log's own files and nothing else.
fn path_for(log: &Path) -> PathBuf {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    log.with_file_name(format!(".{name}.key"))
}

fn parse(text: &[u8]) -> Option<[u8; LEN]> {
    let text = std::str::from_utf8(text.strip_suffix(b"\n")?).ok()?;
    let mut bytes = [0; LEN];
    let mut digits = text.chars();
    for byte in &mut bytes {
        let high = digits.next()?.to_digit(16)?;
        let low = digits.next()?.to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

/// HMAC-SHA-256 (RFC 2104) for a key that is shorter than a block.
fn hmac(key: &[u8; LEN], text: &[u8]) -> [u8; LEN] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_hash_is_hmac_sha256() {
        // Python: hmac.new(b"k" * 32, b"what do ya want for nothing?", "sha256").hexdigest()
        let expected = "4f63351605b85f42e803b30e42c1905fed065a563ff4295a47982e43f228e097";
        assert_eq!(hex(&hmac(&[b'k'; LEN], b"what do ya want for nothing?")), expected);
    }

    #[test]
    fn a_key_stays_for_its_log_and_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("audit.jsonl");
        let first = Key::take(&log).unwrap().mask("hunter2");
        let file = path_for(&log);
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(first.len(), "hmac:".len() + 2 * SHOWN);
        assert_eq!(Key::take(&log).unwrap().mask("hunter2"), first);
        assert_ne!(Key::take(&log).unwrap().mask("hunter3"), first);
        let other = dir.path().join("other.jsonl");
        assert_ne!(Key::take(&other).unwrap().mask("hunter2"), first);
    }

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("audit.jsonl");
        let first = Key::take(&log).unwrap();
        assert!(matches!(Key::take(&log), Err(OpenError::InUse { .. })));
        drop(first);
        assert!(Key::take(&log).is_ok());
    }

    #[test]
    fn a_key_that_others_read_or_that_is_damaged_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("audit.jsonl");
        drop(Key::take(&log).unwrap());
        let file = path_for(&log);
        let mode = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o640);
        assert!(matches!(Key::take(&log), Err(OpenError::Key { .. })));
        mode(0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        for damaged in ["x\n".to_owned(), text.trim_end().to_owned(), format!("{text}\n")] {
            std::fs::write(&file, damaged).unwrap();
            assert!(matches!(Key::take(&log), Err(OpenError::Key { .. })));
        }
    }
}
