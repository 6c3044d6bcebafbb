//! What every run shares: the policy in force, the host, and the threads that spawn and audit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::audit::Audit;
use crate::host::{Host, Mode, RUNS};
use crate::line::Lines;
use crate::policy::Policy;
use crate::slots::Slots;
use crate::spawn::spawner::Spawner;

/// A runner that is ready.
#[derive(Debug)]
pub struct Runner {
    policy: RwLock<Arc<Policy>>,
    /// What this host gives.
    pub host: Host,
    /// Starts processes.
    pub spawner: Spawner,
    /// Writes what happens.
    pub audit: Audit,
    /// Who may run now, and who waits.
    pub lines: Lines,
    /// Users for runs.
    pub slots: Slots,
    /// What principals have taken; outlives the policy.
    pub admission: Admission,
    /// Ends every run.
    pub shutdown: CancellationToken,
    /// Where runs without a mount namespace have their directories.
    state: PathBuf,
    runs: AtomicU64,
}

impl Runner {
    /// Puts a runner together.
    pub fn new(policy: Policy, host: Host, spawner: Spawner, audit: Audit, state: PathBuf) -> Self {
        let slots = match host.mode {
            Mode::Privileged { first_uid } => Slots::of_users(first_uid + 1, RUNS),
            Mode::Unprivileged => Slots::of_own_user(RUNS),
        };
        Self {
            policy: RwLock::new(Arc::new(policy)),
            host,
            spawner,
            audit,
            lines: Lines::default(),
            slots,
            admission: Admission::default(),
            shutdown: CancellationToken::new(),
            state,
            runs: AtomicU64::new(0),
        }
    }

    /// A path for a run's directory that no other run of this process has had.
    pub fn new_workdir(&self) -> PathBuf {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        self.state.join(format!("run-{}-{number}", std::process::id()))
    }

    /// The policy in force; a run keeps the one it began with.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another policy in force for the runs that follow.
    pub fn replace_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}
