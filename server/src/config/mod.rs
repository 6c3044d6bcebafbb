//! Config files to the model. Every problem of every file is found in one go and has a place;
//! nothing that a file asks for is dropped in silence. Reads files and the environment that it is
//! given, and nothing else.

use std::path::PathBuf;

mod auth;
mod command;
mod constraint;
pub mod diagnostic;
mod duration;
mod endpoint;
mod expand;
mod hints;
mod last_wins;
mod load;
mod mask;
mod node;
mod param;
mod path;
pub mod render;
mod service;
pub mod source;
#[cfg(test)]
mod tests;

use crate::model::tool::Tool;

/// What config files give.
#[derive(Debug)]
pub struct Loaded {
    /// The tools: those of services, then commands; each in the order of the files.
    pub tools: Vec<Tool>,
    /// What is not wrong, but perhaps not meant.
    pub warnings: diagnostic::Report,
}

/// Loads config files; of two services or command groups with one key, the later one is used.
/// `Err` holds everything that was found, warnings too.
pub fn load(
    paths: &[PathBuf],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, diagnostic::Report> {
    load::files(paths, env)
}

/// [`load()`] for texts that are read already.
pub fn load_texts(
    texts: &[(PathBuf, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, diagnostic::Report> {
    load::texts(texts, env)
}
