//! What this host gives a runner, found out by doing it: the layers are taken for real once at the
//! start, around `true`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{geteuid, getpid};
use proto::{Ended, Exit, Status, StdinMode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::line::Bounds;
use crate::plan::{Confinement, Limits, Network, Plan, Processes, Secrets};
use crate::policy::Policy;
use crate::requests::Requests;
use crate::sandbox::landlock;
use crate::spawn::launch::{LaunchError, launch};
use crate::spawn::spawner::Spawner;
use crate::spawn::supervise::supervise;
use crate::stage2::spec::{Identity, Namespaces, Spec};

/// The private directory of a run, where it has a mount namespace.
pub const WORKDIR: &str = "/tmp";
/// Init's user, if the command line names no other; runs have the ones behind it. No other runner
/// and no account may have them: limits on processes count a user's processes on the whole host.
pub const FIRST_UID: u32 = 70_000;
/// Runs at the same time.
pub const RUNS: u32 = 64;

/// How much the runner itself may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As root: every layer, or no start.
    Privileged {
        /// Init's user; runs have the ones behind it.
        first_uid: u32,
    },
    /// As an ordinary user, asked for by name: the layers that need no privilege.
    Unprivileged,
}

/// What this host gives.
#[derive(Debug, Clone)]
pub struct Host {
    /// The runner's mode.
    pub mode: Mode,
    /// Landlock's level.
    pub landlock_abi: u8,
    /// The namespaces of a run.
    pub namespaces: Namespaces,
    /// Why what is missing is missing, a line each.
    pub missing: Vec<String>,
}

/// The runner cannot confine anything here.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The kernel has no Landlock, or it is switched off.
    #[error(
        "this kernel has no Landlock (needs Linux 5.13 and `landlock` in the kernel's lsm= list)"
    )]
    NoLandlock,
    /// The kernel's Landlock is older than the policy requires.
    #[error(
        "the policy requires Landlock ABI {needs}; this kernel and runner have {has} \
         (a newer kernel, or a lower landlock_abi under [require], would do)"
    )]
    LandlockAbi {
        /// The policy's.
        needs: u8,
        /// Ours.
        has: u8,
    },
    /// A step of the sandbox does not work here.
    #[error("the sandbox does not work on this host; {0}")]
    Sandbox(#[source] LaunchError),
    /// `true` itself did not work in it.
    #[error("`true` did not succeed in the sandbox: {0:?}")]
    Trial(Box<Exit>),
    /// There is no `true` to try.
    #[error("this host has no /usr/bin/true or /bin/true to try the sandbox with")]
    NoTrue,
}

impl Host {
    /// Tries the sandbox.
    pub async fn probe(mode: Mode, spawner: &Spawner) -> Result<Self, HostError> {
        let landlock_abi = landlock::kernel_abi().ok_or(HostError::NoLandlock)?;
        let host = |namespaces| Self { mode, landlock_abi, namespaces, missing: Vec::new() };
        match mode {
            Mode::Privileged { .. } => {
                let host = host(Namespaces::Privileged);
                host.trial(spawner).await?;
                Ok(host)
            }
            Mode::Unprivileged => {
                let mut host = host(Namespaces::User);
                host.missing.push("a user of its own for each run: needs root".to_owned());
                match host.trial(spawner).await {
                    Ok(()) => {}
                    Err(HostError::Sandbox(error)) if needs_user_namespaces(&error) => {
                        host.namespaces = Namespaces::None;
                        host.missing.push(format!(
                            "PID, mount and IPC namespaces, a private /tmp and a process limit: \
                             this host gives no user namespaces ({error})"
                        ));
                        host.trial(spawner).await?;
                    }
                    Err(error) => return Err(error),
                }
                Ok(host)
            }
        }
    }

    /// The layers of every run, in the order in which they are taken.
    pub fn layers(&self) -> Vec<String> {
        let mut layers = Vec::new();
        match self.namespaces {
            Namespaces::Privileged => layers.push("namespaces (pid, mount, ipc) with an init"),
            Namespaces::User => layers.push("namespaces (user, pid, mount, ipc) with an init"),
            Namespaces::None => layers.push("an init that ends every descendant"),
        }
        layers.push("resource limits");
        layers.push("no capabilities but the policy's");
        if matches!(self.mode, Mode::Privileged { .. }) {
            layers.push("a user of its own");
        }
        layers.push("no_new_privs");
        let mut layers: Vec<_> = layers.into_iter().map(str::to_owned).collect();
        layers.push(format!("landlock (ABI {})", self.landlock_abi));
        layers.push("seccomp allow-list".to_owned());
        layers
    }

    /// The spec of `plan` here, for the user `uid`.
    pub fn spec(&self, plan: &Plan, uid: Option<u32>, workdir: &Path) -> Spec {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        Spec {
            runner_pid: getpid().as_raw(),
            program: path(&plan.program),
            trusted_uids: self.trusted_uids(),
            argv: plan.argv.clone(),
            env: plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            cwd: path(&plan.cwd),
            workdir: path(workdir),
            namespaces: self.namespaces,
            identity: match (self.mode, uid) {
                (Mode::Privileged { first_uid }, Some(command)) => {
                    Some(Identity { command, init: first_uid })
                }
                (Mode::Privileged { .. } | Mode::Unprivileged, _) => None,
            },
            limits: plan.limits.clone(),
            confinement: plan.confinement.clone(),
            landlock_abi: self.landlock_abi,
        }
    }

    /// Whether this host gives what `policy` requires.
    pub fn satisfies(&self, policy: &Policy) -> Result<(), HostError> {
        let (needs, has) = (policy.landlock_abi, self.landlock_abi);
        if needs > has { Err(HostError::LandlockAbi { needs, has }) } else { Ok(()) }
    }

    /// Users that may own policy files and programs.
    pub fn trusted_uids(&self) -> Vec<u32> {
        match self.mode {
            Mode::Privileged { .. } => vec![0],
            Mode::Unprivileged => vec![0, geteuid().as_raw()],
        }
    }

    async fn trial(&self, spawner: &Spawner) -> Result<(), HostError> {
        let uid = match self.mode {
            Mode::Privileged { first_uid } => Some(first_uid + 1),
            Mode::Unprivileged => None,
        };
        let plan = trial_plan()?;
        let spec = self.spec(&plan, uid, Path::new(WORKDIR));
        let running =
            launch(spawner, &spec, StdinMode::Closed).await.map_err(HostError::Sandbox)?;
        let (replies, _output) = mpsc::channel(1);
        let (_keep_listening, requests) = mpsc::channel(1);
        let never = CancellationToken::new();
        let finished =
            supervise(running, &plan.limits, &replies, &mut Requests::new(requests), &never)
                .await
                .map_err(|e| {
                    HostError::Sandbox(LaunchError {
                        step: "supervise".to_owned(),
                        reason: e.to_string(),
                    })
                })?;
        match finished.exit {
            Exit { status: Status::Code(0), ended: Ended::Itself, .. } => Ok(()),
            other => Err(HostError::Trial(Box::new(other))),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for layer in self.layers() {
            writeln!(f, "  has      {layer}")?;
        }
        for missing in &self.missing {
            writeln!(f, "  MISSING  {missing}")?;
        }
        Ok(())
    }
}

fn needs_user_namespaces(error: &LaunchError) -> bool {
    matches!(error.step.as_str(), "namespaces" | "mounts")
}

fn trial_plan() -> Result<Plan, HostError> {
    let program = ["/usr/bin/true", "/bin/true"]
        .iter()
        .find_map(|path| std::fs::canonicalize(path).ok())
        .ok_or(HostError::NoTrue)?;
    let open_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(64, |(_, hard)| hard);
    Ok(Plan {
        rule: "trial".to_owned(),
        principal: None,
        engagement: None,
        argv: vec!["true".to_owned()],
        program,
        env: Vec::new(),
        secrets: Secrets::default(),
        cwd: "/".into(),
        stdin: StdinMode::Closed,
        limits: Limits {
            wall: Duration::from_secs(5),
            grace: Duration::from_secs(1),
            cpu_s: 5,
            memory: 1 << 30,
            pids: 64,
            nofile: open_files.min(64),
            fsize: 1 << 20,
            workdir_size: 1 << 20,
            stdout: 4096,
            stderr: 4096,
            output_head: 4096,
            output_hard: 1 << 16,
            stdin: 0,
            line: Bounds { concurrency: 1, queue: 0, wait: Duration::ZERO },
        },
        confinement: Confinement {
            ro: ["/usr/lib", "/lib", "/lib64", "/etc/ld.so.cache"].map(PathBuf::from).to_vec(),
            rw: vec!["/dev/null".into()],
            exec: crate::plan::DYNAMIC_LOADERS.map(PathBuf::from).to_vec(),
            network: Network::None,
            processes: Processes::Own,
            capabilities: Vec::new(),
        },
    })
}
