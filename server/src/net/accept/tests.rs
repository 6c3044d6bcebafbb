use std::io::ErrorKind;
use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_mins(10);
const BOUNDS: Bounds = Bounds { connections: 16, header_read: LONG, idle: LONG, drain: LONG };
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// The connection preface, an empty SETTINGS frame (RFC 9113, 3.4 and 6.5).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A HEADERS frame that ends stream 1: `GET http://localhost/` (RFC 7541, static table).
const GET_2: &[u8] = b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost";

struct Server {
    at: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

async fn start(app: Router, bounds: Bounds) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve_within(listener, app, stop.clone(), bounds));
    Server { at, stop, served }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// What comes until the server hangs up.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut bytes).await {}
    bytes
}

async fn sent(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_first_head_is_hung_up_on() {
    let server = start(hello(), Bounds { header_read: SHORT, ..BOUNDS }).await;
    for bytes in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n",
        PREFACE,
        b"GET",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n",
    ] {
        let mut stream = sent(&server, bytes).await;
        let answer = rest(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_finish_a_later_head_is_hung_up_on() {
    let server = start(hello(), Bounds { header_read: SHORT, ..BOUNDS }).await;
    let mut stream = sent(&server, &[GET, b"GET /"].concat()).await;
    let answers = String::from_utf8(rest(&mut stream).await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
}

#[tokio::test]
async fn an_idle_http1_connection_is_hung_up_on() {
    let server = start(hello(), Bounds { header_read: SHORT, ..BOUNDS }).await;
    let mut stream = sent(&server, GET).await;
    assert!(rest(&mut stream).await.ends_with(b"hello"));
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let server = start(hello(), BOUNDS).await;
    let long = "x".repeat(limits::HEADER_BYTES);
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n");
    let mut stream = sent(&server, head.as_bytes()).await;
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test]
async fn an_idle_http2_connection_is_ended_in_order_even_if_the_peer_says_nothing() {
    let server = start(hello(), Bounds { idle: SHORT, header_read: SHORT, ..BOUNDS }).await;
    let mut stream = sent(&server, &[PREFACE, GET_2].concat()).await;
    let frames = rest(&mut stream).await;
    let find = |bytes: &[u8]| frames.windows(bytes.len()).any(|window| window == bytes);
    let goaway = b"\x07\0\0\0\0\0";
    assert!(find(b"hello") && find(goaway), "{frames:?}");
}

#[tokio::test]
async fn a_request_that_runs_keeps_its_connection() {
    let go = Arc::new(Notify::new());
    let app = {
        let go = Arc::clone(&go);
        Router::new().route(
            "/",
            get(move || async move {
                go.notified().await;
                "hello"
            }),
        )
    };
    let server = start(app, Bounds { idle: SHORT, header_read: SHORT, ..BOUNDS }).await;
    let mut waits = sent(&server, GET).await;
    // Two others are hung up on for being idle meanwhile, one after the other.
    for _ in 0..2 {
        rest(&mut sent(&server, b"").await).await;
    }
    go.notify_one();
    assert!(rest(&mut waits).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answer_that_is_not_read_does_not_hold_a_connection_for_ever() {
    let app = hello().route("/big", get(|| async { vec![0_u8; 64 << 20] }));
    let bounds = Bounds { connections: 1, idle: SHORT, header_read: SHORT, ..BOUNDS };
    let server = start(app, bounds).await;
    let unread = sent(&server, b"GET /big HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut next = sent(&server, GET).await;
    assert!(rest(&mut next).await.starts_with(b"HTTP/1.1 200"));
    drop(unread);
}

#[tokio::test]
async fn open_requests_end_before_the_server_does() {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = {
        let (began, go) = (Arc::clone(&began), Arc::clone(&go));
        Router::new().route(
            "/",
            get(move || async move {
                began.notify_one();
                go.notified().await;
                "hello"
            }),
        )
    };
    let server = start(app, BOUNDS).await;
    let mut open = sent(&server, GET).await;
    began.notified().await;
    let mut idle = sent(&server, b"").await;
    server.stop.cancel();
    rest(&mut idle).await;
    let refused = loop {
        match TcpStream::connect(server.at).await {
            Err(error) => break error,
            Ok(stream) => drop(stream),
        }
    };
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(!server.served.is_finished());
    go.notify_one();
    let answer = rest(&mut open).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    server.served.await.unwrap();
}

/// Tells when it is dropped.
struct Ends(Arc<Notify>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// An app whose one request never ends by itself, with its beginning and its end.
fn endless() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = {
        let (began, ended) = (Arc::clone(&began), Arc::clone(&ended));
        Router::new().route(
            "/",
            get(move || async move {
                let ends = Ends(ended);
                began.notify_one();
                std::future::pending::<()>().await;
                drop(ends);
            }),
        )
    };
    (app, began, ended)
}

#[tokio::test]
async fn a_request_that_does_not_end_in_time_is_cut_off_at_the_stop() {
    for request in [GET, &[PREFACE, GET_2].concat()] {
        let (app, began, ended) = endless();
        let server = start(app, Bounds { drain: SHORT, ..BOUNDS }).await;
        let mut open = sent(&server, request).await;
        began.notified().await;
        server.stop.cancel();
        server.served.await.unwrap();
        ended.notified().await;
        assert!(!rest(&mut open).await.starts_with(b"HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_request_ends_when_its_client_hangs_up() {
    for request in [GET, &[PREFACE, GET_2].concat()] {
        let (app, began, ended) = endless();
        let server = start(app, BOUNDS).await;
        let open = sent(&server, request).await;
        began.notified().await;
        drop(open);
        ended.notified().await;
    }
}

#[tokio::test]
async fn no_more_connections_are_served_at_once_than_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let app = {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        Router::new().route(
            "/",
            get(move || async move {
                let open = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(open, Ordering::SeqCst);
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                "hello"
            }),
        )
    };
    let server = start(app, Bounds { connections: 2, ..BOUNDS }).await;
    let head = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(sent(&server, head).await);
    }
    for mut stream in streams {
        assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn only_what_concerns_one_connection_is_tried_again_at_once() {
    const ECONNABORTED: i32 = 103;
    const EMFILE: i32 = 24;
    assert!(of_one_connection(&io::Error::from_raw_os_error(ECONNABORTED)));
    assert!(!of_one_connection(&io::Error::from_raw_os_error(EMFILE)));
}
