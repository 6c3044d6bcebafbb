//! The command line: what may be said. What it does is in the module of each command's name.

#![allow(clippy::doc_markdown, reason = "the comments are the help text, as it is printed")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

use crate::clock::Lifetime;
use crate::model::caller::UserId;
use crate::model::description::Description;
use crate::model::prefix::HashPrefix;
use crate::settings::{Callers, Flags};

/// Gives AI clients tools over MCP: APIs and confined commands, from config files.
#[derive(Debug, Parser)]
#[command(name = "mcpfusion", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP clients.
    Serve(Serve),
    /// Try everything at once: a runner, a server, a policy, tools and a token, until Ctrl-C.
    Demo(Demo),
    /// Call one tool of a running server.
    Call(Call),
    /// List the tools of a running server.
    Tools(Remote),
    /// Check config files and start nothing.
    Validate(Validate),
    /// Manage the bearer tokens, also while the server runs.
    #[command(subcommand)]
    Token(Token),
    /// Show the users.
    #[command(subcommand)]
    User(User),
    /// Show whether and where a server runs.
    Status {
        /// Which state directory.
        #[command(flatten)]
        place: Place,
    },
}

/// `mcpfusion serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Config files, separated by commas [env: MCP_FUSION_CONFIGS, MCP_FUSION_CONFIG].
    #[arg(long, value_name = "FILES")]
    pub config: Option<String>,
    /// Addresses to listen on, separated by commas [env: MCP_FUSION_LISTEN] [default: 127.0.0.1:8888].
    #[arg(long, value_name = "ADDRESSES")]
    pub listen: Option<String>,
    /// The port of the default address.
    #[arg(long)]
    pub port: Option<u16>,
    /// Which state directory.
    #[command(flatten)]
    pub place: Place,
    /// The runner's socket [env: MCP_FUSION_RUNNER] [default: /run/mcpfusion/runner.sock].
    #[arg(long, value_name = "SOCKET")]
    pub runner: Option<String>,
    /// Names that clients may reach the server by [env: MCP_FUSION_ALLOWED_HOSTS].
    #[arg(long, value_name = "NAMES")]
    pub allowed_hosts: Option<String>,
    /// What to log: a level, or target=level [env: MCP_FUSION_LOG] [default: info].
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Take callers without a token; on loopback addresses only.
    #[arg(long)]
    pub no_auth: bool,
    /// Print a line of JSON with the addresses when ready.
    #[arg(long, hide = true)]
    pub announce: bool,
    /// Stop when stdin ends: for a parent that wants no server left behind.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

impl Serve {
    /// What the settings read.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            db_dir: self.place.db_dir.clone(),
            listen: self.listen.clone(),
            log: self.log.clone(),
            allowed_hosts: self.allowed_hosts.clone(),
            runner: self.runner.clone(),
            port: self.port,
            callers: if self.no_auth { Callers::Everyone } else { Callers::Authenticated },
        }
    }
}

/// Which state directory.
#[derive(Debug, Args)]
pub struct Place {
    /// The state directory [env: MCP_FUSION_DB_DIR].
    #[arg(long, value_name = "DIR")]
    pub db_dir: Option<String>,
}

/// `mcpfusion demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Print one line of JSON (url, sse_url, token, tools) instead of words.
    #[arg(long)]
    pub json: bool,
    /// The port; taken from the kernel if it is in use.
    #[arg(long, default_value_t = 8888)]
    pub port: u16,
    /// The runner's program; by default it stands beside this one.
    #[arg(long, value_name = "FILE")]
    pub runner_program: Option<PathBuf>,
}

/// A running server, from outside.
#[derive(Debug, Args)]
pub struct Remote {
    /// The server's address.
    #[arg(long, env = "MCP_FUSION_URL", default_value = "http://127.0.0.1:8888/mcp")]
    pub url: Url,
    /// The bearer token.
    #[arg(long, env = "MCP_FUSION_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `mcpfusion call`.
#[derive(Debug, Args)]
pub struct Call {
    /// Which server.
    #[command(flatten)]
    pub remote: Remote,
    /// The tool's name.
    pub tool: String,
    /// Arguments: NAME=VALUE, where VALUE is JSON or else text; or one JSON object.
    pub arguments: Vec<String>,
}

/// `mcpfusion validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// The config files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Take warnings for errors.
    #[arg(long)]
    pub strict: bool,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}

/// The shape of a report.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Report {
    /// An object a line.
    Json,
    /// Excerpts and sentences.
    Text,
}

/// The shape of a list.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shape {
    /// An array of objects.
    Json,
    /// Columns.
    Table,
}

/// `mcpfusion token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it, this once.
    Add {
        /// Whose token it is; without one a user is added too.
        #[arg(long, value_name = "UUID")]
        user: Option<uuid::Uuid>,
        /// For people.
        #[arg(long, default_value = "")]
        description: Description,
        /// How long it is valid, like 30d, 12h or 8w; without it for ever.
        #[arg(long, value_name = "TIME")]
        expires: Option<Lifetime>,
        /// Which state directory.
        #[command(flatten)]
        place: Place,
    },
    /// List the tokens.
    List {
        /// How to write the list.
        #[arg(long, value_enum, default_value_t = Shape::Table)]
        format: Shape,
        /// Which state directory.
        #[command(flatten)]
        place: Place,
    },
    /// End a token at once.
    Revoke {
        /// The beginning of its hash, as `token list` shows it.
        hash: HashPrefix,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Which state directory.
        #[command(flatten)]
        place: Place,
    },
}

/// `mcpfusion user`.
#[derive(Debug, Subcommand)]
pub enum User {
    /// List the users.
    List {
        /// How to write the list.
        #[arg(long, value_enum, default_value_t = Shape::Table)]
        format: Shape,
        /// Which state directory.
        #[command(flatten)]
        place: Place,
    },
}

impl From<Shape> for super::screen::Format {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Json => Self::Json,
            Shape::Table => Self::Table,
        }
    }
}

impl From<Report> for super::validate::Format {
    fn from(report: Report) -> Self {
        match report {
            Report::Json => Self::Json,
            Report::Text => Self::Text,
        }
    }
}

/// The user of a `--user`.
pub fn user_id(uuid: uuid::Uuid) -> UserId {
    UserId(uuid)
}
