use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::reach::{Place, Reach};
use super::screen::{Format, Screen};
use super::status;
use super::token::{self, Add, Consent};
use super::user;
use crate::admin::desk::{Desk, Facts};
use crate::admin::socket::AdminSocket;
use crate::clock::Clock;
use crate::limits;
use crate::model::caller::{TokenHash, UserId};
use crate::store::error::Refusal;
use crate::store::open::Store;
use crate::store::tokens::{NewToken, Owner};

const NOW: u64 = 1_795_348_800;

fn place(dir: &TempDir) -> Place {
    let clock = Clock::fixed(NOW);
    Place { dir: dir.path().to_owned(), clock, patience: limits::STORE_HELD }
}

#[derive(Default)]
struct Printed {
    out: Vec<u8>,
    notes: Vec<u8>,
}

impl Printed {
    fn screen(&mut self) -> Screen<'_> {
        Screen { out: &mut self.out, notes: &mut self.notes }
    }

    fn out(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    fn notes(&self) -> &str {
        std::str::from_utf8(&self.notes).unwrap()
    }

    fn field(&self, name: &str) -> &str {
        self.out().lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
    }
}

fn plain(description: &str) -> Add {
    Add { user: None, description: description.parse().unwrap(), lifetime: None }
}

async fn add(place: &Place, add: Add) -> Printed {
    let mut printed = Printed::default();
    token::add(place, add, &mut printed.screen()).await.unwrap();
    printed
}

async fn list(place: &Place, format: Format) -> String {
    let mut printed = Printed::default();
    token::list(place, format, &mut printed.screen()).await.unwrap();
    printed.out().to_owned()
}

async fn revoke(place: &Place, prefix: &str, answer: Option<&str>) -> Result<Printed, CliError> {
    let mut printed = Printed::default();
    let mut answers = answer.unwrap_or_default().as_bytes();
    let consent = if answer.is_some() { Consent::Ask(&mut answers) } else { Consent::Given };
    token::revoke(place, prefix.parse().unwrap(), consent, &mut printed.screen()).await?;
    Ok(printed)
}

struct Server {
    stop: CancellationToken,
    socket: JoinHandle<()>,
    store: Arc<Store>,
}

impl Server {
    fn start(place: &Place) -> Self {
        let store = Arc::new(Store::open(&place.dir, place.clock.clone()).unwrap());
        let stop = CancellationToken::new();
        let facts = || Facts { listen: vec![], n_tools: 0 };
        let desk = Arc::new(Desk::new(Arc::clone(&store), facts));
        let socket = AdminSocket::bind(&place.dir).unwrap().serve(desk, stop.clone());
        Self { stop, socket: tokio::spawn(socket), store }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.socket.await.unwrap();
        self.store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_token_is_managed_the_same_way_with_and_without_a_server() {
    for has_server in [false, true] {
        let dir = TempDir::new().unwrap();
        let place = place(&dir);
        let server = has_server.then(|| Server::start(&place));

        let added = add(&place, plain("Ann's laptop")).await;
        let (text, hash) = (added.field("Token:").to_owned(), added.field("Hash:").to_owned());
        let user = added.field("User:");
        assert!(text.starts_with("mcpf_") && TokenHash::of(&text).short() == hash);
        assert_eq!(added.field("Expires:"), "never");
        if let Some(server) = &server {
            let caller = server.store.tokens().find(&TokenHash::of(&text)).unwrap();
            assert_eq!(caller.user.to_string(), user);
        }

        let listed = list(&place, Format::Table).await;
        assert!(listed.contains(&hash) && listed.contains("Ann's laptop"), "{listed}");
        assert!(!listed.contains(&text), "the token is shown again");

        let printed = revoke(&place, hash.get(..6).unwrap(), None).await.unwrap();
        assert!(printed.out().starts_with(&format!("Revoked token {hash} \"Ann's laptop\"")));
        assert!(!list(&place, Format::Table).await.contains(&hash));
        if let Some(server) = server {
            assert!(server.store.tokens().find(&TokenHash::of(&text)).is_none());
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_table_shows_when_and_whose() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let user = UserId("0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap());
    let store = Store::open(&place.dir, place.clock.clone()).unwrap();
    for (text, owner, lifetime) in
        [("a", Owner::New(user), None), ("b", Owner::Existing(user), Some("30d"))]
    {
        let lifetime = lifetime.map(|text| text.parse().unwrap());
        let description = format!("token {text}").parse().unwrap();
        let new = NewToken { hash: TokenHash::of(text), owner, description, lifetime };
        store.add_token(new).await.unwrap();
    }
    store.tokens().find(&TokenHash::of("a")).unwrap();
    store.keep_uses().await.unwrap();
    drop(store);
    assert_eq!(
        list(&place, Format::Table).await,
        "\
HASH          USER                                  DESCRIPTION  CREATED               LAST USED             EXPIRES
3e23e8160039  0f8fad5b-d9cb-469f-a165-70867728950e  token b      2026-11-22T12:00:00Z  never                 2026-12-22T12:00:00Z
ca978112ca1b  0f8fad5b-d9cb-469f-a165-70867728950e  token a      2026-11-22T12:00:00Z  2026-11-22T12:00:00Z  never
"
    );
    let json: serde_json::Value = serde_json::from_str(&list(&place, Format::Json).await).unwrap();
    assert_eq!(json[0]["hash"], TokenHash::of("b").to_string());
    assert_eq!(json[0]["expires_at"], "2026-12-22T12:00:00Z");
    assert_eq!(json[0]["last_used_at"], serde_json::Value::Null);
    assert_eq!(json[1]["last_used_at"], "2026-11-22T12:00:00Z");

    let mut printed = Printed::default();
    user::list(&place, Format::Table, &mut printed.screen()).await.unwrap();
    assert_eq!(
        printed.out(),
        "\
USER                                  DESCRIPTION  CREATED               TOKENS
0f8fad5b-d9cb-469f-a165-70867728950e  token a      2026-11-22T12:00:00Z  2
"
    );
    let later = Place { clock: Clock::fixed(NOW + 30 * 86_400), ..place };
    assert!(list(&later, Format::Table).await.contains("2026-12-22T12:00:00Z (over)\n"));
}

#[tokio::test]
async fn a_second_token_of_a_user_needs_that_user_to_be_there() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let user: UserId = UserId(add(&place, plain("one")).await.field("User:").parse().unwrap());
    let second = Add { user: Some(user), ..plain("two") };
    assert_eq!(add(&place, second).await.field("User:"), user.to_string());

    let nobody = Add { user: Some(UserId::LOCAL), ..plain("three") };
    let refused = token::add(&place, nobody, &mut Printed::default().screen()).await;
    assert!(matches!(refused, Err(CliError::Refused(Refusal::UnknownUser { .. }))));
}

#[tokio::test]
async fn a_revocation_asks_and_only_yes_is_yes() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let hash = add(&place, plain("Ann")).await.field("Hash:").to_owned();
    for answer in ["", "\n", "n\n", "yess\n", "no y\n"] {
        let declined = revoke(&place, &hash, Some(answer)).await;
        assert!(matches!(declined, Err(CliError::Declined)), "{answer:?}");
    }
    let printed = revoke(&place, &hash, Some("Y\n")).await.unwrap();
    assert!(printed.notes().starts_with(&format!("Revoke token {hash} \"Ann\" of user ")));
    let unknown = revoke(&place, &hash, Some("y\n")).await;
    assert!(matches!(unknown, Err(CliError::Refused(Refusal::UnknownToken { .. }))));
    let unknown = revoke(&place, &hash, None).await;
    assert!(matches!(unknown, Err(CliError::Refused(Refusal::UnknownToken { .. }))));
}

#[tokio::test]
async fn lists_longer_than_a_page_are_whole() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let server = Server::start(&place);
    let n_tokens = 2 * limits::ADMIN_PAGE + 1;
    for n in 0..n_tokens {
        let owner = Owner::New(UserId::generate().unwrap());
        let hash = TokenHash::of(&n.to_string());
        let description = n.to_string().parse().unwrap();
        server
            .store
            .add_token(NewToken { hash, owner, description, lifetime: None })
            .await
            .unwrap();
    }
    let mut reach = Reach::find(&place, &mut Vec::new()).await.unwrap();
    assert!(matches!(reach, Reach::Running(_)));
    assert_eq!(reach.tokens().await.unwrap().len(), n_tokens);
    assert_eq!(reach.users().await.unwrap().len(), n_tokens);
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_was_not_there_is_made_and_mentioned() {
    let dir = TempDir::new().unwrap();
    let place = Place { dir: dir.path().join("typo"), ..place(&dir) };
    let mut notes = Vec::new();
    drop(Reach::find(&place, &mut notes).await.unwrap());
    let notes = String::from_utf8(notes).unwrap();
    assert_eq!(notes, format!("no store was in {}; made one\n", place.dir.display()));
    let mut notes = Vec::new();
    drop(Reach::find(&place, &mut notes).await.unwrap());
    assert_eq!(notes, b"");
}

#[tokio::test]
async fn listing_what_is_not_there_makes_nothing() {
    let dir = TempDir::new().unwrap();
    let place = Place { dir: dir.path().join("typo"), ..place(&dir) };
    let refused = Reach::existing(&place, &mut Vec::new()).await;
    assert!(matches!(refused, Err(CliError::NoStore { .. })), "{refused:?}");
    assert!(!place.dir.exists());
}

#[tokio::test]
async fn status_is_that_of_a_running_server() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let mut printed = Printed::default();
    let stopped = status::show(&place, &mut printed.screen()).await;
    assert!(matches!(stopped, Err(CliError::NotRunning { .. })), "{stopped:?}");
    let server = Server::start(&place);
    status::show(&place, &mut printed.screen()).await.unwrap();
    assert_eq!(printed.field("Process:"), std::process::id().to_string());
    assert_eq!(printed.field("Listens:"), "not yet");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_just_starting_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let place = Place { patience: Duration::from_mins(1), ..place(&dir) };
    let store = Store::open(&place.dir, place.clock.clone()).unwrap();
    let mut notes = Vec::new();
    let starting = async {
        let desk = Desk::new(Arc::new(store), || Facts { listen: vec![], n_tools: 0 });
        let socket = AdminSocket::bind(&place.dir).unwrap();
        tokio::spawn(socket.serve(Arc::new(desk), CancellationToken::new()));
    };
    let (reach, ()) = tokio::join!(Reach::find(&place, &mut notes), starting);
    assert!(matches!(reach, Ok(Reach::Running(_))), "{reach:?}");
    assert_eq!(notes, b"another process holds the store; waiting for it to answer\n");
}

#[tokio::test]
async fn a_store_that_stays_held_is_an_error_that_says_so() {
    let dir = TempDir::new().unwrap();
    let place = Place { patience: Duration::from_millis(1), ..place(&dir) };
    let _store = Store::open(&place.dir, place.clock.clone()).unwrap();
    let mut notes = Vec::new();
    let held = Reach::find(&place, &mut notes).await;
    assert!(matches!(held, Err(CliError::Held { .. })));
    assert_eq!(notes, b"another process holds the store; waiting for it to answer\n");
}

#[tokio::test]
async fn a_token_that_cannot_be_shown_is_reported_by_its_hash() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let mut no_room: &mut [u8] = &mut [0; 10];
    let mut notes = Vec::new();
    let mut screen = Screen { out: &mut no_room, notes: &mut notes };
    let failed = token::add(&place, plain("unseen"), &mut screen).await;
    let Err(CliError::Unshown { hash, .. }) = failed else { panic!("{failed:?}") };
    assert!(list(&place, Format::Table).await.contains(&hash.short()));
}
