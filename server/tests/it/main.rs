//! Starts the real server, mostly with a real runner, and drives both as their users do.
//!
//! What needs root is listed as ignored for everybody else, and so counted.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what it saw by panicking"
)]

mod bad_input;
mod bench;
mod cli;
mod demo;
mod endings;
mod http;
mod results;
mod tidy;
mod tokens;
mod wires;

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
    /// Root, who can become another user.
    Root,
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
    let is_root = bench::is_root();
    let mut trials = Vec::new();
    // The one that waits for real seconds begins first.
    for case in bad_input::cases()
        .into_iter()
        .chain(demo::cases())
        .chain(endings::cases())
        .chain(tokens::cases())
        .chain(wires::cases())
        .chain(results::cases())
        .chain(cli::cases())
        .chain(tidy::cases())
    {
        let ignored = case.needs == Needs::Root && !is_root;
        let kind = if ignored { "needs: root" } else { "" };
        trials.push(Trial::test(case.name, case.test).with_ignored_flag(ignored).with_kind(kind));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
