//! `mcpfusion-runner`.
use std::process::ExitCode;
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(runner::stage2::ARGUMENT) {
        return ExitCode::from(runner::stage2::main());
    }
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let s = runner::spawn::spawner::Spawner::start().unwrap();
        let mode = if nix::unistd::geteuid().is_root() {
            runner::host::Mode::Privileged
        } else {
            runner::host::Mode::Unprivileged
        };
        for _ in 0..3 {
            let t = std::time::Instant::now();
            match runner::host::Host::probe(mode, &s).await {
                Ok(h) => println!("{h} {:?}", t.elapsed()),
                Err(e) => println!("{e} {e:?}"),
            }
        }
    });
    ExitCode::SUCCESS
}
