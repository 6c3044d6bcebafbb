use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::desk::{Desk, Facts};
use super::protocol::{Reply, Request, SOCKET};
use super::socket::{AdminSocket, BindError};
use crate::clock::Clock;
use crate::limits;
use crate::model::caller::{TokenHash, UserId};
use crate::store::error::Refusal;
use crate::store::open::Store;
use crate::store::tokens::{NewToken, Owner};

struct Running {
    dir: TempDir,
    desk: Arc<Desk>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Running {
    fn start() -> Self {
        Self::start_with(limits::ADMIN_REQUEST)
    }

    fn start_with(patience: Duration) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(Store::open(dir.path(), Clock::fixed(1_000)).unwrap());
        let facts = || Facts { listen: vec!["127.0.0.1:8888".parse().unwrap()], n_tools: 7 };
        let desk = Arc::new(Desk::new(store, facts));
        let stop = CancellationToken::new();
        let mut socket = AdminSocket::bind(dir.path()).unwrap();
        socket.patience = patience;
        let server = tokio::spawn(socket.serve(Arc::clone(&desk), stop.clone()));
        Self { dir, desk, stop, server }
    }

    async fn client(&self) -> Client {
        Client::connect(self.dir.path()).await.unwrap().unwrap()
    }

    async fn stream(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(self.dir.path().join(SOCKET)).await.unwrap())
    }
}

fn new(hash: TokenHash) -> NewToken {
    let owner = Owner::New(UserId::generate().unwrap());
    NewToken { hash, owner, description: "a token".parse().unwrap(), lifetime: None }
}

#[tokio::test]
async fn a_token_is_added_listed_and_revoked_while_the_server_runs() {
    let running = Running::start();
    let mut client = running.client().await;
    let hash = TokenHash([7; 32]);
    let Reply::Token(added) = client.ask(&Request::TokenAdd(new(hash))).await.unwrap() else {
        panic!("not added");
    };
    assert!(running.desk.store().tokens().find(&hash).is_some());
    let listed = client.ask(&Request::TokenList(None)).await.unwrap();
    assert_eq!(
        listed,
        Reply::Tokens(vec![crate::store::tokens::Token {
            last_used_at: Some(crate::clock::Timestamp(1_000)),
            ..added.clone()
        }])
    );
    assert_eq!(client.ask(&Request::TokenList(Some(hash))).await.unwrap(), Reply::Tokens(vec![]));
    let Reply::Users(users) = client.ask(&Request::UserList(None)).await.unwrap() else {
        panic!("no users");
    };
    assert_eq!(users[0].id, added.user);

    let revoke = Request::TokenRevoke(hash.into());
    assert!(matches!(client.ask(&revoke).await.unwrap(), Reply::Token(gone) if gone.hash == hash));
    assert!(running.desk.store().tokens().find(&hash).is_none());
    let again = client.ask(&revoke).await.unwrap();
    assert_eq!(again, Reply::Refused(Refusal::UnknownToken { prefix: hash.into() }));
}

#[tokio::test]
async fn status_says_what_runs() {
    let running = Running::start();
    let Reply::Status(status) = running.client().await.ask(&Request::Status).await.unwrap() else {
        panic!("no status");
    };
    assert_eq!((status.pid, status.n_tools), (std::process::id(), 7));
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(status.listen[0].port(), 8888);
}

#[tokio::test]
async fn a_garbled_line_is_refused_and_the_connection_goes_on() {
    let running = Running::start();
    let mut stream = running.stream().await;
    for garbled in [
        "",
        "{",
        "null",
        "\u{0}",
        r#"{"verb":"status"} {"verb":"status"}"#,
        r#"{"verb":"shutdown"}"#,
        r#"{"verb":"token_revoke","with":"abc"}"#,
        r#"{"verb":"token_list","with":null,"more":1}"#,
    ] {
        stream.write_all(format!("{garbled}\n").as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_line(&mut reply).await.unwrap();
        assert!(reply.contains("the line is not understood"), "{garbled}: {reply}");
    }
    stream.write_all(b"{\"verb\":\"status\"}\n").await.unwrap();
    let mut reply = String::new();
    stream.read_line(&mut reply).await.unwrap();
    assert!(reply.starts_with(r#"{"reply":"status""#), "{reply}");
}

#[tokio::test]
async fn a_line_over_the_limit_ends_its_connection_and_no_other() {
    let running = Running::start();
    let mut stream = running.stream().await;
    stream.write_all(&vec![b' '; limits::ADMIN_LINE + 1]).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("longer than 65536 bytes"), "{reply}");
    assert!(running.client().await.ask(&Request::Status).await.is_ok());
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let running = Running::start_with(Duration::from_millis(1));
    let mut stream = running.stream().await;
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn one_connection_too_many_waits_for_another_to_end() {
    let running = Running::start();
    let mut clients = Vec::new();
    for _ in 0..limits::ADMIN_CONNECTIONS {
        let mut client = running.client().await;
        client.ask(&Request::Status).await.unwrap();
        clients.push(client);
    }
    let mut late = running.client().await;
    let asked = tokio::spawn(async move { late.ask(&Request::Status).await });
    for client in &mut clients {
        client.ask(&Request::Status).await.unwrap();
    }
    assert!(!asked.is_finished());
    clients.pop();
    assert!(matches!(asked.await.unwrap(), Ok(Reply::Status(_))));
}

#[tokio::test]
async fn the_longest_records_fill_a_page_and_no_more() {
    let running = Running::start();
    let longest = "\u{1f600}".repeat(limits::DESCRIPTION);
    for n in 0..=limits::ADMIN_PAGE {
        let hash = TokenHash::of(&n.to_string());
        let description = longest.parse().unwrap();
        let lifetime = Some("36525d".parse().unwrap());
        let new = NewToken { description, lifetime, ..new(hash) };
        running.desk.store().add_token(new).await.unwrap();
        running.desk.store().tokens().find(&hash).unwrap();
    }
    let mut client = running.client().await;
    let Reply::Tokens(tokens) = client.ask(&Request::TokenList(None)).await.unwrap() else {
        panic!("no tokens");
    };
    assert_eq!(tokens.len(), limits::ADMIN_PAGE);
    let Reply::Users(users) = client.ask(&Request::UserList(None)).await.unwrap() else {
        panic!("no users");
    };
    assert_eq!(users.len(), limits::ADMIN_PAGE);
}

#[tokio::test]
async fn the_socket_is_ours_alone_and_goes_when_the_server_stops() {
    let running = Running::start();
    let path = running.dir.path().join(SOCKET);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let _idle = running.client().await;
    running.stop.cancel();
    running.server.await.unwrap();
    assert!(!path.exists());
    assert!(Client::connect(running.dir.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_anything_else_is_not() {
    let dir = TempDir::new().unwrap();
    drop(AdminSocket::bind(dir.path()).unwrap());
    assert!(dir.path().join(SOCKET).exists());
    assert!(Client::connect(dir.path()).await.unwrap().is_none());
    drop(AdminSocket::bind(dir.path()).unwrap());

    fs::remove_file(dir.path().join(SOCKET)).unwrap();
    fs::write(dir.path().join(SOCKET), "precious").unwrap();
    assert!(matches!(AdminSocket::bind(dir.path()), Err(BindError::InTheWay { .. })));
    assert_eq!(fs::read(dir.path().join(SOCKET)).unwrap(), b"precious");
}
