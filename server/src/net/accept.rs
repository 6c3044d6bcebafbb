//! The accept loop: connections in number, in time and to their end. It owns every connection
//! task; when it returns, none is left.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::limits;

/// Serves `app` on `listener` until `stop`, then lets open requests end for [`limits::DRAIN`].
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    serve_within(listener, app, stop, Bounds::STANDARD).await;
}

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Open at one time; more wait in the kernel's queue.
    pub connections: usize,
    /// For a request's head to arrive, over HTTP/1 also when the connection is idle; for an
    /// acknowledgement over HTTP/2.
    pub header_read: Duration,
    /// Without a request, before the connection is ended in order.
    pub idle: Duration,
    /// For open requests, after the stop.
    pub drain: Duration,
}

impl Bounds {
    /// As `limits` says.
    pub const STANDARD: Self = Self {
        connections: limits::CONNECTIONS,
        header_read: limits::HEADER_READ,
        idle: limits::CONNECTION_IDLE,
        drain: limits::DRAIN,
    };
}

/// [`serve`] with bounds of one's own.
pub async fn serve_within(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
    bounds: Bounds,
) {
    let slots = Arc::new(Semaphore::new(bounds.connections));
    let tasks = Tasks::default();
    let http = Arc::new(protocol(tasks.clone(), bounds));
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, stream) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = next => next,
        };
        let (http, app, stop) = (Arc::clone(&http), app.clone(), stop.clone());
        tasks.execute(async move {
            connection(&http, stream, app, stop, bounds).await;
            drop(slot);
        });
    }
    drop(listener);
    tasks.tracker.close();
    if timeout(bounds.drain, tasks.tracker.wait()).await.is_err() {
        warn!("requests did not end in time and are cut off");
        tasks.cut.cancel();
        tasks.tracker.wait().await;
    }
}

/// The tasks of all connections, and those that hyper starts for the streams of HTTP/2.
#[derive(Debug, Clone, Default)]
struct Tasks {
    tracker: TaskTracker,
    cut: CancellationToken,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let cut = self.cut.clone();
        self.tracker.spawn(async move { cut.run_until_cancelled_owned(task).await.map(drop) });
    }
}

fn protocol(tasks: Tasks, bounds: Bounds) -> auto::Builder<Tasks> {
    let mut http = auto::Builder::new(tasks);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read)
        .max_buf_size(limits::HEADER_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(bounds.header_read)
        .keep_alive_timeout(bounds.header_read);
    http
}

/// The next connection. An error ends neither the loop nor another connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                // Without it an answer in two writes waits 40 ms for the peer's delayed ACK.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "cannot switch off Nagle's algorithm");
                }
                return stream;
            }
            Err(error) if of_one_connection(&error) => debug!(%error, "a connection was lost"),
            Err(error) => {
                warn!(%error, "cannot accept connections at the moment");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the next accept may well succeed at once (accept(2), "Error handling").
fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// One connection. hyper bounds the wait for a head over HTTP/1, the first and each later one. What
/// else a peer can hold a connection by is bounded here: sending nothing or half an HTTP/2 preface,
/// an HTTP/2 connection without requests, an answer that is not read, an end that is not
/// acknowledged.
async fn connection(
    http: &auto::Builder<Tasks>,
    stream: TcpStream,
    app: Router,
    stop: CancellationToken,
    bounds: Bounds,
) {
    let activity = Arc::new(Activity::default());
    let app = TowerToHyperService::new(app);
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request: hyper::Request<Incoming>| {
            let busy = Busy::begin(&activity);
            let answer = app.call(request);
            async move {
                let answer = answer.await;
                drop(busy);
                answer
            }
        })
    };
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut check = pin!(sleep(bounds.header_read));
    let mut seen = 0;
    let mut closing = false;
    loop {
        tokio::select! {
            end = served.as_mut() => {
                if let Err(error) = end {
                    debug!(%error, "a connection ended early");
                }
                return;
            }
            () = stop.cancelled(), if !closing => {
                closing = true;
                served.as_mut().graceful_shutdown();
            }
            () = check.as_mut() => {
                let begun = activity.begun.load(Ordering::Relaxed);
                let quiet = begun == seen && activity.open.load(Ordering::Relaxed) == 0;
                if begun == 0 || (quiet && closing) {
                    return;
                }
                if quiet {
                    closing = true;
                    served.as_mut().graceful_shutdown();
                }
                seen = begun;
                let next = if closing { bounds.header_read } else { bounds.idle };
                check.as_mut().reset(Instant::now() + next);
            }
        }
    }
}

/// The requests of one connection.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicUsize,
    open: AtomicUsize,
}

/// A request that is being answered.
struct Busy(Arc<Activity>);

impl Busy {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
