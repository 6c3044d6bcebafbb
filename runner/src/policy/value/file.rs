//! Types of files: names that the policy maps to paths, and paths beneath a directory. Both are
//! about words only; what a path leads to, links included, is held by the sandbox.

use std::collections::BTreeMap;

use super::Unacceptable;

/// A name of the map, or one of its paths, which is the canonical spelling.
pub(super) fn accept_file(
    given: &str,
    names: &BTreeMap<String, String>,
) -> Result<String, Unacceptable> {
    names
        .get(given)
        .or_else(|| names.values().find(|path| *path == given))
        .cloned()
        .ok_or_else(|| Unacceptable::new("it is none of the files that are named here"))
}

/// One slash at the end is dropped; nothing else is normalised, it is refused.
pub(super) fn accept_path(given: &str, beneath: &str) -> Result<String, Unacceptable> {
    let path = match given.strip_suffix('/') {
        Some(path) if !path.is_empty() => path,
        _ => given,
    };
    check_normal(path)?;
    let inside = path
        .strip_prefix(beneath)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || beneath == "/");
    if inside { Ok(path.to_owned()) } else { Err(Unacceptable::new("it lies outside")) }
}

/// Whether a path is absolute and has no `.`, no `..` and no empty part.
pub fn check_normal(path: &str) -> Result<(), Unacceptable> {
    let Some(parts) = path.strip_prefix('/') else {
        return Err(Unacceptable::new("it is not absolute"));
    };
    if path == "/" {
        return Ok(());
    }
    for part in parts.split('/') {
        match part {
            "" => return Err(Unacceptable::new("it has an empty part, \"//\" or a last \"/\"")),
            "." | ".." => return Err(Unacceptable::new("it has \".\" or \"..\" in it")),
            _ => {}
        }
    }
    Ok(())
}
