//! What the server is told from outside: flags, the environment and the env file, in this order,
//! then defaults. The names are the original's. A pure function: whatever it must know of the host
//! is handed to it, and it reports all problems at once.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tracing_subscriber::EnvFilter;

use crate::env_file::EnvFile;

/// The settings, complete and valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How callers are told apart.
    pub callers: Callers,
    /// The config files, in the order in which they are merged.
    pub configs: Vec<PathBuf>,
    /// The state directory.
    pub db_dir: PathBuf,
    /// Where to listen; at least one.
    pub listen: Vec<SocketAddr>,
    /// What to log, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// Names that clients may reach the server by beside its addresses.
    pub allowed_hosts: Vec<String>,
    /// The runner's socket.
    pub runner: PathBuf,
}

/// How callers are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// By bearer tokens.
    Authenticated,
    /// Not at all: `--no-auth`, on this host only.
    Everyone,
}

/// What the command line said; `None` is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    /// `--config`: a comma list.
    pub config: Option<String>,
    /// `--db-dir`.
    pub db_dir: Option<String>,
    /// `--listen`: a comma list.
    pub listen: Option<String>,
    /// `--log`.
    pub log: Option<String>,
    /// `--allowed-hosts`: a comma list.
    pub allowed_hosts: Option<String>,
    /// `--runner`.
    pub runner: Option<String>,
    /// `--port`: that of the default address. As in the original, `MCP_FUSION_LISTEN` beats it.
    pub port: Option<u16>,
    /// `--no-auth` or not.
    pub callers: Callers,
}

/// What the settings depend on beside the flags.
pub struct Host<'a> {
    /// A variable of the process.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The env file, if there is one.
    pub env_file: Option<&'a EnvFile>,
    /// Whether a store is in a directory already.
    pub holds_store: &'a dyn Fn(&Path) -> bool,
    /// Whether a directory is there and we may make files in it.
    pub is_writable: &'a dyn Fn(&Path) -> bool,
    /// Whether we are root.
    pub is_root: bool,
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("env_file", &self.env_file).finish_non_exhaustive()
    }
}

impl Host<'_> {
    /// A variable: the process's own, even an empty one, before the file's. This is also what
    /// `${NAME}` in config files means.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).or_else(|| {
            self.env_file?.variable(name).map(|variable| variable.value.expose().to_owned())
        })
    }
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value comes from: a flag, a variable, or a line of the env file.
    pub origin: String,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// Not an address and a port.
    #[error(
        "{text:?} is no address to listen on; write IP:PORT, [IPv6]:PORT, localhost:PORT or :PORT"
    )]
    Address {
        /// What came.
        text: String,
    },
    /// Only commas and spaces.
    #[error("the list has nothing in it")]
    Empty,
    /// Not a filter.
    #[error("{text:?} is no log filter; write a level, or target=level, separated by commas")]
    Filter {
        /// What came.
        text: String,
    },
    /// Everyone who reaches the address could use every tool.
    #[error(
        "--no-auth works on loopback addresses only, and {address} is none; use tokens, or listen \
        on 127.0.0.1"
    )]
    Open {
        /// The address.
        address: SocketAddr,
    },
    /// No state directory and no home to put one in.
    #[error("there is no home directory to keep state in; say where with --db-dir")]
    NoHome,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.what)
    }
}

const DEFAULT_PORT: u16 = 8888;
const DEFAULT_LOG: &str = "info";
const DEFAULT_RUNNER: &str = "/run/mcpfusion/runner.sock";
/// Where packages keep state: the original's, then ours.
const SYSTEM_DIRS: [&str; 2] = ["/opt/mcpfusion", "/var/lib/mcpfusion"];

/// Finds all settings, or all problems with them.
pub fn settings(flags: &Flags, host: &Host<'_>) -> Result<Settings, Vec<Problem>> {
    let mut problems = Vec::new();
    let found = Found { host, problems: &mut problems };
    let settings = found.settings(flags);
    settings.filter(|_| problems.is_empty()).ok_or(problems)
}

/// A text, and where it comes from.
struct Given {
    origin: String,
    text: String,
}

struct Found<'a> {
    host: &'a Host<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Found<'_> {
    fn settings(mut self, flags: &Flags) -> Option<Settings> {
        let configs = self
            .given("--config", flags.config.as_ref(), "MCP_FUSION_CONFIGS")
            .or_else(|| self.given("--config", None, "MCP_FUSION_CONFIG"));
        let configs = configs.map_or_else(Vec::new, |given| self.list(&given));
        let db_dir = self.db_dir(flags);
        let listen = self.listen(flags);
        let log = self.log(flags);
        let hosts =
            self.given("--allowed-hosts", flags.allowed_hosts.as_ref(), "MCP_FUSION_ALLOWED_HOSTS");
        let allowed_hosts = hosts.map_or_else(Vec::new, |given| self.list(&given));
        let runner = self.given("--runner", flags.runner.as_ref(), "MCP_FUSION_RUNNER");
        Some(Settings {
            callers: flags.callers,
            configs: configs.into_iter().map(PathBuf::from).collect(),
            db_dir: db_dir?,
            listen,
            log,
            allowed_hosts,
            runner: runner.map_or_else(|| DEFAULT_RUNNER.into(), |given| given.text.into()),
        })
    }

    /// The first of flag, variable and env file that says something.
    fn given(&self, flag: &str, text: Option<&String>, name: &str) -> Option<Given> {
        let from_file = || {
            let file = self.host.env_file?;
            let variable = file.variable(name)?;
            let origin = format!("{}:{}: {name}", file.path.display(), variable.line);
            Some(Given { origin, text: variable.value.expose().to_owned() })
        };
        let from_env = || Some(Given { origin: name.to_owned(), text: (self.host.env)(name)? });
        let from_flag = text.map(|text| Given { origin: flag.to_owned(), text: text.clone() });
        from_flag
            .or_else(from_env)
            .or_else(from_file)
            .map(|given| Given { text: given.text.trim().to_owned(), ..given })
            .filter(|given| !given.text.is_empty())
    }

    fn problem(&mut self, origin: &str, what: What) {
        self.problems.push(Problem { origin: origin.to_owned(), what });
    }

    /// The items of a comma list, trimmed, without the empty ones.
    fn list(&mut self, given: &Given) -> Vec<String> {
        let items = given.text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let items: Vec<_> = items.map(str::to_owned).collect();
        if items.is_empty() {
            self.problem(&given.origin, What::Empty);
        }
        items
    }

    fn listen(&mut self, flags: &Flags) -> Vec<SocketAddr> {
        let given = self.given("--listen", flags.listen.as_ref(), "MCP_FUSION_LISTEN");
        let Some(given) = given else {
            let port = flags.port.unwrap_or(DEFAULT_PORT);
            return vec![(Ipv4Addr::LOCALHOST, port).into()];
        };
        let origin = &given.origin;
        let mut listen = Vec::new();
        for text in self.list(&given) {
            match address(&text) {
                Some(address) => {
                    if flags.callers == Callers::Everyone && !address.ip().is_loopback() {
                        self.problem(origin, What::Open { address });
                    }
                    listen.push(address);
                }
                None => self.problem(origin, What::Address { text }),
            }
        }
        listen
    }

    fn log(&mut self, flags: &Flags) -> String {
        let Some(Given { origin, text }) =
            self.given("--log", flags.log.as_ref(), "MCP_FUSION_LOG")
        else {
            return DEFAULT_LOG.to_owned();
        };
        if EnvFilter::try_new(&text).is_err() {
            self.problem(&origin, What::Filter { text: text.clone() });
        }
        text
    }

    /// Where a package keeps state, if it does already or if we may begin there; else root's place,
    /// else the user's own. Root may begin anywhere and so must not: a server that runs as another
    /// user would not find what root's command line has put there.
    fn db_dir(&mut self, flags: &Flags) -> Option<PathBuf> {
        if let Some(given) = self.given("--db-dir", flags.db_dir.as_ref(), "MCP_FUSION_DB_DIR") {
            return Some(given.text.into());
        }
        let [original, ours] = SYSTEM_DIRS.map(Path::new);
        let is_ours = |dir: &&Path| (self.host.holds_store)(dir);
        let may_begin = |dir: &&Path| !self.host.is_root && (self.host.is_writable)(dir);
        let dirs = [original, ours];
        if let Some(dir) = dirs.iter().find(|d| is_ours(d)).or(dirs.iter().find(|d| may_begin(d))) {
            return Some((*dir).to_owned());
        }
        if self.host.is_root {
            return Some(ours.to_owned());
        }
        let absolute = |name| (self.host.env)(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        if state.is_none() {
            self.problem("MCP_FUSION_DB_DIR", What::NoHome);
        }
        state.map(|state| state.join("mcpfusion"))
    }
}

/// An address to listen on. `:PORT` is every address of the host, as in the original.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, port) = text.rsplit_once(':')?;
    // `u16::from_str` takes a plus sign.
    let port = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    match host {
        "" => Some((Ipv4Addr::UNSPECIFIED, port).into()),
        "localhost" => Some((Ipv4Addr::LOCALHOST, port).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
