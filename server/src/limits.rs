//! Every bound of the server, by name. What operators differ in is a setting with one of these as
//! its default.

use std::time::Duration;

/// Open connections; more wait in the kernel's queue.
pub const CONNECTIONS: usize = 1_024;
/// An HTTP/2 connection without a request, or an answer that is not read, ends after this.
pub const CONNECTION_IDLE: Duration = Duration::from_mins(2);
/// Before the next try when the system gives no connection (no file descriptors, no memory).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(250);
/// Requests that are read or answered at one time; more are told to come back.
pub const REQUESTS: usize = 1_024;
/// For a request's head to arrive. An idle HTTP/1 connection waits for one, so it ends after this.
pub const HEADER_READ: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
pub const HEADER_BYTES: usize = 64 * 1024;
/// For a request's body to arrive.
pub const BODY_READ: Duration = Duration::from_secs(30);
/// Bytes of a request's body.
pub const BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of all bodies that are held at one time; who needs more is told to come back.
pub const BODIES_BYTES: usize = 64 * 1024 * 1024;
/// Streams of one HTTP/2 connection.
pub const HTTP2_STREAMS: u32 = 64;
/// For open requests to end when the server stops.
pub const DRAIN: Duration = Duration::from_secs(5);

/// MCP sessions in all.
pub const SESSIONS: usize = 10_000;
/// MCP sessions of one user.
pub const SESSIONS_PER_USER: usize = 256;
/// A session without a request ends after this.
pub const SESSION_IDLE: Duration = Duration::from_hours(1);
/// Calls of one MCP session that run at one time.
pub const CALLS_PER_SESSION: usize = 64;
/// A request's id, bytes. The running calls of a session keep theirs.
pub const ID_BYTES: usize = 256;
/// How long a client may keep a list without asking again.
pub const LIST_TTL: Duration = Duration::from_mins(1);
/// A server's answer to our own client, bytes.
pub const CLIENT_ANSWER: usize = 64 * 1024 * 1024;

/// The env file, bytes.
pub const ENV_FILE_BYTES: u64 = 64 * 1024;
/// One config file, bytes.
pub const CONFIG_BYTES: u64 = 8 * 1024 * 1024;
/// Problems of a config that are kept; the rest is counted.
pub const CONFIG_DIAGNOSTICS: usize = 500;
/// The words of one problem, bytes.
pub const CONFIG_MESSAGE: usize = 1_024;
/// A compiled `pattern` of a parameter, bytes.
pub const PATTERN: usize = 1024 * 1024;
/// Parameters of one tool.
pub const TOOL_PARAMETERS: usize = 256;
/// An upstream API's answer, bytes; the rest is not read.
pub const UPSTREAM_BODY: usize = 8 * 1024 * 1024;
/// What a model is shown of one result, bytes.
pub const RESULT_TEXT: usize = 1024 * 1024;
/// What is shown of an upstream's error, bytes.
pub const UPSTREAM_EXCERPT: usize = 512;
/// An API call, if its endpoint does not say.
pub const API_TIMEOUT: Duration = Duration::from_mins(1);
/// To connect to an upstream.
pub const API_CONNECT: Duration = Duration::from_secs(10);

/// To connect to the runner.
pub const RUNNER_CONNECT: Duration = Duration::from_secs(2);
/// For the runner to report the end, after the run's own time is up.
pub const RUNNER_REPORT: Duration = Duration::from_secs(30);
/// For the runner to report the end of a run that was cancelled.
pub const RUNNER_CANCEL: Duration = Duration::from_secs(15);
/// For the runner to describe itself.
pub const RUNNER_DESCRIBE: Duration = Duration::from_secs(5);
/// Commands that the runner may describe.
pub const RUNNER_COMMANDS: usize = 10_000;
/// What is kept of one output stream of a command, bytes.
pub const RUN_OUTPUT: usize = RESULT_TEXT / 2;

/// Jobs that wait for the store's writer.
pub const STORE_QUEUE: usize = 1_024;
/// Jobs of one commit.
pub const STORE_BATCH: usize = 512;
/// The store's page cache, bytes.
pub const STORE_CACHE: usize = 4 * 1024 * 1024;
/// A description of a token or a user, characters.
pub const DESCRIPTION: usize = 255;

/// A bearer token, bytes.
pub const TOKEN_BYTES: usize = 256;
/// Between two writes of when tokens were last used.
pub const LAST_USED_FLUSH: Duration = Duration::from_mins(1);

/// A line on the admin socket, bytes.
pub const ADMIN_LINE: usize = 64 * 1024;
/// Connections to the admin socket.
pub const ADMIN_CONNECTIONS: usize = 16;
/// For a request to arrive on the admin socket, and for its answer to be read.
pub const ADMIN_REQUEST: Duration = Duration::from_secs(10);
/// For the CLI to wait for an answer on the admin socket.
pub const ADMIN_ANSWER: Duration = Duration::from_secs(30);
/// Records in one answer: as many of the longest as fit in [`ADMIN_LINE`].
pub const ADMIN_PAGE: usize = 32;
/// For the CLI to wait for a server that starts or stops.
pub const STORE_HELD: Duration = Duration::from_secs(5);
