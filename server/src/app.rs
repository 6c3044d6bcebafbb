//! The server as a whole: what is made in which order, and what ends in which order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::desk::{Desk, Facts};
use crate::admin::socket::{AdminSocket, BindError};
use crate::api::client::{Client, ClientError};
use crate::auth::Access;
use crate::call::engine::Engine;
use crate::catalog::{Catalog, CatalogError};
use crate::clock::Clock;
use crate::config::diagnostic::Report;
use crate::config::{self, Loaded, render};
use crate::exec::client::Runner;
use crate::http::origin::{Hosts, InvalidHost};
use crate::http::router::{HttpState, router};
use crate::limits;
use crate::net::accept;
use crate::settings::{Callers, Settings};
use crate::store::open::{OpenError, Store};

/// What `${NAME}` in a config file stands for, beside the environment: where we listen.
const LISTEN_VARIABLE: &str = "MCP_FUSION_LISTEN";

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else holds a state directory's admin socket.
    #[error(transparent)]
    Admin(#[from] BindError),
    /// Nothing can be asked of APIs.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// The tools of the config files do not go together.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The config files have errors.
    #[error("{}", render::Text(.0))]
    Config(Report),
    /// A name of the settings is none.
    #[error("--allowed-hosts: {0}")]
    Host(#[from] InvalidHost),
    /// Somebody listens on an address already.
    #[error(
        "cannot listen on {address}: address already in use; stop what listens there, or choose \
         another address with --listen"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// A server that is ready to take connections.
#[derive(Debug)]
pub struct App {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    state: Arc<HttpState>,
    engine: Arc<Engine>,
    store: Arc<Store>,
    admin: AdminSocket,
    runner: Runner,
}

impl App {
    /// Makes everything that can fail. `variable` is a variable of the environment.
    pub async fn start(
        settings: &Settings,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let listeners = listen(&settings.listen).await?;
        let addresses: Vec<_> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
        // A config may name this server itself, also when the kernel chose the port.
        let at = addresses.first().map(ToString::to_string);
        let variable =
            |name: &str| if name == LISTEN_VARIABLE { at.clone() } else { variable(name) };
        let Loaded { tools, warnings } =
            config::load(&settings.configs, &variable).map_err(StartError::Config)?;
        for line in render::Text(&warnings).to_string().lines() {
            tracing::warn!("{line}");
        }
        let catalog = Catalog::build(tools)?;
        if catalog.is_empty() {
            tracing::warn!("there are no tools: name config files with --config");
        }
        let runner = Runner::new(settings.runner.clone());
        let engine = Arc::new(Engine::new(catalog, Client::new()?, runner.clone()));
        let store = Store::open_within(limits::STORE_HELD, &settings.db_dir, Clock::System).await?;
        let admin = AdminSocket::bind(&settings.db_dir)?;
        let access = match settings.callers {
            Callers::Authenticated => Access::Tokens(Arc::clone(store.tokens())),
            Callers::Everyone => Access::NoAuth,
        };
        let extra: Vec<_> = settings.allowed_hosts.iter().map(String::as_str).collect();
        let hosts = Hosts::new(&addresses, &extra)?;
        let state = Arc::new(HttpState::new(access, Arc::clone(&engine), hosts));
        Ok(Self { listeners, addresses, state, engine, store: Arc::new(store), admin, runner })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop`, then ends in this order: connections, calls, admin requests, the store.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { listeners, addresses, state, engine, store, admin, runner } = self;
        let app = router(Arc::clone(&state));
        let fronts = TaskTracker::new();
        for listener in listeners {
            fronts.spawn(accept::serve(listener, app.clone(), stop.clone()));
        }
        let stop_back = CancellationToken::new();
        let backs = TaskTracker::new();
        let facts = move || Facts { listen: addresses.clone(), n_tools: engine.catalog().len() };
        let desk = Arc::new(Desk::new(Arc::clone(&store), facts));
        backs.spawn(admin.serve(desk, stop_back.clone()));
        let (uses, until) = (Arc::clone(&store), stop_back.clone());
        backs.spawn(async move { uses.keep_uses_until(until).await });
        backs.spawn(tell_runner(runner));
        fronts.close();
        backs.close();

        fronts.wait().await;
        state.mcp.stop().await;
        stop_back.cancel();
        backs.wait().await;
        if let Err(error) = store.close().await {
            tracing::error!(%error, "the store did not close well");
        }
    }
}

async fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let bound = TcpListener::bind(address).await.map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                StartError::InUse { address }
            } else {
                StartError::Listen { address, source }
            }
        });
        listeners.push(bound?);
    }
    Ok(listeners)
}

/// Says at the start what commands can count on; that the runner comes later is no error.
async fn tell_runner(runner: Runner) {
    match runner.describe().await {
        Ok((about, commands)) => {
            tracing::info!(version = %about.version, commands = commands.len(), "the runner answers");
            for missing in about.missing.iter() {
                tracing::warn!("the runner misses a layer: {missing}");
            }
        }
        Err(error) => tracing::warn!(%error, "command tools will fail until the runner answers"),
    }
}
