//! The file that a rule names: that it exists, is what it should be, and cannot be changed by
//! anybody whom the runner does not trust. Asked when a policy is loaded, and again by the runner
//! when the file is opened; this is for the operator, that one is for the attacker.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::trust::{Distrust, Trust};

const SETUID_OR_SETGID: u32 = 0o6000;
const ANY_EXECUTE: u32 = 0o111;

/// What kind of file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is executed: an ELF file.
    Program,
    /// An interpreter reads it.
    Script,
}

/// What is wrong with a program.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is not there. A policy serves many hosts, so this is for the rule to say.
    Missing,
    /// It must not be run. What is wrong, and what to do.
    Refused(String, &'static str),
}

/// Checks a file that a run may execute beside its program. It may be named by a link, as the
/// loader of dynamic programs is; what it leads to must be as trustworthy as a program.
pub(super) fn check_beside(path: &str, trust: &Trust) -> Result<(), Distrust> {
    match fs::canonicalize(path) {
        Ok(real) => trust.check_with_parents(&real).map(drop),
        // Nothing is granted by a file that is not there.
        Err(_missing) => Ok(()),
    }
}

/// Checks the file at an absolute, normal path.
pub(super) fn check(path: &str, role: Role, trust: &Trust) -> Result<(), Unfit> {
    let file = Path::new(path);
    let refused = |what: String, help| Err(Unfit::Refused(what, help));
    let meta = match trust.check_with_parents(file) {
        Ok(meta) => meta,
        Err(Distrust::Look { source, .. })
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
        {
            return Err(Unfit::Missing);
        }
        Err(Distrust::Symlink { .. }) => {
            let real = fs::canonicalize(file);
            return match real {
                Ok(real) => refused(
                    format!(
                        "{path} is or goes through a symbolic link; the file is {}",
                        real.display()
                    ),
                    "name the file itself",
                ),
                Err(_dangling) => Err(Unfit::Missing),
            };
        }
        Err(distrust @ Distrust::Writable { .. }) => {
            return refused(distrust.to_string(), "take the write permission away: chmod go-w");
        }
        Err(distrust) => return refused(distrust.to_string(), "only a trusted user may own it"),
    };
    if !meta.is_file() {
        return refused(format!("{path} is no regular file"), "name a program file");
    }
    if meta.mode() & SETUID_OR_SETGID != 0 {
        return refused(
            format!("{path} is setuid or setgid, which has no effect in a run"),
            "name a program without it",
        );
    }
    let mut start = [0; 4];
    let read = File::open(file).and_then(|mut file| file.read(&mut start));
    match (role, read) {
        (_, Err(error)) => refused(format!("cannot read {path}: {error}"), "name a program file"),
        (Role::Script, Ok(_)) => Ok(()),
        (Role::Program, Ok(_)) if start == *b"\x7fELF" => {
            if meta.mode() & ANY_EXECUTE == 0 {
                return refused(format!("{path} is not executable"), "chmod it, or name another");
            }
            Ok(())
        }
        (Role::Program, Ok(_)) if start.starts_with(b"#!") => refused(
            format!("{path} is a script"),
            "name what runs it, for example: interpreter = \"/usr/bin/perl\"",
        ),
        (Role::Program, Ok(_)) => {
            refused(format!("{path} is no ELF program"), "name a program file")
        }
    }
}
