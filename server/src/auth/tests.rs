use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::model::caller::UserId;
use table::Change;
use token::Token;

const NOW: u64 = 1_000;

fn access(tokens: &[(&str, UserId, Option<Timestamp>)]) -> (Access, Clock) {
    let clock = Clock::fixed(NOW);
    let table = Tokens::new(clock.clone());
    table.publish(tokens.iter().map(|&(text, user, expires_at)| Change::Add {
        hash: TokenHash::of(text),
        user,
        expires_at,
        last_used_at: None,
    }));
    (Access::Tokens(Arc::new(table)), clock)
}

fn ask(access: &Access, header: &str) -> Result<Caller, Unauthorized> {
    access.authenticate(Some(&HeaderValue::from_str(header).unwrap()))
}

#[test]
fn each_token_gives_its_own_user() {
    let (ann, bob) = (UserId::generate().unwrap(), UserId::generate().unwrap());
    let (access, _clock) = access(&[("ann1", ann, None), ("ann2", ann, None), ("bob1", bob, None)]);
    for (text, user) in [("ann1", ann), ("ann2", ann), ("bob1", bob)] {
        let caller = Caller { user, token: Some(TokenHash::of(text)) };
        assert_eq!(ask(&access, &format!("Bearer {text}")), Ok(caller));
    }
}

#[test]
fn the_scheme_is_read_in_any_case_and_with_any_number_of_spaces() {
    let (access, _clock) = access(&[("abc", UserId::LOCAL, None)]);
    for header in ["Bearer abc", "bearer abc", "BEARER   abc", "bEaReR abc  "] {
        assert!(ask(&access, header).is_ok(), "{header}");
    }
}

#[test]
fn what_is_not_one_bearer_token_is_malformed() {
    let (access, _clock) = access(&[("abc", UserId::LOCAL, None)]);
    for header in [
        "",
        "abc",
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearer\tabc",
        " Bearer abc",
        "Basic abc",
        "Bearer abc abc",
        "Bearer abc,abc",
        "Bearer a=bc",
        "Bearer \"abc\"",
    ] {
        assert_eq!(ask(&access, header), Err(Unauthorized::Malformed), "{header}");
    }
    let latin1 = HeaderValue::from_bytes(b"Bearer ab\xe9").unwrap();
    assert_eq!(access.authenticate(Some(&latin1)), Err(Unauthorized::Malformed));
}

#[test]
fn a_token_of_256_bytes_is_looked_up_and_one_of_257_is_not() {
    let (access, _clock) = access(&[]);
    let header = |length| format!("Bearer {}", "a".repeat(length));
    assert_eq!(ask(&access, &header(256)), Err(Unauthorized::Unknown));
    assert_eq!(ask(&access, &header(257)), Err(Unauthorized::Malformed));
}

#[test]
fn a_missing_header_is_told_from_a_wrong_one() {
    let (access, _clock) = access(&[]);
    assert_eq!(access.authenticate(None), Err(Unauthorized::Missing));
    assert_eq!(ask(&access, "Bearer nobody"), Err(Unauthorized::Unknown));
}

#[test]
fn a_token_is_refused_from_its_expiry_on() {
    let user = UserId::generate().unwrap();
    let (access, clock) = access(&[("abc", user, Some(Timestamp(NOW + 10)))]);
    assert!(ask(&access, "Bearer abc").is_ok());
    let Clock::Fixed(seconds) = clock else { unreachable!() };
    seconds.store(NOW + 9, std::sync::atomic::Ordering::Relaxed);
    assert!(ask(&access, "Bearer abc").is_ok());
    seconds.store(NOW + 10, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ask(&access, "Bearer abc"), Err(Unauthorized::Unknown));
}

#[test]
fn a_removed_token_is_refused_at_once_and_the_others_are_not() {
    let (access, _clock) = access(&[("gone", UserId::LOCAL, None), ("stays", UserId::LOCAL, None)]);
    let Access::Tokens(table) = &access else { unreachable!() };
    table.publish([Change::Remove(TokenHash::of("gone"))]);
    assert_eq!(ask(&access, "Bearer gone"), Err(Unauthorized::Unknown));
    assert!(ask(&access, "Bearer stays").is_ok());
}

#[test]
fn only_a_use_that_succeeded_is_noted_and_only_until_it_is_kept() {
    let (access, clock) =
        access(&[("used", UserId::LOCAL, None), ("idle", UserId::LOCAL, Some(Timestamp(NOW)))]);
    let Access::Tokens(table) = &access else { unreachable!() };
    ask(&access, "Bearer used").unwrap();
    ask(&access, "Bearer idle").unwrap_err();
    let used = (TokenHash::of("used"), Timestamp(NOW));
    assert_eq!(table.unkept_uses(), [used]);
    table.note_kept(&[used]);
    assert_eq!(table.unkept_uses(), []);

    let Clock::Fixed(seconds) = clock else { unreachable!() };
    seconds.store(NOW + 1, std::sync::atomic::Ordering::Relaxed);
    ask(&access, "Bearer used").unwrap();
    assert_eq!(table.last_used_at(&used.0), Some(Timestamp(NOW + 1)));
    assert_eq!(table.unkept_uses(), [(used.0, Timestamp(NOW + 1))]);
}

#[test]
fn without_authentication_everyone_is_the_local_user() {
    let local = Ok(Caller::LOCAL);
    assert_eq!(Access::NoAuth.authenticate(None), local);
    assert_eq!(ask(&Access::NoAuth, "Basic whatever"), local);
}

proptest! {
    #[test]
    fn no_header_but_the_right_one_gets_in(bytes in proptest::collection::vec(32_u8.., 0..64)) {
        let token = Token::generate().unwrap();
        let (access, _clock) = access(&[(token.expose(), UserId::LOCAL, None)]);
        let right = format!("Bearer {}", token.expose());
        prop_assert!(ask(&access, &right).is_ok());
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            prop_assert!(access.authenticate(Some(&value)).is_err());
        }
    }
}
