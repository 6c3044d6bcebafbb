//! Every bound of the wire, by name. Both halves refuse what is over them.

/// Largest datagram, bytes. Linux carries 212,960 by default (`net.core.wmem_default`).
pub const DATAGRAM: usize = 65_536;
/// Memory that decoding one datagram may claim, bytes.
pub const DECODE: usize = 262_144;
/// Largest piece of output or of stdin in one message, bytes.
pub const CHUNK: usize = 32_768;
/// Most arguments of one run.
pub const ARGS: usize = 64;
/// Longest argument, environment value or path, bytes.
pub const ARG: usize = 4_096;
/// All arguments and environment values of one run together, bytes.
pub const ARGS_TOTAL: usize = 32_768;
/// Most environment variables that a request may carry.
pub const ENV: usize = 32;
/// Longest command name, principal or environment variable name, bytes.
pub const NAME: usize = 256;
/// Longest text that explains something to a person, bytes.
pub const REASON: usize = 1_024;
/// Most items in a short list of names (aliases, layers).
pub const NAMES: usize = 32;
