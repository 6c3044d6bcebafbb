//! From a directory to a policy: which files, in which order, and whether they can be believed.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::parse::{Loaded, parse};
use super::trust::{Distrust, Trust};
use crate::diagnostic::{Report, SourceFile};

/// Largest policy file, bytes.
const MAX_FILE: u64 = 1 << 20;
/// Most policy files.
const MAX_FILES: usize = 256;

/// Reads all `*.toml` of a directory in the order of their names and makes one policy of them.
/// Directory and files must belong to a trusted user, and nobody else may write to them.
pub fn load(dir: &Path, trust: &Trust) -> Result<Loaded, Report> {
    let mut report = Report::default();
    let shown = dir.display().to_string();
    let dir = match dir.canonicalize() {
        Ok(real) => real,
        Err(error) => {
            report
                .file_error(&shown, format!("cannot open the policy directory: {error}"))
                .help("create it, owned by root with mode 0755, and put a policy file into it");
            return Err(report);
        }
    };
    if let Err(distrust) = trust.check_with_parents(&dir) {
        refuse(&mut report, &shown, &distrust);
        return Err(report);
    }
    let mut sources = Vec::new();
    for path in paths(&dir, &mut report) {
        match read(&path, trust) {
            Ok(text) => sources.push(SourceFile { name: path.display().to_string(), text }),
            Err(Unread::Distrust(distrust)) => {
                refuse(&mut report, &path.display().to_string(), &distrust);
            }
            Err(Unread::Io(error)) => {
                let name = path.display().to_string();
                report.file_error(&name, format!("cannot read the policy file: {error}"));
            }
            Err(Unread::Unfit(why)) => {
                report.file_error(&path.display().to_string(), why);
            }
        }
    }
    if report.has_errors() {
        return Err(report);
    }
    if sources.is_empty() {
        report.file_error(&shown, "the directory has no policy file, so nothing could run").help(
            "put a file NAME.toml there, for example one of the shipped policies; see docs/policy.md",
        );
        return Err(report);
    }
    parse(&sources, trust)
}

/// Why a file is not read.
enum Unread {
    Distrust(Distrust),
    Io(std::io::Error),
    Unfit(&'static str),
}

fn paths(dir: &Path, report: &mut Report) -> Vec<PathBuf> {
    let shown = dir.display().to_string();
    let mut paths = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            report.file_error(&shown, format!("cannot list the policy directory: {error}"));
            return paths;
        }
    };
    for entry in entries {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                let hidden = entry.file_name().to_string_lossy().starts_with('.');
                if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
                    paths.push(path);
                }
            }
            Err(error) => {
                report.file_error(&shown, format!("cannot list the policy directory: {error}"));
            }
        }
    }
    paths.sort();
    if paths.len() > MAX_FILES {
        report.file_error(&shown, format!("more than {MAX_FILES} policy files"));
    }
    paths
}

/// Opens first and judges what was opened, so that a swap in between changes nothing.
fn read(path: &Path, trust: &Trust) -> Result<String, Unread> {
    let link = path.symlink_metadata().map_err(Unread::Io)?;
    trust.check(path, &link).map_err(Unread::Distrust)?;
    if !link.is_file() {
        return Err(Unread::Unfit("this is no regular file"));
    }
    let file = File::open(path).map_err(Unread::Io)?;
    let meta = file.metadata().map_err(Unread::Io)?;
    trust.check(path, &meta).map_err(Unread::Distrust)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(Unread::Unfit("the policy file is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_utf8| Unread::Unfit("the policy file is no UTF-8"))
}

fn refuse(report: &mut Report, name: &str, distrust: &Distrust) {
    let help = match distrust {
        Distrust::Look { .. } => "make it readable for the runner",
        Distrust::Owner { .. } => "give it to root: chown root:root",
        Distrust::Symlink { .. } => "put the file itself there",
        Distrust::Writable { .. } => "take the write permission away: chmod go-w",
    };
    report.file_error(name, format!("not to be trusted: {distrust}")).help(help);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const FILE: &str = "version = 1\n[command.NAME]\npath = \"/usr/bin/true\"\n";

    fn own() -> Trust {
        Trust::user(rustix::process::getuid().as_raw())
    }

    fn dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o755);
        dir
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn put(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        mode(&path, 0o644);
        path
    }

    fn refusal(dir: &Path, trust: &Trust) -> String {
        load(dir, trust).unwrap_err().to_string()
    }

    #[test]
    fn all_toml_files_make_one_policy_and_others_are_left_alone() {
        let dir = dir();
        put(&dir, "20-b.toml", &FILE.replace("NAME", "b"));
        put(&dir, "10-a.toml", &FILE.replace("NAME", "a"));
        put(&dir, "notes.txt", "not a policy");
        put(&dir, ".hidden.toml", "not a policy");
        let loaded = load(dir.path(), &own()).map_err(|r| r.to_string()).unwrap();
        let names: Vec<&str> = loaded.policy.commands().map(|command| command.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn an_empty_or_missing_directory_says_what_to_do() {
        let dir = dir();
        assert!(refusal(dir.path(), &own()).contains("put a file NAME.toml there"));
        let missing = dir.path().join("missing");
        assert!(refusal(&missing, &own()).contains("create it, owned by root"));
    }

    #[test]
    fn a_directory_or_file_that_others_can_write_is_refused() {
        let dir = dir();
        let file = put(&dir, "a.toml", &FILE.replace("NAME", "a"));
        assert!(load(dir.path(), &own()).is_ok());
        for bad in [0o664, 0o646] {
            mode(&file, bad);
            assert!(refusal(dir.path(), &own()).contains("chmod go-w"), "{bad:o}");
        }
        mode(&file, 0o644);
        for bad in [0o775, 0o1777] {
            mode(dir.path(), bad);
            assert!(refusal(dir.path(), &own()).contains("chmod go-w"), "{bad:o}");
        }
    }

    #[test]
    fn a_link_is_no_policy_file() {
        let dir = dir();
        let file = put(&dir, "a.txt", &FILE.replace("NAME", "a"));
        symlink(file, dir.path().join("a.toml")).unwrap();
        assert!(refusal(dir.path(), &own()).contains("is a symbolic link"));
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        let dir = dir();
        put(&dir, "a.toml", &FILE.replace("NAME", "a"));
        let owner = rustix::process::getuid().as_raw();
        let stranger = Trust::only(owner.wrapping_add(1));
        assert!(refusal(dir.path(), &stranger).contains("chown root:root"));
    }

    #[test]
    fn a_large_or_binary_file_is_refused() {
        let dir = dir();
        put(&dir, "a.toml", &"#".repeat((1 << 20) + 1));
        let path = put(&dir, "b.toml", "");
        fs::write(path, b"\xff\xfe").unwrap();
        let text = refusal(dir.path(), &own());
        assert!(text.contains("larger than 1 MiB") && text.contains("no UTF-8"), "{text}");
    }
}
