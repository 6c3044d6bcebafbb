use proptest::prelude::*;

use super::*;
use crate::bounded::{Blob, List, Text};
use crate::message::*;

fn bytes_of<M: Message>(message: &M) -> Vec<u8> {
    let mut buffer = vec![0; limit::DATAGRAM];
    encode(message, &mut buffer).unwrap().to_vec()
}

fn text<const N: usize>(s: &str) -> Text<N> {
    Text::new(s).unwrap()
}

fn execute() -> Request {
    Request::Execute(Execute {
        run: RunId([7; 16]),
        principal: text("alice"),
        command: text("df"),
        args: List::new(vec![text("-h"), text("/")]).unwrap(),
        env: List::new(vec![EnvVar { name: text("LANG"), value: text("C") }]).unwrap(),
        cwd: Some(text("/tmp")),
        stdin: StdinMode::Piped,
        timeout_ms: Some(1500),
    })
}

fn requests() -> Vec<(Request, &'static str)> {
    vec![
        (Request::Describe, "4d46010000"),
        (
            execute(),
            "4d4601000107070707070707070707070707070707\
             05616c696365026466\
             02022d68012f\
             01044c414e470143\
             01042f746d70\
             01\
             01fbdc05",
        ),
        (Request::Stdin(Blob::new(b"hi".to_vec()).unwrap()), "4d46010002026869"),
        (Request::Cancel, "4d46010003"),
    ]
}

fn replies() -> Vec<(Reply, &'static str)> {
    vec![
        (
            Reply::About(About {
                version: text("0.1.0"),
                policy_sha256: [1; 32],
                layers: List::new(vec![text("landlock")]).unwrap(),
                missing: List::default(),
            }),
            "4d4601000005302e312e30\
             0101010101010101010101010101010101010101010101010101010101010101\
             01086c616e646c6f636b00",
        ),
        (
            Reply::Command(CommandInfo {
                name: text("df"),
                path: text("/bin/df"),
                aliases: List::new(vec![text("disk")]).unwrap(),
                about: text("space"),
                unavailable: None,
            }),
            "4d4601000102646607\
             2f62696e2f646601046469736b05737061636500",
        ),
        (Reply::End, "4d46010002"),
        (
            Reply::Started(Started {
                rule: text("df"),
                argv: List::new(vec![text("df"), text("-h")]).unwrap(),
            }),
            "4d4601000302646602026466022d68",
        ),
        (
            Reply::Output(Stream::Stderr, Blob::new(vec![0, 255]).unwrap()),
            "4d460100040102\
             00ff",
        ),
        (
            Reply::Exit(Exit {
                status: Status::Signal(9),
                ended: Ended::TimedOut { forced: true },
                duration_ms: 300,
                stdout: StreamReport { written: 70000, passed: 65536, sha256: [2; 32] },
                stderr: StreamReport::default(),
                usage: Usage { cpu_us: 5, max_rss_kib: 6 },
            }),
            "4d4601000501090101fb2c01fc70110100fc00000100\
             0202020202020202020202020202020202020202020202020202020202020202\
             0000\
             0000000000000000000000000000000000000000000000000000000000000000\
             0506",
        ),
        (
            Reply::Denied(Denial {
                code: DenyCode::Argument,
                rule: Some(text("df")),
                argument: Some(2),
                reason: text("no"),
            }),
            "4d460100060101026466010202\
             6e6f",
        ),
        (
            Reply::Denied(Denial {
                code: DenyCode::Window,
                rule: None,
                argument: None,
                reason: text("no"),
            }),
            "4d46010006070000\
             026e6f",
        ),
        (Reply::Busy(250), "4d46010007fa"),
        (
            Reply::Failed(Failure { step: text("audit"), reason: text("full") }),
            "4d46010008056175646974\
             0466756c6c",
        ),
        (Reply::Gap(Stream::Stderr, 300), "4d4601000901fb2c01"),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn every_message_has_its_golden_bytes_and_reads_back() {
    for (message, golden) in requests() {
        let bytes = bytes_of(&message);
        assert_eq!(hex(&bytes), golden, "{message:?}");
        assert_eq!(decode::<Request>(&bytes).unwrap(), message);
    }
    for (message, golden) in replies() {
        let bytes = bytes_of(&message);
        assert_eq!(hex(&bytes), golden, "{message:?}");
        assert_eq!(decode::<Reply>(&bytes).unwrap(), message);
    }
}

#[test]
fn every_prefix_of_a_message_is_refused() {
    let bytes = bytes_of(&execute());
    for end in 0..bytes.len() {
        assert!(decode::<Request>(&bytes[..end]).is_err(), "{end} bytes were enough");
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = bytes_of(&Request::Cancel);
    bytes.push(0);
    assert_eq!(decode::<Request>(&bytes), Err(DecodeError::Trailing(1)));
}

#[test]
fn a_longer_spelling_of_a_number_is_refused() {
    // Busy(250) as a two-byte varint.
    let bytes = [b'M', b'F', 1, 0, 7, 251, 250, 0];
    assert_eq!(decode::<Reply>(&bytes), Err(DecodeError::NotCanonical));
}

#[test]
fn a_huge_length_prefix_is_refused_without_taking_memory() {
    // Stdin whose length claims 2^60 bytes: eleven bytes that abort a decoder without a limit.
    let bytes = [b'M', b'F', 1, 0, 2, 253, 0, 0, 0, 0, 0, 0, 0, 16];
    assert!(matches!(decode::<Request>(&bytes), Err(DecodeError::Garbled(_))));
}

#[test]
fn another_version_is_named() {
    assert_eq!(decode::<Request>(&[b'M', b'F', 9, 0, 0]), Err(DecodeError::Version { found: 9 }));
    assert_eq!(decode::<Request>(b"GET / HTTP/1.1"), Err(DecodeError::Magic));
    assert_eq!(decode::<Request>(b""), Err(DecodeError::Magic));
}

#[test]
fn one_argument_too_many_is_refused() {
    let Request::Execute(good) = execute() else { unreachable!("built above") };
    let mut bytes = bytes_of(&Request::Execute(Execute { args: List::default(), ..good }));
    // The count of arguments stands after header, variant, run, principal and command.
    let at = 4 + 1 + 16 + 6 + 3;
    assert_eq!(bytes[at], 0);
    bytes[at] = u8::try_from(limit::ARGS + 1).unwrap();
    let Err(DecodeError::Garbled(why)) = decode::<Request>(&bytes) else {
        unreachable!("accepted")
    };
    assert!(why.contains("65 is over the limit of 64"), "{why}");
}

#[test]
fn a_message_that_does_not_fit_is_not_sent() {
    let mut small = [0; 8];
    assert_eq!(encode(&execute(), &mut small), Err(EncodeError::TooLong));
}

fn any_text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    "[^\0]{0,40}".prop_map(|s| Text::new(s).unwrap())
}

prop_compose! {
    fn any_execute()(
        run in any::<[u8; 16]>(),
        principal in any_text(),
        command in any_text(),
        args in prop::collection::vec(any_text(), 0..limit::ARGS),
        env in prop::collection::vec((any_text(), any_text()), 0..limit::ENV),
        cwd in prop::option::of(any_text()),
        piped in any::<bool>(),
        timeout_ms in any::<Option<u32>>(),
    ) -> Execute {
        Execute {
            run: RunId(run),
            principal,
            command,
            args: List::new(args).unwrap(),
            env: List::new(env.into_iter().map(|(name, value)| EnvVar { name, value }).collect())
                .unwrap(),
            cwd,
            stdin: if piped { StdinMode::Piped } else { StdinMode::Closed },
            timeout_ms,
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_reads_back(execute in any_execute()) {
        let message = Request::Execute(execute);
        prop_assert_eq!(decode::<Request>(&bytes_of(&message)).unwrap(), message);
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let datagram = [&[b'M', b'F', 1, 0][..], &body].concat();
        if let Ok(message) = decode::<Request>(&datagram) {
            prop_assert_eq!(bytes_of(&message), datagram.clone());
        }
        if let Ok(message) = decode::<Reply>(&datagram) {
            prop_assert_eq!(bytes_of(&message), datagram);
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_canonical(
        execute in any_execute(), at in any::<prop::sample::Index>(), to in any::<u8>()
    ) {
        let mut bytes = bytes_of(&Request::Execute(execute));
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(message) = decode::<Request>(&bytes) {
            prop_assert_eq!(bytes_of(&message), bytes);
        }
    }
}
