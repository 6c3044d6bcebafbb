//! Any bytes as an audit log: it is whole or the first fault is named, and never a panic. What is
//! whole is whole up to its head, and no longer without its last line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::audit::verify::{Chain, Fault, Hash, Verifier};

fn verify(log: &[u8], head: Option<Hash>) -> Result<Chain, Fault> {
    let mut verifier = Verifier::new(None, head);
    verifier.read("log", log)?;
    verifier.finish()
}

fuzz_target!(|log: &[u8]| {
    let chain = match verify(log, None) {
        Ok(chain) => chain,
        Err(fault) => return assert!(!fault.to_string().is_empty()),
    };
    assert_eq!(chain.lines, log.iter().filter(|&&byte| byte == b'\n').count() as u64);
    let again = verify(log, Some(chain.head.clone())).expect("its own head is in it");
    assert_eq!(again.behind_head, (chain.lines > 0).then_some(0));
    if let Some(end) = log.strip_suffix(b"\n") {
        let cut = end.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        assert!(verify(&log[..cut], Some(chain.head)).is_err());
    }
});
