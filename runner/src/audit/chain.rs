//! The form of a line and how lines hang together.
//!
//! ```text
//! line = {"v":1,"seq":N,"ts":"...",FIELDS,"prev":"HASH"}
//! HASH = SHA-256 of the line before, in hex; 64 zeros before line 0
//! ```

use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// Longer than any line: arguments are at most 32 KiB, escaped at most six times as long.
pub(super) const MAX_LINE: u64 = 1 << 20;

/// What stands before the first line of all.
pub(super) const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The record is an object; the envelope's fields go around its own.
pub(super) fn line(seq: u64, record: &str, prev: &str) -> String {
    let ts = humantime::format_rfc3339_millis(SystemTime::now());
    let fields = record.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or("");
    format!(r#"{{"v":1,"seq":{seq},"ts":"{ts}",{fields},"prev":"{prev}"}}"#)
}

/// SHA-256 in hex.
pub fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |hex, byte| hex + &format!("{byte:02x}"))
}
