//! The system call filter of a run: seccomp(2), last of the layers before `execveat`.
//!
//! Unknown calls fail with `ENOSYS`, so that libraries fall back as on an older kernel; calls that
//! are known and refused for their arguments fail with `EPERM`.

use libc::c_long;
use seccompiler::sock_filter;

use super::bpf::{self, CompileError, Match, Rule, Test, Verdict};
use super::syscalls::{ALLOWED, ALLOWED_HERE, INIT};
use crate::plan::Network;

const REFUSE: Verdict = Verdict::Errno(1);
const UNKNOWN: Verdict = Verdict::Errno(38);

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// clone(2) flags that make namespaces.
const NAMESPACES: u32 = 0x7e02_0000;
/// `ioctl` requests that type into a terminal (`TIOCSTI`, `TIOCLINUX`).
const TYPE_INTO_TERMINAL: [u32; 2] = [0x5412, 0x541c];
/// `send*` flag that connects and so goes around Landlock's TCP rules.
const MSG_FASTOPEN: u32 = 0x2000_0000;
/// TCP options that do the same on a later `connect`.
const TCP_FASTOPEN: [u32; 2] = [23, 30];
/// Stream protocols that Landlock's TCP rules do not see: SCTP, SMC (two numbers), MPTCP.
const UNSEEN_PROTOCOLS: [u32; 4] = [132, 256, 33, 262];
/// `NETLINK_ROUTE`, `NETLINK_SOCK_DIAG`: interfaces, routes and sockets. The others speak to parts of
/// the kernel that no command asks, such as `IPsec`, filters and audit.
const NETLINK_PROTOCOLS: [u32; 2] = [0, 4];
const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
const AF_PACKET: u32 = 17;
/// The bits of a socket's type that are not flags (`SOCK_TYPE_MASK`).
const TYPE_BITS: u32 = 0xf;
/// `SOCK_STREAM`, `SOCK_SEQPACKET`.
const CONNECTED_TYPES: [u32; 2] = [1, 5];
const ALL_BITS: u32 = u32::MAX;

/// Set-user-ID and set-group-ID, in a directory of the policy a way to this run's user for others.
const SET_ID: u32 = 0o6000;
/// Calls that make files, and which argument has the mode.
const MODES: [(c_long, u8); 1] = [(libc::SYS_openat, 3)];
/// Older spellings of the same.
#[cfg(target_arch = "x86_64")]
const MODES_HERE: [(c_long, u8); 2] = [(libc::SYS_open, 2), (libc::SYS_creat, 1)];

/// Compiles the filter of a command.
pub fn compile(network: &Network, raw_packets: bool) -> Result<Vec<sock_filter>, CompileError> {
    let mut rules = always(ALLOWED);
    rules.extend(always(ALLOWED_HERE));
    rules.extend([
        (number(libc::SYS_clone), refuse_bits(0, NAMESPACES)),
        (number(libc::SYS_ioctl), refuse_values(1, &TYPE_INTO_TERMINAL)),
        (number(libc::SYS_socket), socket(network, raw_packets)),
        (number(libc::SYS_socketpair), socket_pair()),
        (number(libc::SYS_sendto), refuse_bits(3, MSG_FASTOPEN)),
        (number(libc::SYS_sendmsg), refuse_bits(2, MSG_FASTOPEN)),
        (number(libc::SYS_sendmmsg), refuse_bits(3, MSG_FASTOPEN)),
        (number(libc::SYS_setsockopt), refuse_values(2, &TCP_FASTOPEN)),
    ]);
    rules.extend(MODES.iter().map(|&(n, mode)| (number(n), refuse_bits(mode, SET_ID))));
    #[cfg(target_arch = "x86_64")]
    rules.extend(MODES_HERE.iter().map(|&(n, mode)| (number(n), refuse_bits(mode, SET_ID))));
    bpf::compile(rules, UNKNOWN, AUDIT_ARCH)
}

/// Compiles the filter of a namespace's init.
pub fn compile_init() -> Result<Vec<sock_filter>, CompileError> {
    bpf::compile(always(INIT), UNKNOWN, AUDIT_ARCH)
}

fn socket(network: &Network, raw_packets: bool) -> Rule {
    let mut families = match network {
        Network::None => Vec::new(),
        Network::Inspect => vec![AF_NETLINK],
        Network::Any | Network::Connect(_) => vec![AF_INET, AF_INET6, AF_NETLINK],
    };
    if raw_packets {
        families.push(AF_PACKET);
    }
    let none_of =
        |argument, values, then| Test { argument, mask: ALL_BITS, is: Match::NoneOf(values), then };
    let unseen = Test {
        argument: 2,
        mask: ALL_BITS,
        is: Match::AnyOf(UNSEEN_PROTOCOLS.to_vec()),
        then: REFUSE,
    };
    let then = Rule::Tests(vec![none_of(2, NETLINK_PROTOCOLS.to_vec(), REFUSE)], Verdict::Allow);
    let then = if families.contains(&AF_NETLINK) { then } else { Rule::Always(REFUSE) };
    let otherwise = Rule::Tests(vec![none_of(0, families, REFUSE), unseen], Verdict::Allow);
    Rule::Split {
        argument: 0,
        equals: AF_NETLINK,
        then: Box::new(then),
        otherwise: Box::new(otherwise),
    }
}

fn always(numbers: &[c_long]) -> Vec<(u32, Rule)> {
    numbers.iter().map(|&n| (number(n), Rule::Always(Verdict::Allow))).collect()
}

/// A pair whose ends stay with each other: one of datagrams could be turned to a socket of the host,
/// which Landlock does not see where that socket has a path.
fn socket_pair() -> Rule {
    let only =
        |argument, mask, values| Test { argument, mask, is: Match::NoneOf(values), then: REFUSE };
    let tests =
        vec![only(0, ALL_BITS, vec![AF_UNIX]), only(1, TYPE_BITS, CONNECTED_TYPES.to_vec())];
    Rule::Tests(tests, Verdict::Allow)
}

fn refuse_values(argument: u8, values: &[u32]) -> Rule {
    let test = Test { argument, mask: ALL_BITS, is: Match::AnyOf(values.to_vec()), then: REFUSE };
    Rule::Tests(vec![test], Verdict::Allow)
}

fn refuse_bits(argument: u8, mask: u32) -> Rule {
    let test = Test { argument, mask, is: Match::AnyBit, then: REFUSE };
    Rule::Tests(vec![test], Verdict::Allow)
}

fn number(syscall: c_long) -> u32 {
    u32::try_from(syscall).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_for_every_network_and_stay_small() {
        for network in
            [Network::None, Network::Inspect, Network::Any, Network::Connect(vec![80, 443])]
        {
            for raw_packets in [false, true] {
                let program = compile(&network, raw_packets).unwrap();
                assert!(program.len() < 400, "{} instructions", program.len());
            }
        }
        assert!(compile_init().unwrap().len() < 100);
    }
}
