//! What the kernel counts of a process: `proc_pid_stat(5)`, `proc_pid_status(5)`.

use std::fmt;
use std::fs;
use std::ops::Sub;
use std::time::Duration;

use crate::Failed;

/// `USER_HZ`, the unit of the times in `stat`; the same on every architecture that we build for.
const TICK: Duration = Duration::from_millis(10);
/// `utime` and `cutime` among the fields behind the program's name.
const OWN: usize = 11;
const CHILDREN: usize = 13;

/// CPU time, in user and kernel mode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// All threads of the process.
    pub(crate) own: Duration,
    /// Its children, and theirs, that have ended and were waited for.
    pub(crate) children: Duration,
}

impl Cpu {
    /// What `pid` has used so far.
    pub(crate) fn of(pid: u32) -> Result<Self, Failed> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, behind_name) = stat.rsplit_once(") ").ok_or("/proc/PID/stat has no name")?;
        let ticks: Vec<u32> =
            behind_name.split(' ').map(|field| field.trim().parse().unwrap_or(0)).collect();
        let sum = |first: usize| {
            let pair = ticks.get(first..first + 2).ok_or("/proc/PID/stat is too short")?;
            Ok::<_, Failed>(TICK * pair.iter().sum())
        };
        Ok(Self { own: sum(OWN)?, children: sum(CHILDREN)? })
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            own: self.own.saturating_sub(before.own),
            children: self.children.saturating_sub(before.children),
        }
    }
}

/// Resident memory, KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    all: u32,
    anonymous: u32,
    peak: u32,
}

impl Memory {
    /// What `pid` has now.
    pub(crate) fn of(pid: u32) -> Result<Self, Failed> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).ok_or("/proc/PID/status lacks a field")
        };
        Ok(Self { all: field("VmRSS:")?, anonymous: field("RssAnon:")?, peak: field("VmHWM:")? })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u32| f64::from(kib) / 1024.0;
        let (all, anonymous, peak) = (mib(self.all), mib(self.anonymous), mib(self.peak));
        write!(f, "{all:.1} MiB ({anonymous:.1} anonymous, peak {peak:.1})")
    }
}
