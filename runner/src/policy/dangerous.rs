//! Options that are known to read, write or run what a reviewer did not expect, by program. Listing
//! one in a rule is allowed and draws a warning.

/// Why it matters.
const READS: &str = "it reads a file of the caller's choice";
const WRITES: &str = "it writes a file of the caller's choice";
const RUNS: &str = "it runs a program or a script";
const SENDS: &str = "it sends through, or as, somebody else";
const LOADS: &str = "it loads configuration that can say all the others";

type Row = (&'static str, &'static str, &'static [&'static str]);

/// Program, reason, words.
const TABLE: &[Row] = &[
    ("nmap", RUNS, &["--script", "--script-args", "--script-args-file", "--interactive"]),
    ("nmap", LOADS, &["--datadir", "--servicedb", "--versiondb", "--resume", "--stylesheet"]),
    ("nmap", READS, &["-iL", "--excludefile"]),
    ("nmap", WRITES, &["-oN", "-oX", "-oG", "-oA", "-oS", "--append-output"]),
    ("nmap", SENDS, &["-iR", "-S", "-D", "-e", "--proxies", "--dns-servers", "--spoof-mac"]),
    ("curl", LOADS, &["-K", "--config", "--engine", "--netrc", "--netrc-file", "-n"]),
    (
        "curl",
        WRITES,
        &[
            "-o",
            "-O",
            "--output",
            "--remote-name",
            "--dump-header",
            "-D",
            "--trace",
            "--trace-ascii",
            "--cookie-jar",
            "-c",
            "--libcurl",
        ],
    ),
    (
        "curl",
        READS,
        &[
            "-T",
            "--upload-file",
            "-d",
            "--data",
            "--data-binary",
            "-F",
            "--form",
            "-b",
            "--cookie",
            "--key",
            "--cert",
            "-E",
        ],
    ),
    (
        "curl",
        SENDS,
        &[
            "-x",
            "--proxy",
            "--unix-socket",
            "--abstract-unix-socket",
            "--resolve",
            "--connect-to",
            "--interface",
            "--next",
            "-L",
            "--location",
        ],
    ),
    ("ffuf", RUNS, &["-input-cmd", "-input-shell"]),
    ("ffuf", LOADS, &["-config", "-request"]),
    ("ffuf", WRITES, &["-o", "-od", "-debug-log"]),
    ("ffuf", SENDS, &["-x", "-replay-proxy"]),
    (
        "sqlmap",
        RUNS,
        &[
            "--os-shell",
            "--os-cmd",
            "--os-pwn",
            "--eval",
            "--tamper",
            "--preprocess",
            "--postprocess",
            "--alert",
            "--sql-shell",
            "--wizard",
            "--shell",
        ],
    ),
    ("sqlmap", READS, &["--file-read", "-r", "-l", "-m"]),
    ("sqlmap", WRITES, &["--file-write", "--file-dest", "--output-dir", "--dump-file"]),
    ("sqlmap", LOADS, &["-c", "--update"]),
    ("sqlmap", SENDS, &["--proxy", "--tor"]),
    ("hydra", READS, &["-M", "-C", "-R"]),
    ("hydra", WRITES, &["-o", "-x"]),
    ("nikto", LOADS, &["-config", "-Plugins"]),
    ("nikto", WRITES, &["-Save", "-output", "-o"]),
    ("nikto", SENDS, &["-useproxy", "-evasion"]),
    ("gobuster", WRITES, &["-o", "--output"]),
    ("gobuster", SENDS, &["--proxy", "-c", "-P", "--client-cert-p12", "--exclude-length"]),
    ("tcpdump", RUNS, &["-z"]),
    ("tcpdump", WRITES, &["-w"]),
    ("tcpdump", READS, &["-r", "-F", "-V"]),
    ("masscan", LOADS, &["-c", "--conf", "--readscan", "--pcap-payloads"]),
    ("masscan", READS, &["-iL", "--exclude-file", "--excludefile"]),
    ("masscan", WRITES, &["-oX", "-oL", "-oJ", "-oG", "-oB"]),
    ("tshark", RUNS, &["-X"]),
    ("tshark", WRITES, &["-w"]),
    ("wget", WRITES, &["-O", "-o", "-a", "--output-document", "-P"]),
    ("wget", READS, &["-i", "--post-file", "--body-file", "--input-file"]),
    ("wget", RUNS, &["--use-askpass", "-e", "--execute"]),
    ("dig", READS, &["-f", "-k"]),
    ("whois", SENDS, &["-h", "--host", "-p", "--port"]),
    ("openssl", LOADS, &["engine", "-engine", "-config", "-provider", "-provider-path"]),
    ("john", LOADS, &["--config", "--external"]),
    ("ip", RUNS, &["netns", "vrf"]),
    ("ip", READS, &["-b", "-batch", "--batch", "-force"]),
    ("ip", SENDS, &["set", "add", "del", "delete", "change", "replace", "flush"]),
    ("ss", READS, &["-F", "--filter"]),
    ("ss", WRITES, &["-D", "--diag"]),
    ("ss", SENDS, &["-K", "--kill"]),
    ("date", READS, &["-f", "--file"]),
    ("date", SENDS, &["-s", "--set"]),
    ("df", READS, &["--files0-from"]),
    ("du", READS, &["--files0-from", "-X", "--exclude-from"]),
    ("wc", READS, &["--files0-from"]),
    ("sort", RUNS, &["--compress-program"]),
    ("sort", READS, &["--files0-from"]),
    ("sort", WRITES, &["-o", "--output", "-T"]),
    ("find", RUNS, &["-exec", "-execdir", "-ok", "-okdir"]),
    ("find", WRITES, &["-delete", "-fprint", "-fprint0", "-fprintf", "-fls"]),
    ("grep", READS, &["-f", "--file", "--exclude-from"]),
    ("tar", RUNS, &["--checkpoint-action", "-I", "--use-compress-program", "--to-command", "-F"]),
    ("ps", READS, &["e", "-e e", "--environ"]),
    ("journalctl", READS, &["--file", "-D", "--directory", "--root", "--image"]),
    ("journalctl", WRITES, &["--vacuum-size", "--vacuum-time", "--rotate", "--flush"]),
    ("rsync", RUNS, &["-e", "--rsh", "--rsync-path"]),
];

/// Why a word of a program's command line is dangerous, if it is known to be. Looks at the name
/// before a `=`, as `--compress-program=x` is a flag to a rule.
pub(super) fn why(program: &str, word: &str) -> Option<&'static str> {
    let name = word.split('=').next().unwrap_or(word);
    TABLE
        .iter()
        .find(|(of, _, words)| *of == program && (words.contains(&name) || words.contains(&word)))
        .map(|(_, why, _)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_the_word_does_not_hide_the_option() {
        assert_eq!(why("sort", "--compress-program=sh"), Some(RUNS));
        assert_eq!(why("sort", "-n"), None);
        assert_eq!(why("ls", "--compress-program"), None);
    }
}
