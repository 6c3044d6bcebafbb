//! Any text as a policy file: it loads or it is refused with words, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::policy::{SourceFile, Trust, parse};

fuzz_target!(|text: &str| {
    let file = SourceFile { name: "fuzz.toml".to_owned(), text: text.to_owned() };
    match parse(&[file], &Trust::root()) {
        Ok(loaded) => assert!(!loaded.warnings.has_errors()),
        Err(report) => assert!(report.has_errors() && !report.to_string().is_empty()),
    }
});
