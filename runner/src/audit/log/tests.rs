use super::super::verify::whole;
use super::*;

const SMALL: u64 = 4_096;

fn append(log: &mut Log, text: &str) -> io::Result<()> {
    log.append(std::iter::once(format!(r#"{{"reason":"{text}"}}"#)))
}

/// The log's files, the oldest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory(path)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let newest = files.iter().position(|file| file == path).map(|at| files.remove(at));
    files.extend(newest);
    files
}

fn lines(path: &Path) -> u64 {
    let files = files(path);
    whole(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>()).lines
}

#[test]
fn a_torn_last_line_is_dropped_and_the_chain_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    for torn in ["{\"v\":1,\"seq\":1,\"ts", "x", "{"] {
        append(&mut Log::open(&path, SMALL).unwrap(), "whole").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(torn.as_bytes()).unwrap();
    }
    append(&mut Log::open(&path, SMALL).unwrap(), "whole").unwrap();
    assert_eq!(lines(&path), 4);
}

#[test]
fn a_file_that_is_no_log_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let max = format!("{{\"seq\":{}}}\n", u64::MAX);
    let endless = "x".repeat(usize::try_from(MAX_LINE).unwrap() + 1);
    for text in ["hello\n", "{}\n", max.as_str(), endless.as_str()] {
        fs::write(&path, text).unwrap();
        assert!(matches!(Log::open(&path, SMALL), Err(OpenError::Open { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_half_line() {
    // Every write to /dev/full fails with ENOSPC, and it cannot be made shorter: what may be half a
    // line is in the way of all that follow.
    let mut log = Log {
        path: "/dev/full".into(),
        file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
        len: 0,
        torn: false,
        rotate_at: SMALL,
        max: SMALL,
        head: Head { lines: 0, hash: ORIGIN.to_owned() },
    };
    assert!(append(&mut log, "one").is_err());
    assert!(log.torn);
    let again = append(&mut log, "two").unwrap_err();
    assert!(again.to_string().contains("half a line"), "{again}");
    assert_eq!(log.head.lines, 0);
}

#[test]
fn full_files_are_put_aside_under_names_that_sort_and_the_chain_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut log = Log::open(&path, SMALL).unwrap();
    for n in 0..200 {
        append(&mut log, &"x".repeat(n % 300)).unwrap();
    }
    drop(log);
    let files = files(&path);
    assert!(files.len() > 5, "{files:?}");
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() <= SMALL);
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }
    assert_eq!(lines(&path), 200);
}

#[test]
fn one_line_over_the_size_has_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut log = Log::open(&path, 10).unwrap();
    for _ in 0..3 {
        append(&mut log, "more than ten bytes").unwrap();
    }
    assert_eq!((files(&path).len(), lines(&path)), (3, 3));
}

#[test]
fn a_crash_between_two_files_does_not_break_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut log = Log::open(&path, 10).unwrap();
    for _ in 0..12 {
        append(&mut log, "x").unwrap();
    }
    drop(log);
    // Before the new file was made, and after it.
    fs::rename(&path, aside(&path, 11)).unwrap();
    append(&mut Log::open(&path, SMALL).unwrap(), "x").unwrap();
    fs::rename(&path, aside(&path, 12)).unwrap();
    fs::write(&path, "").unwrap();
    append(&mut Log::open(&path, SMALL).unwrap(), "x").unwrap();
    // And with half a line in the new one.
    fs::rename(&path, aside(&path, 13)).unwrap();
    fs::write(&path, "{\"v\"").unwrap();
    append(&mut Log::open(&path, SMALL).unwrap(), "x").unwrap();
    assert_eq!(lines(&path), 15);
}

#[test]
fn where_a_file_cannot_be_put_aside_lines_go_on_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut log = Log::open(&path, 10).unwrap();
    append(&mut log, "x").unwrap();
    // Something has the name already, and is not overwritten.
    fs::write(aside(&path, 0), "precious").unwrap();
    append(&mut log, "x").unwrap();
    assert_eq!(fs::read_to_string(aside(&path, 0)).unwrap(), "precious");
    assert_eq!(whole(&[&path]).lines, 2);
    // The next time works.
    append(&mut log, "x").unwrap();
    fs::remove_file(aside(&path, 0)).unwrap();
    assert_eq!(lines(&path), 3);
    assert!(aside(&path, 1).exists());
}
