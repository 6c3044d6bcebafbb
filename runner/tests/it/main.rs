//! Starts the real runner and asks it, over its socket, for real runs.
//!
//! What needs root is listed as ignored for everybody else, and so counted.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what it saw by panicking"
)]

mod audit;
mod bench;
mod endings;
mod escapes;
mod grants;
mod line;
mod peers;
mod runs;
mod soak;
mod startup;
mod steps;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// A test and what it needs.
pub(crate) struct Case {
    name: &'static str,
    needs: Needs,
    test: fn() -> Result<(), Failed>,
}

/// What a test needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Root: the layers that take privilege.
    Root,
    /// Root, and a kernel whose Landlock holds TCP ports.
    RootAndPorts,
    /// A program that passes sockets as systemd does.
    SocketActivation,
    /// Nothing: it runs in the mode of whoever runs it.
    Nothing,
}

/// Names a function as a test.
#[macro_export]
macro_rules! cases {
    ($needs:ident: $($test:ident),* $(,)?) => {
        [$($crate::Case {
            name: concat!(module_path!(), "::", stringify!($test)),
            needs: $crate::Needs::$needs,
            test: || { $test(); Ok(()) },
        }),*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_root = nix::unistd::geteuid().is_root();
    let holds_ports = runner::sandbox::landlock::kernel_abi().is_some_and(|abi| abi >= 4);
    let mut trials = Vec::new();
    for case in runs::cases()
        .into_iter()
        .chain(line::cases())
        .chain(soak::cases())
        .chain(endings::cases())
        .chain(escapes::cases())
        .chain(grants::cases())
        .chain(peers::cases())
        .chain(audit::cases())
        .chain(startup::cases())
        .chain(steps::cases())
    {
        let (ignored, kind) = match case.needs {
            Needs::Nothing => (false, ""),
            Needs::Root => (!is_root, "needs: root"),
            Needs::SocketActivation => {
                (!steps::has(startup::ACTIVATOR), "needs: systemd-socket-activate")
            }
            Needs::RootAndPorts => (!(is_root && holds_ports), "needs: root, Landlock ABI 4"),
        };
        let kind = if ignored { kind } else { "" };
        trials.push(Trial::test(case.name, case.test).with_ignored_flag(ignored).with_kind(kind));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
