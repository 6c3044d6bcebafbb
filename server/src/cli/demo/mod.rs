//! `mcpfusion demo`: everything at once, for a first look. It starts the two programs as an operator
//! would, each with its own rights, and ends them with itself. The serving process is one of them:
//! it starts nothing.

mod child;
mod place;
mod words;

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use self::child::Child;
use self::place::{Place, Users};
use super::args::Demo;
use super::call;
use super::exit::{Failure, INTERNAL, UNAVAILABLE};
use super::reach::Reach;
use crate::admin::protocol::Request;
use crate::auth::token::Token as Bearer;
use crate::clock::Clock;
use crate::exec::client::Runner;
use crate::limits;
use crate::model::caller::UserId;
use crate::model::secret::Secret;
use crate::store::state_dir;
use crate::store::tokens::{NewToken, Owner};

/// For each of the two programs to come up.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const WATCH: Duration = Duration::from_millis(200);

/// What is running, for whoever wants to use it.
#[derive(Debug)]
struct Ready {
    url: Url,
    sse_url: Url,
    token: Secret,
    tools: Vec<String>,
    layers: Vec<String>,
    missing: Vec<String>,
    audit: PathBuf,
}

/// Runs the demo until a signal, or until one of its programs ends.
pub fn run(args: &Demo) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::of(INTERNAL, &e))?;
    runtime.block_on(demo(args))
}

async fn demo(args: &Demo) -> Result<(), Failure> {
    let watched = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [mut interrupt, mut terminate, mut hangup] = watched.map(signal);
    let place = Place::make(state_dir::is_root()).map_err(|e| {
        let dir = std::env::temp_dir();
        let text = format!("cannot make a directory in {}: {e}; set TMPDIR", dir.display());
        Failure::new(UNAVAILABLE, text)
    })?;
    let mut runner = start_runner(args, &place)?;
    let describing = Runner::new(place.socket());
    let about = loop_until(&mut runner, || async { describing.describe().await.ok() }).await?;
    let mut server = start_server(args, &place)?;
    let listen = timeout(PATIENCE, server.announced())
        .await
        .map_err(|_elapsed| Failure::new(UNAVAILABLE, "the server does not answer"))?
        .map_err(|e| Failure::of(UNAVAILABLE, &e))?;
    let listen = listen.ok_or_else(|| Failure::new(UNAVAILABLE, "the server did not start"))?;
    let address = |path: &str| {
        Url::parse(&format!("http://{listen}/{path}")).map_err(|e| Failure::of(INTERNAL, &e))
    };
    let (url, sse_url) = (address("mcp")?, address("sse")?);
    let token = add_token(&place).await?;
    let tools = call::list(&url, Some(&token)).await?;
    let (about, _commands) = about;
    let ready = Ready {
        url,
        sse_url,
        token,
        tools: tools.into_iter().map(|tool| tool.name).collect(),
        layers: about.layers.iter().map(ToString::to_string).collect(),
        missing: about.missing.iter().map(ToString::to_string).collect(),
        audit: place.audit(),
    };
    if args.json { words::json(&ready) } else { words::text(&ready) }
        .map_err(|e| Failure::of(INTERNAL, &e))?;

    let ended = loop {
        tokio::select! {
            () = received(&mut interrupt) => break None,
            () = received(&mut terminate) => break None,
            () = received(&mut hangup) => break None,
            () = sleep(WATCH) => {
                if let Some(ended) = server.ended().or_else(|| runner.ended()) {
                    break Some(ended);
                }
            }
        }
    };
    // The server first: what it still asks of the runner is answered.
    server.stop().await;
    runner.stop().await;
    drop(place);
    ended.map_or(Ok(()), |what| Err(Failure::new(UNAVAILABLE, what)))
}

async fn received(signal: &mut std::io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(signal) => {
            signal.recv().await;
        }
        // It cannot be watched, so its default action stands.
        Err(_) => std::future::pending().await,
    }
}

/// Tries until there is an answer, the child has ended or the patience has.
async fn loop_until<T, F: Future<Output = Option<T>>>(
    child: &mut Child,
    attempt: impl Fn() -> F,
) -> Result<T, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = attempt().await {
            return Ok(answer);
        }
        if let Some(ended) = child.ended() {
            return Err(Failure::new(UNAVAILABLE, ended));
        }
        if Instant::now() > deadline {
            return Err(Failure::new(UNAVAILABLE, format!("{} does not answer", child.name)));
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn start_runner(args: &Demo, place: &Place) -> Result<Child, Failure> {
    let program = match &args.runner_program {
        Some(program) => program.clone(),
        None => beside_this_program("mcpfusion-runner")?,
    };
    let own = rustix::process::geteuid().as_raw().to_string();
    let mut arguments: Vec<OsString> = vec!["serve".into(), "--exit-with-stdin".into()];
    for (flag, path) in [
        ("--policy", place.policy()),
        ("--socket", place.socket()),
        ("--audit", place.audit()),
        ("--state", place.runs()),
    ] {
        arguments.extend([flag.into(), path.into()]);
    }
    arguments.extend(["--allow-uid".into(), own.into()]);
    match place.users {
        Some(Users { server, first }) => {
            let uid = OsString::from(server.to_string());
            arguments.extend(["--allow-uid".into(), uid.clone(), "--socket-group".into(), uid]);
            arguments.extend(["--first-uid".into(), first.to_string().into()]);
        }
        None => arguments.push("--unprivileged".into()),
    }
    Child::start("the runner", &program, &arguments, None).map_err(|e| {
        let hint = "build both programs (`cargo build --release`) or name it with --runner-program";
        Failure::new(UNAVAILABLE, format!("cannot start {}: {e}; {hint}", program.display()))
    })
}

fn start_server(args: &Demo, place: &Place) -> Result<Child, Failure> {
    let port = if is_free(args.port) { args.port } else { 0 };
    let listen = format!("127.0.0.1:{port}");
    let arguments: Vec<OsString> = vec![
        "serve".into(),
        "--announce".into(),
        "--exit-with-stdin".into(),
        "--listen".into(),
        listen.into(),
        "--config".into(),
        place.config().into(),
        "--db-dir".into(),
        place.state().into(),
        "--runner".into(),
        place.socket().into(),
        "--log".into(),
        "warn".into(),
    ];
    // Not by its path: the server's user may not reach the directory that we were started from.
    let program = Path::new("/proc/self/exe");
    Child::start("the server", program, &arguments, place.users.map(|users| users.server)).map_err(
        |e| {
            let hint =
                "the server runs as a user of its own, who must be able to execute this program";
            Failure::new(UNAVAILABLE, format!("cannot start the server: {e}; {hint} (chmod a+rx)"))
        },
    )
}

fn beside_this_program(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|e| Failure::of(INTERNAL, &e))?;
    Ok(own.with_file_name(name))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Adds a token through the running server, as `mcpfusion token add` does.
async fn add_token(place: &Place) -> Result<Secret, Failure> {
    let store = super::reach::Place {
        dir: place.state(),
        clock: Clock::System,
        patience: limits::STORE_HELD,
    };
    let bearer = Bearer::generate().map_err(|e| Failure::of(INTERNAL, &e))?;
    let owner = Owner::New(UserId::generate().map_err(|e| Failure::of(INTERNAL, &e))?);
    let description = "demo".parse().map_err(|e| Failure::of(INTERNAL, &e))?;
    let new = NewToken { hash: bearer.hash(), owner, description, lifetime: None };
    let mut reach = Reach::find(&store, &mut std::io::sink()).await?;
    reach.ask_for_token(Request::TokenAdd(new)).await?;
    Ok(Secret::new(bearer.expose().to_owned()))
}
