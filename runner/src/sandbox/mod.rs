//! One file a kernel mechanism. Each is applied by `stage2` to itself and reads back what it did.

pub mod bpf;
pub mod capabilities;
pub mod identity;
pub mod landlock;
pub mod rlimit;
pub mod seccomp;
pub mod syscalls;
