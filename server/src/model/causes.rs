//! An error with all that caused it.

use std::error::Error;

/// The texts of an error and of its causes, in one line: for a log and for an admin. A cause whose
/// text the one before it ends with is not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.extend([": ", &said]);
        }
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

    #[derive(Debug, thiserror::Error)]
    #[error("cannot listen: {source}")]
    struct Listen {
        source: io::Error,
    }

    #[test]
    fn what_is_said_already_is_not_said_again() {
        let error = Listen { source: io::Error::other("in use") };
        assert_eq!(chain(&error), "cannot listen: in use");
    }
}
