use proptest::prelude::*;
use proptest::sample::Index;

use super::super::chain::line;
use super::*;

/// Lines as a runner writes them, and the head.
fn log(reasons: &[String]) -> (Vec<String>, Hash) {
    let mut prev = ORIGIN.to_owned();
    let mut lines = Vec::new();
    for (seq, reason) in (0..).zip(reasons) {
        let reason = serde_json::to_string(reason).unwrap();
        let line = line(seq, &format!(r#"{{"event":"deny","reason":{reason}}}"#), &prev);
        prev = hash(line.as_bytes());
        lines.push(line + "\n");
    }
    (lines, Hash(prev))
}

fn verify_bytes(bytes: &[u8], head: Option<&Hash>) -> Result<Chain, Fault> {
    let mut verifier = Verifier::new(None, head.cloned());
    verifier.read("log", bytes)?;
    verifier.finish()
}

fn verify(lines: &[String], head: Option<&Hash>) -> Result<Chain, Fault> {
    verify_bytes(lines.concat().as_bytes(), head)
}

fn five() -> (Vec<String>, Hash) {
    log(&["a", "b", "c", "d", "e"].map(str::to_owned))
}

#[test]
fn a_whole_chain_is_counted_and_its_head_told() {
    let (lines, head) = five();
    let chain = verify(&lines, None).unwrap();
    assert_eq!((chain.lines, &chain.head, chain.behind_head), (5, &head, None));
    assert!(chain.first.is_some() && chain.first <= chain.last);
    assert_eq!(verify(&lines, Some(&head)).unwrap().behind_head, Some(0));
    let earlier = Hash(hash(lines[2].trim_end().as_bytes()));
    assert_eq!(verify(&lines, Some(&earlier)).unwrap().behind_head, Some(2));
    assert_eq!(verify(&[], None).unwrap().lines, 0);
}

#[test]
fn the_first_fault_is_named_with_its_line() {
    let (good, head) = five();
    let said = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = good.clone();
        change(&mut lines);
        verify(&lines, Some(&head)).unwrap_err().to_string()
    };
    let edited = said(&|lines| lines[1] = lines[1].replace("\"b\"", "\"B\""));
    assert!(edited.starts_with("log:2: changed"), "{edited}");
    let removed = said(&|lines| assert!(!lines.remove(2).is_empty()));
    assert!(removed.starts_with("log:3: lines are missing before"), "{removed}");
    let first = said(&|lines| assert!(!lines.remove(0).is_empty()));
    assert!(first.starts_with("log:1: lines are missing before"), "{first}");
    let last = said(&|lines| lines.truncate(4));
    assert!(last.starts_with("log:4: lines are missing or changed at the end"), "{last}");
    let doubled = said(&|lines| lines.insert(3, lines[2].clone()));
    assert!(doubled.starts_with("log:4: out of order"), "{doubled}");
    let torn = said(&|lines| lines[4] = lines[4].trim_end().to_owned());
    assert!(torn.starts_with("log:5: torn"), "{torn}");
    let junk = said(&|lines| lines[0] = "junk\n".to_owned());
    assert!(junk.starts_with("log:1: changed: this is no line"), "{junk}");
    let empty = said(&|lines| lines.clear());
    assert!(empty.contains("lines are missing"), "{empty}");
}

#[test]
fn files_are_one_chain_in_their_order_only() {
    let (lines, head) = five();
    let (old, new) = lines.split_at(3);
    let read = |after: Option<Hash>, files: &[&[String]]| {
        let mut verifier = Verifier::new(after, Some(head.clone()));
        for (n, file) in files.iter().enumerate() {
            verifier.read(&format!("file{n}"), file.concat().as_bytes())?;
        }
        verifier.finish()
    };
    assert_eq!(read(None, &[old, new]).unwrap().lines, 5);
    let swapped = read(None, &[new, old]).unwrap_err().to_string();
    assert!(swapped.starts_with("file0:1: lines are missing before"), "{swapped}");
    // What the files before ended with stands for them, and nothing else does.
    let after = verify(old, None).unwrap().head;
    assert_eq!(read(Some(after), &[new]).unwrap().lines, 2);
    let wrong = read(Some(head.clone()), &[new]).unwrap_err().to_string();
    assert!(wrong.starts_with("file0:1: changed, or the lines before"), "{wrong}");
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    let endless = vec![b'x'; usize::try_from(MAX_LINE).unwrap() * 2];
    let fault = verify_bytes(&endless, None).unwrap_err();
    assert!(matches!(fault, Fault::Form { .. }), "{fault}");
}

#[test]
fn only_a_hash_is_a_hash() {
    assert!(ORIGIN.parse::<Hash>().is_ok());
    for text in ["", "0", &"g".repeat(64), &"A".repeat(64), &"0".repeat(65)] {
        assert!(text.parse::<Hash>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(
        reasons in prop::collection::vec("\\PC{0,20}", 1..8),
        at in any::<Index>(),
        other in 1..=255_u8,
    ) {
        let (lines, head) = log(&reasons);
        let mut bytes = lines.concat().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= other;
        prop_assert!(verify_bytes(&bytes, Some(&head)).is_err());
    }

    #[test]
    fn any_removed_line_is_found(
        reasons in prop::collection::vec("\\PC{0,20}", 1..8),
        at in any::<Index>(),
    ) {
        let (mut lines, head) = log(&reasons);
        lines.remove(at.index(lines.len()));
        prop_assert!(verify(&lines, Some(&head)).is_err());
    }

    #[test]
    fn any_two_lines_that_change_places_are_found(
        reasons in prop::collection::vec("\\PC{0,20}", 2..8),
        one in any::<Index>(),
        step in any::<Index>(),
    ) {
        let (mut lines, head) = log(&reasons);
        let one = one.index(lines.len());
        let other = (one + 1 + step.index(lines.len() - 1)) % lines.len();
        lines.swap(one, other);
        prop_assert!(verify(&lines, Some(&head)).is_err());
        // In the middle of a log, nobody needs to know the head.
        prop_assert!(verify(&lines, None).is_err());
    }

    #[test]
    fn a_cut_anywhere_is_found(
        reasons in prop::collection::vec("\\PC{0,20}", 1..8),
        at in any::<Index>(),
    ) {
        let (lines, head) = log(&reasons);
        let bytes = lines.concat().into_bytes();
        let at = at.index(bytes.len());
        prop_assert!(verify_bytes(&bytes[..at], Some(&head)).is_err());
    }
}
