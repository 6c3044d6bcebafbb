use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::FileBackend;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::{ReadError, Refusal, WriteError};
use super::open::{OpenError, Store, create_tables};
use super::state_dir::{FILE, holds_store, is_writable};
use super::tables::{META, SCHEMA_KEY, encode};
use super::tokens::{NewToken, Owner, Token};
use crate::auth::table::Tokens;
use crate::clock::{Clock, Timestamp};
use crate::limits;
use crate::model::caller::{TokenHash, UserId};
use crate::model::description::Description;

const NOW: u64 = 1_795_348_800;

fn open(dir: &Path) -> Store {
    Store::open(dir, Clock::fixed(NOW)).unwrap()
}

fn new(text: &str, owner: Owner) -> NewToken {
    let description = format!("token {text}").parse().unwrap();
    NewToken { hash: TokenHash::of(text), owner, description, lifetime: None }
}

async fn add(store: &Store, text: &str) -> Token {
    store.add_token(new(text, Owner::New(UserId::generate().unwrap()))).await.unwrap()
}

fn is_known(store: &Store, text: &str) -> bool {
    store.tokens().find(&TokenHash::of(text)).is_some()
}

#[tokio::test]
async fn a_token_and_its_new_user_outlive_the_process() {
    let dir = TempDir::new().unwrap();
    let user = UserId::generate().unwrap();
    let lifetime = Some("30d".parse().unwrap());
    let store = open(dir.path());
    let added = store.add_token(NewToken { lifetime, ..new("a", Owner::New(user)) }).await.unwrap();
    assert_eq!(added.created_at, Timestamp(NOW));
    assert_eq!(added.expires_at, Some(Timestamp(NOW + 30 * 86_400)));
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.list_tokens(None, 10).unwrap(), [added]);
    let users = store.users(None, 10).unwrap();
    assert_eq!((users[0].id, users[0].description.as_str()), (user, "token a"));
    assert_eq!(store.tokens().find(&TokenHash::of("a")).unwrap().user, user);
}

#[tokio::test]
async fn a_token_that_expired_while_the_server_was_down_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let lifetime = Some("1m".parse().unwrap());
    let owner = Owner::New(UserId::generate().unwrap());
    store.add_token(NewToken { lifetime, ..new("a", owner) }).await.unwrap();
    assert!(is_known(&store, "a"));
    drop(store);
    let store = Store::open(dir.path(), Clock::fixed(NOW + 60)).unwrap();
    assert!(!is_known(&store, "a"));
}

#[tokio::test]
async fn the_tokens_of_two_users_never_mix() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (ann, bob) = (UserId::generate().unwrap(), UserId::generate().unwrap());
    for (text, owner) in [
        ("ann1", Owner::New(ann)),
        ("bob1", Owner::New(bob)),
        ("ann2", Owner::Existing(ann)),
        ("bob2", Owner::Existing(bob)),
    ] {
        store.add_token(new(text, owner)).await.unwrap();
    }
    let user_of = |text| store.tokens().find(&TokenHash::of(text)).map(|caller| caller.user);
    assert_eq!((user_of("ann1"), user_of("ann2")), (Some(ann), Some(ann)));
    assert_eq!((user_of("bob1"), user_of("bob2")), (Some(bob), Some(bob)));

    assert_eq!(store.delete_user(ann).await.unwrap(), 2);
    assert_eq!((user_of("ann1"), user_of("ann2")), (None, None));
    assert_eq!((user_of("bob1"), user_of("bob2")), (Some(bob), Some(bob)));
    let left = store.list_tokens(None, 10).unwrap();
    assert!(left.len() == 2 && left.iter().all(|token| token.user == bob));
    assert_eq!(store.users(None, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let gone = add(&store, "gone").await;
    add(&store, "stays").await;
    let prefix = gone.hash.short().parse().unwrap();
    assert_eq!(store.revoke_token(prefix).await.unwrap(), gone);
    assert!(!is_known(&store, "gone") && is_known(&store, "stays"));
    drop(store);
    let store = open(dir.path());
    assert!(!is_known(&store, "gone") && is_known(&store, "stays"));
}

#[tokio::test]
async fn a_prefix_must_name_one_token() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for last in [1, 2] {
        let mut hash = [0xab; 32];
        hash[31] = last;
        let owner = Owner::New(UserId::generate().unwrap());
        let new = NewToken { hash: TokenHash(hash), ..new("x", owner) };
        store.add_token(new).await.unwrap();
    }
    let refusal = |prefix: &str| {
        let revoked = store.revoke_token(prefix.parse().unwrap());
        async { revoked.await.unwrap_err().to_string() }
    };
    assert_eq!(refusal("ababab").await, "ababab names 2 tokens; give more digits of the hash");
    assert_eq!(
        refusal("cdcdcd").await,
        "no token's hash starts with cdcdcd; `token list` shows them"
    );
    assert_eq!(store.list_tokens(None, 10).unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let nobody = UserId::generate().unwrap();
    let refused = store.add_token(new("a", Owner::Existing(nobody))).await;
    assert!(
        matches!(refused, Err(WriteError::Refused(Refusal::UnknownUser { user })) if user == nobody)
    );
    assert!(!is_known(&store, "a"));

    let added = add(&store, "b").await;
    let refused = store.add_token(new("b", Owner::New(nobody))).await;
    assert!(matches!(refused, Err(WriteError::Refused(Refusal::TokenExists { .. }))));
    let refused = store.add_token(new("c", Owner::New(added.user))).await;
    assert!(matches!(refused, Err(WriteError::Refused(Refusal::UserExists { .. }))));
    let refused = store.add_user(added.user, Description::default()).await;
    assert!(matches!(refused, Err(WriteError::Refused(Refusal::UserExists { .. }))));
    let refused = store.delete_user(nobody).await;
    assert!(matches!(refused, Err(WriteError::Refused(Refusal::UnknownUser { .. }))));

    assert_eq!(store.list_tokens(None, 10).unwrap(), [added]);
    assert_eq!(store.users(None, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for n in 0..7 {
        add(&store, &n.to_string()).await;
    }
    let (mut tokens, mut users) = (Vec::new(), Vec::new());
    while let page = store.list_tokens(tokens.last().map(|t: &Token| t.hash), 3).unwrap()
        && !page.is_empty()
    {
        tokens.extend(page);
    }
    while let page = store.users(users.last().map(|u: &super::users::User| u.id), 3).unwrap()
        && !page.is_empty()
    {
        users.extend(page);
    }
    assert!(tokens.is_sorted_by_key(|token| token.hash) && tokens.len() == 7);
    assert!(users.is_sorted_by_key(|user| user.id) && users.len() == 7);
}

#[tokio::test]
async fn sixty_four_adds_at_once_are_all_kept() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(dir.path()));
    let mut adds = JoinSet::new();
    for n in 0..64 {
        let store = Arc::clone(&store);
        adds.spawn(async move { add(&store, &format!("token {n}")).await.hash });
    }
    let mut hashes = adds.join_all().await;
    hashes.sort();
    store.close().await.unwrap();
    drop(store);
    let kept: Vec<_> =
        open(dir.path()).list_tokens(None, 100).unwrap().iter().map(|token| token.hash).collect();
    assert_eq!((kept.len(), kept), (64, hashes));
}

#[tokio::test]
async fn of_two_racing_adds_of_one_token_one_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (one, other) = (UserId::generate().unwrap(), UserId::generate().unwrap());
    let (first, second) = tokio::join!(
        store.add_token(new("a", Owner::New(one))),
        store.add_token(new("a", Owner::New(other)))
    );
    assert!(first.is_ok() ^ second.is_ok());
    assert_eq!(store.users(None, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn uses_are_kept_in_one_change_and_do_not_bring_a_token_back() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    add(&store, "a").await;
    let gone = add(&store, "gone").await;
    assert!(is_known(&store, "a") && is_known(&store, "gone"));
    let seen = store.list_tokens(None, 10).unwrap();
    assert!(seen.iter().all(|token| token.last_used_at == Some(Timestamp(NOW))));
    store.revoke_token(gone.hash.into()).await.unwrap();
    assert_eq!(store.keep_uses().await.unwrap(), 1);
    assert_eq!(store.keep_uses().await.unwrap(), 0);
    drop(store);

    let kept = open(dir.path()).list_tokens(None, 10).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].last_used_at, Some(Timestamp(NOW)));
}

#[tokio::test]
async fn the_last_uses_are_kept_when_the_server_stops() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(dir.path()));
    add(&store, "a").await;
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(is_known(&store, "a"));
    let keeper = Arc::clone(&store);
    tokio::spawn(async move { keeper.keep_uses_until(stop).await }).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let kept = open(dir.path()).list_tokens(None, 10).unwrap();
    assert_eq!(kept[0].last_used_at, Some(Timestamp(NOW)));
}

#[tokio::test]
async fn a_closed_store_refuses_and_closes_once() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.close().await.unwrap();
    store.close().await.unwrap();
    let refused = store.add_token(new("a", Owner::New(UserId::LOCAL))).await;
    assert!(matches!(refused, Err(WriteError::Closed)));
    assert!(matches!(store.list_tokens(None, 1), Err(ReadError::Closed)));
    drop(open(dir.path()));
}

#[test]
fn a_second_opener_is_told_that_the_store_is_held() {
    let dir = TempDir::new().unwrap();
    let _first = open(dir.path());
    let second = Store::open(dir.path(), Clock::System);
    assert!(matches!(second, Err(OpenError::Held { .. })), "{second:?}");
}

#[tokio::test]
async fn a_store_that_is_let_go_in_time_opens() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path());
    let (second, ()) = tokio::join!(
        Store::open_within(Duration::from_mins(1), dir.path(), Clock::System),
        async { drop(first) }
    );
    let _second = second.unwrap();
    let third = Store::open_within(Duration::ZERO, dir.path(), Clock::System).await;
    assert!(matches!(third, Err(OpenError::Held { .. })), "{third:?}");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let database = redb::Database::open(dir.path().join(FILE)).unwrap();
    let change = database.begin_write().unwrap();
    let two = encode(&2_u32).unwrap();
    change.open_table(META).unwrap().insert(SCHEMA_KEY, two.as_slice()).unwrap();
    change.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let refused = Store::open(dir.path(), Clock::System).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the store has schema 2, this program knows up to 1; use a newer program"
        );
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    fs::write(&path, b"something else").unwrap();
    assert!(matches!(Store::open(dir.path(), Clock::System), Err(OpenError::Database { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"something else");
}

#[test]
fn an_empty_file_and_a_database_of_another_program_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    drop(redb::Database::create(&path).unwrap());
    assert!(matches!(Store::open(dir.path(), Clock::System), Err(OpenError::Foreign { .. })));
    fs::write(&path, b"").unwrap();
    assert!(matches!(Store::open(dir.path(), Clock::System), Err(OpenError::Foreign { .. })));
}

#[test]
fn of_several_that_make_the_store_at_once_one_has_it() {
    let dir = TempDir::new().unwrap();
    let open = || Store::open(dir.path(), Clock::System);
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let is_held = |result: &&Result<_, _>| matches!(result, Err(OpenError::Held { .. }));
    assert_eq!(opened.iter().filter(|result| result.is_ok()).count(), 1, "{opened:?}");
    assert_eq!(opened.iter().filter(is_held).count(), 3, "{opened:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_directory_and_the_file_are_ours_alone() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("a/b");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(open(&state));
    assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));

    fs::set_permissions(state.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&state));
    assert_eq!(mode(&state.join(FILE)), 0o600);
}

#[test]
fn a_directory_that_holds_a_store_or_could_is_known() {
    let dir = TempDir::new().unwrap();
    let none = dir.path().join("none");
    assert!(!holds_store(dir.path()) && !holds_store(&none));
    assert!(is_writable(dir.path()) && !is_writable(&none));
    drop(open(dir.path()));
    assert!(holds_store(dir.path()));
    assert!(!is_writable(&dir.path().join(FILE)));
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let dir = TempDir::new().unwrap();
    for mode in [0o770, 0o702] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(Store::open(dir.path(), Clock::System), Err(OpenError::Exposed { .. })));
    }
}

#[test]
fn a_damaged_file_is_named_and_not_a_panic() {
    let dir = TempDir::new().unwrap();
    drop(Store::open(dir.path(), Clock::System).unwrap());
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    for from in (0..whole.len().min(64 << 10)).step_by(4096) {
        let mut damaged = whole.clone();
        for byte in damaged.iter_mut().skip(from).take(3000) {
            *byte ^= 0xa5;
        }
        fs::write(&path, damaged).unwrap();
        // What was hit may have been unused.
        if let Err(refused) = Store::open(dir.path(), Clock::System) {
            assert!(refused.to_string().contains(FILE), "{from}: {refused}");
        }
    }
    fs::write(&path, whole).unwrap();
    Store::open(dir.path(), Clock::System).unwrap();
}

#[test]
fn a_link_in_place_of_the_file_is_not_followed() {
    let dir = TempDir::new().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, b"").unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    std::os::unix::fs::symlink(&victim, state.join(FILE)).unwrap();
    assert!(matches!(Store::open(&state, Clock::System), Err(OpenError::File { .. })));
    assert_eq!(fs::read(&victim).unwrap(), b"");
}

/// A disk that counts its syncs and stops taking writes when it is told to.
#[derive(Debug)]
struct WatchedDisk {
    file: FileBackend,
    is_broken: Arc<AtomicBool>,
    n_syncs: Arc<AtomicUsize>,
}

impl WatchedDisk {
    fn check(&self) -> Result<(), std::io::Error> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl StorageBackend for WatchedDisk {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.check().and_then(|()| self.file.set_len(len))
    }
    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.n_syncs.fetch_add(1, Ordering::SeqCst);
        self.check().and_then(|()| self.file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.check().and_then(|()| self.file.write(offset, data))
    }
}

struct Watched {
    store: Store,
    is_broken: Arc<AtomicBool>,
    n_syncs: Arc<AtomicUsize>,
}

fn open_watched(dir: &Path) -> Watched {
    let mut options = fs::File::options();
    let file = options.read(true).write(true).create_new(true).open(dir.join(FILE));
    let (is_broken, n_syncs) = (Arc::default(), Arc::default());
    let disk = WatchedDisk {
        file: FileBackend::new(file.unwrap()).unwrap(),
        is_broken: Arc::clone(&is_broken),
        n_syncs: Arc::clone(&n_syncs),
    };
    let database = redb::Database::builder().create_with_backend(disk).unwrap();
    create_tables(&database).unwrap();
    let clock = Clock::fixed(NOW);
    let tokens = Arc::new(Tokens::new(clock.clone()));
    Watched { store: Store::start(database, tokens, clock).unwrap(), is_broken, n_syncs }
}

/// Adds this many tokens, all of which are asked for before the writer begins with the first.
async fn add_behind_a_gate(store: &Store, n_tokens: usize) {
    let (open_gate, gate) = std::sync::mpsc::channel();
    let held = store.writer.write(move |_| Ok(Ok(gate.recv().is_ok())));
    let adds = async {
        let adds = (0..n_tokens).map(|n| {
            let owner = Owner::New(UserId::generate().unwrap());
            store.add_token(new(&n.to_string(), owner))
        });
        let mut adds: Vec<_> = adds.map(Box::pin).collect();
        for add in &mut adds {
            let asked = std::future::poll_fn(|cx| Poll::Ready(add.as_mut().poll(cx)));
            assert!(asked.await.is_pending());
        }
        open_gate.send(()).unwrap();
        for add in adds {
            add.await.unwrap();
        }
    };
    let (released, ()) = tokio::join!(held, adds);
    assert!(released.unwrap());
}

#[tokio::test]
async fn more_changes_than_the_queue_holds_wait_their_turn() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let n_tokens = limits::STORE_QUEUE + 100;
    add_behind_a_gate(&store, n_tokens).await;
    assert_eq!(store.list_tokens(None, usize::MAX).unwrap().len(), n_tokens);
}

#[tokio::test]
async fn a_bug_in_a_change_stops_the_writes_and_not_the_reads() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let before = add(&store, "before").await;
    let failed = store.writer.write::<()>(|_| panic!("a bug")).await;
    assert!(matches!(failed, Err(WriteError::Closed)), "{failed:?}");
    let failed = store.add_token(new("later", Owner::Existing(before.user))).await;
    assert!(matches!(failed, Err(WriteError::Closed)), "{failed:?}");
    assert!(is_known(&store, "before") && !is_known(&store, "later"));
    assert_eq!(store.list_tokens(None, 10).unwrap().len(), 1);
}

#[tokio::test]
async fn changes_that_wait_together_share_one_commit() {
    let dir = TempDir::new().unwrap();
    let Watched { store, n_syncs, .. } = open_watched(dir.path());
    let idle = n_syncs.load(Ordering::SeqCst);
    add(&store, "alone").await;
    let one_commit = n_syncs.load(Ordering::SeqCst) - idle;
    assert!(one_commit > 0);

    add_behind_a_gate(&store, 64).await;
    let n_commits = (n_syncs.load(Ordering::SeqCst) - idle).div_ceil(one_commit);
    assert!(n_commits <= 4, "{n_commits} commits for the first add, the gate and the 64");
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_acknowledged_and_the_old_state_stands() {
    let dir = TempDir::new().unwrap();
    let Watched { store, is_broken, .. } = open_watched(dir.path());
    let before = add(&store, "before").await;

    is_broken.store(true, Ordering::SeqCst);
    let owner = Owner::Existing(before.user);
    let failed = store.add_token(new("during", owner)).await;
    assert!(matches!(failed, Err(WriteError::Commit { .. })), "{failed:?}");
    is_broken.store(false, Ordering::SeqCst);
    let failed = store.add_token(new("later", owner)).await;
    assert!(matches!(failed, Err(WriteError::Poisoned)), "{failed:?}");

    assert!(is_known(&store, "before") && !is_known(&store, "during"));
    assert!(!is_known(&store, "later"));
    drop(store);
    let store = open(dir.path());
    assert!(is_known(&store, "before") && !is_known(&store, "later"));
}
