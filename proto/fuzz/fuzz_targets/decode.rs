//! Any bytes as a datagram, in both directions: the decoder never panics, and what it takes is
//! spelt in one way, so that it encodes to the very bytes that came.
//!
//! An input without the header is tried behind one too: the fuzzer need not find the version.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use proto::codec::{decode, encode};
use proto::{Message, Reply, Request, VERSION, limit};

fn holds<M: Message + Debug>(datagram: &[u8]) {
    let Ok(message) = decode::<M>(datagram) else { return };
    let mut buffer = vec![0; limit::DATAGRAM];
    let again = encode(&message, &mut buffer).expect("what was decoded fits in a datagram");
    assert_eq!(again, datagram, "{message:?} has two spellings");
}

fuzz_target!(|input: &[u8]| {
    let version = VERSION.to_le_bytes();
    let headed = [&[b'M', b'F', version[0], version[1]], input].concat();
    for datagram in [input, &headed] {
        holds::<Request>(datagram);
        holds::<Reply>(datagram);
    }
});
