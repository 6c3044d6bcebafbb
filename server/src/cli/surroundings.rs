//! What the process finds around it: its environment, the env file, its rights.

use std::path::PathBuf;

use super::exit::{CONFIG, Failure};
use crate::env_file::EnvFile;
use crate::settings::{Callers, Flags, Host, Settings, settings};
use crate::store::state_dir;

/// Calls `with` with what is around.
pub fn look<T>(with: impl FnOnce(&Host<'_>) -> T) -> Result<T, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let home = env("HOME");
    let candidates = EnvFile::candidates(home.as_deref());
    let env_file = EnvFile::first_readable(&candidates).map_err(|problems| all(&problems))?;
    Ok(with(&Host {
        env: &env,
        env_file: env_file.as_ref(),
        holds_store: &state_dir::holds_store,
        is_writable: &state_dir::is_writable,
        is_root: state_dir::is_root(),
    }))
}

/// All settings of a server.
pub fn find_settings(flags: &Flags, host: &Host<'_>) -> Result<Settings, Failure> {
    settings(flags, host).map_err(|problems| all(&problems))
}

/// The state directory of a command that needs nothing else.
pub fn state_dir(flag: Option<String>) -> Result<PathBuf, Failure> {
    let flags = Flags {
        config: None,
        db_dir: flag,
        listen: None,
        log: None,
        allowed_hosts: None,
        runner: None,
        port: None,
        callers: Callers::Authenticated,
    };
    Ok(look(|host| find_settings(&flags, host))??.db_dir)
}

fn all(problems: &[impl ToString]) -> Failure {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Failure::new(CONFIG, lines.join("\nmcpfusion: "))
}
