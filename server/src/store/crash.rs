//! What kill -9 leaves behind. The test starts this test program again as a writer, kills it at
//! some point, and looks at the file.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::open::Store;
use super::tokens::{NewToken, Owner, Token};
use crate::clock::Clock;
use crate::entropy;
use crate::model::caller::{TokenHash, UserId};

/// Names the state directory to the writer.
const STATE: &str = "MCPFUSION_TEST_CRASH_STATE";
/// What the writer says before it opens the store.
const OPENING: &str = "opening";
const WRITERS: usize = 8;
const KILLS: usize = 6;

#[test]
fn what_was_acknowledged_is_there_after_kill_9_and_nothing_is_there_by_half() {
    let dir = TempDir::new().unwrap();
    let (mut added, mut revoked) = (HashSet::new(), HashSet::new());
    for _ in 0..KILLS {
        let lines = usize::from(entropy::bytes::<1>().unwrap()[0]) + 1;
        for line in until_killed_after(lines, dir.path()) {
            match line.split_once(' ') {
                Some(("added", hash)) => added.insert(hash.parse::<TokenHash>().unwrap()),
                Some(("revoked", hash)) => revoked.insert(hash.parse().unwrap()),
                other => panic!("{other:?}"),
            };
        }
        let store = Store::open(dir.path(), Clock::System).unwrap();
        let tokens = store.list_tokens(None, usize::MAX).unwrap();
        let kept: HashSet<_> = tokens.iter().map(|token| token.hash).collect();
        for hash in &added {
            // Its revocation may have been made without there being time to say so.
            let is_kept = kept.contains(hash) || is_revocable(hash);
            assert!(is_kept, "{hash} was acknowledged and is lost");
        }
        for hash in &revoked {
            assert!(!kept.contains(hash), "{hash} was revoked and is back");
        }
        let users: HashSet<_> =
            store.users(None, usize::MAX).unwrap().iter().map(|user| user.id).collect();
        for Token { hash, user, description, .. } in &tokens {
            assert!(users.contains(user), "{hash} has no user");
            assert_eq!(description.as_str(), user.to_string());
            assert!(store.tokens().find(hash).is_some_and(|caller| caller.user == *user));
        }
    }
    assert!(added.len() > KILLS && !revoked.is_empty());
}

#[test]
fn a_store_whose_making_was_killed_is_made_anew() {
    for _ in 0..KILLS {
        let dir = TempDir::new().unwrap();
        until_killed_after(0, dir.path());
        drop(Store::open(dir.path(), Clock::System).unwrap());
    }
}

/// What the writer had said when it was killed, which is after it opened the store and said `lines`.
fn until_killed_after(lines: usize, state: &std::path::Path) -> Vec<String> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["store::crash::writes_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(STATE, state)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut printed = printed
        .map(Result::unwrap)
        .filter_map(|line| line.strip_prefix("said: ").map(str::to_owned));
    assert_eq!(printed.next().as_deref(), Some(OPENING));
    let mut seen: Vec<_> = printed.by_ref().take(lines).collect();
    assert_eq!(seen.len(), lines, "the writer ended by itself");
    writer.kill().unwrap();
    seen.extend(printed);
    assert!(!writer.wait().unwrap().success());
    seen
}

#[test]
#[ignore = "needs: to be started, and killed, by the test above"]
fn writes_until_killed() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    print_line(&format!("\nsaid: {OPENING}\n"));
    let store = Arc::new(Store::open(state.as_ref(), Clock::System).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                loop {
                    write_one(&store).await;
                }
            });
        }
        writers.join_all().await;
    });
}

async fn write_one(store: &Store) {
    let user = UserId::generate().unwrap();
    let hash = TokenHash(*entropy::bytes().unwrap());
    let description = user.to_string().parse().unwrap();
    let new = NewToken { hash, owner: Owner::New(user), description, lifetime: None };
    store.add_token(new).await.unwrap();
    print_line(&format!("\nsaid: added {hash}\n"));
    if is_revocable(&hash) {
        store.revoke_token(hash.into()).await.unwrap();
        print_line(&format!("\nsaid: revoked {hash}\n"));
    }
}

/// One in four.
fn is_revocable(hash: &TokenHash) -> bool {
    hash.0[0] < 64
}

/// On a line of its own, whatever the test runner has printed before it.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}
