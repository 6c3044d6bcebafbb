//! `mcpfusion-runner`: see `runner::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::cli::run()
}
