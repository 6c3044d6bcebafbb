//! `mcpfusion serve`.

use std::io::{self, IsTerminal, Write};
use std::thread;

use serde_json::json;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::args::Serve;
use super::exit::{Failure, INTERNAL};
use super::surroundings;
use crate::app::App;
use crate::harden::harden;

/// Serves until a signal says stop.
pub fn run(args: &Serve) -> Result<(), Failure> {
    surroundings::look(|host| {
        let settings = surroundings::find_settings(&args.flags(), host)?;
        tracing_subscriber::fmt()
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .with_env_filter(EnvFilter::new(&settings.log))
            .init();
        harden().map_err(|e| Failure::of(INTERNAL, &e))?;
        if host.is_root {
            tracing::warn!("this runs as root and needs none of it; give it a user of its own");
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers())
            .enable_all()
            .build()
            .map_err(|e| Failure::of(INTERNAL, &e))?;
        runtime.block_on(async {
            let stop =
                stop_on_signals(args.exit_with_stdin).map_err(|e| Failure::of(INTERNAL, &e))?;
            let app = App::start(&settings, &|name| host.variable(name)).await?;
            for address in app.addresses() {
                tracing::info!("listening on http://{address}/mcp");
            }
            if args.announce {
                announce(&app).map_err(|e| Failure::of(INTERNAL, &e))?;
            }
            app.serve(stop).await;
            Ok(())
        })
    })?
}

/// Calls wait for others and seldom compute: a few threads serve many.
fn workers() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8))
}

/// TERM, INT and HUP stop; with `stdin`, so does its end.
fn stop_on_signals(stdin: bool) -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    let on_signal = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, _ = hup.recv() => {} }
        on_signal.cancel();
    });
    if stdin {
        let on_end = stop.clone();
        thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
            on_end.cancel();
        })?;
    }
    Ok(stop)
}

fn announce(app: &App) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", json!({"listen": app.addresses()}))?;
    out.flush()
}
