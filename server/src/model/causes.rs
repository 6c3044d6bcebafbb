//! An error with all that caused it.

use std::error::Error;

/// The texts of an error and of its causes, in one line: for a log and for an admin.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.extend([": ", &cause.to_string()]);
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot load")]
    struct Load(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Start(#[source] Load);

    #[test]
    fn every_cause_is_told_from_the_outermost_in() {
        let error = Start(Load(io::Error::other("disk full")));
        assert_eq!(chain(&error), "cannot start: cannot load: disk full");
    }
}
