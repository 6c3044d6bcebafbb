//! Exit codes, as sysexits.h has them, and which failure has which.

use std::error::Error;
use std::fmt;

use super::client::ClientError;
use super::error::CliError;
use crate::app::StartError;
use crate::model::causes::chain;

/// A tool that was called failed.
pub const FAILED: u8 = 1;
/// The command was used wrongly.
pub const USAGE: u8 = 64;
/// Something that is needed is not there.
pub const UNAVAILABLE: u8 = 69;
/// Ours to answer for.
pub const INTERNAL: u8 = 70;
/// Not permitted.
pub const DENIED: u8 = 77;
/// The configuration has errors.
pub const CONFIG: u8 = 78;

/// What ends the program: words for a person, and a code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The words; may be empty when all was said.
    pub text: String,
}

impl Failure {
    /// A failure in words.
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// An error with everything that caused it.
    pub fn of(code: u8, error: &dyn Error) -> Self {
        Self { code, text: chain(error) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Address(_) | ClientError::Token => USAGE,
            ClientError::TokenUnknown | ClientError::TokenMissing | ClientError::Forbidden(_) => {
                DENIED
            }
            ClientError::NotListening(_)
            | ClientError::Transport { .. }
            | ClientError::NotMcp { .. } => UNAVAILABLE,
            ClientError::Protocol { .. } => FAILED,
        };
        Self::of(code, &error)
    }
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        let code = match &error {
            CliError::Declined | CliError::Refused(_) => FAILED,
            CliError::Client(_)
            | CliError::Held { .. }
            | CliError::NoStore { .. }
            | CliError::NotRunning { .. }
            | CliError::Open(_) => UNAVAILABLE,
            CliError::Entropy(_)
            | CliError::Failed { .. }
            | CliError::Output(_)
            | CliError::Unexpected
            | CliError::Unshown { .. } => INTERNAL,
        };
        Self::of(code, &error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match &error {
            StartError::Admin(_)
            | StartError::InUse { .. }
            | StartError::Listen { .. }
            | StartError::Store(_) => UNAVAILABLE,
            StartError::Api(_) => INTERNAL,
            StartError::Catalog(_) | StartError::Config(_) | StartError::Host(_) => CONFIG,
        };
        Self::of(code, &error)
    }
}
