//! What a reviewer would object to: each objection of the checklist that can be made without the
//! host is made here, when the policy is loaded.

use std::ops::Range;
use std::path::Path;

use super::dangerous;
use super::gtfobins;
use super::parse::At;
use super::raw::RawCommand;
use super::rule::{Node, Rest, Rule};
use super::value::{Kind, ValueType};
use crate::diagnostic::{Place, Report};

/// Capabilities that a command may keep.
pub(super) const CAPABILITIES: [&str; 3] = ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_NICE"];

/// All others: they lead to root or act on the whole host. Named, so that nobody has to ask.
const NEVER_KEPT: &str = "\
    CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_AUDIT_WRITE CAP_BLOCK_SUSPEND CAP_BPF \
    CAP_CHECKPOINT_RESTORE CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID \
    CAP_IPC_LOCK CAP_IPC_OWNER CAP_KILL CAP_LEASE CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN \
    CAP_MAC_OVERRIDE CAP_MKNOD CAP_NET_ADMIN CAP_NET_BROADCAST CAP_PERFMON CAP_SETFCAP CAP_SETGID \
    CAP_SETPCAP CAP_SETUID CAP_SYSLOG CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_CHROOT CAP_SYS_MODULE \
    CAP_SYS_PACCT CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG \
    CAP_WAKE_ALARM";

/// Trees that no command may write to: the system, the runner's own, and what others listen in.
const NEVER_WRITTEN: [&str; 15] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/mcpfusion",
    "/var/log",
];

/// Trees that hold secrets of the host.
const SECRETS: [&str; 9] = [
    "/etc/gshadow",
    "/etc/mcpfusion",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/home",
    "/root",
    "/run",
    "/var/lib/mcpfusion",
];

/// Devices that may be written to although the rest of `/dev` may not.
const HARMLESS_DEVICES: [&str; 3] = ["/dev/full", "/dev/null", "/dev/zero"];

/// Directories that everybody can write to: nothing is read or executed from there.
const WORLD_WRITABLE: [&str; 3] = ["/dev/shm", "/tmp", "/var/tmp"];

/// Variables by which a program is made to load or run something else.
const DANGEROUS_ENV: &str = "\
    BASH_ENV BROWSER CDPATH CURL_HOME DISPLAY EDITOR ENV GCONV_PATH GETCONF_DIR HOME HOSTALIASES \
    IFS LESSCLOSE LESSOPEN LOCALDOMAIN LOCPATH MANPAGER NIS_PATH NLSPATH NMAPDIR OPENSSL_CONF \
    OPENSSL_MODULES PAGER PATH RESOLV_HOST_CONF RES_OPTIONS SHELL TERMCAP TMPDIR TZDIR VISUAL \
    XDG_CONFIG_HOME";

/// How families of such variables start.
const DANGEROUS_ENV_PREFIXES: [&str; 10] =
    ["GIT_", "GLIBC_", "JAVA_", "LD_", "LUA_", "MALLOC_", "NODE_", "PERL", "PYTHON", "RUBY"];

/// Longest run that raises no eyebrow, seconds.
const LONG_WALL_S: u64 = 3_600;

/// Whether a capability exists and no command may keep it.
pub(super) fn is_never_kept(capability: &str) -> bool {
    NEVER_KEPT.split_ascii_whitespace().any(|one| one == capability)
}

/// Makes all objections to a rule.
pub(super) fn rule(rule: &Rule, raw: &RawCommand, place: &Place, at: &At, report: &mut Report) {
    check_interpreter(rule, raw, at, report);
    check_reach(rule, raw, place, at, report);
    for name in raw.settable_env.keys() {
        if is_dangerous_env(name.get_ref()) {
            report
                .error(
                    &at.place(name.span()),
                    format!(
                        "a request must not set {}: programs run or load by it",
                        name.get_ref()
                    ),
                )
                .help("fix its value in env, or take it out");
        }
    }
    for (name, value) in &raw.env {
        if is_dangerous_env(name.get_ref()) && is_loader(name.get_ref()) {
            report
                .warning(
                    &at.place(name.span()),
                    format!("{} changes what is loaded", name.get_ref()),
                )
                .help(format!("make sure that nobody can write to {}", value.get_ref()));
        }
    }
    if rule.limits.wall.as_secs() > LONG_WALL_S {
        report.warning(place, format!("{} may run for more than an hour", rule.name));
    }
    if rule.reach.capabilities.iter().any(|name| name == "CAP_NET_RAW") {
        report
            .warning(place, format!("{} keeps CAP_NET_RAW", rule.name))
            .help("packets that it forges pass filters on this host: give it a network of its own");
    }
    let program = program_name(&rule.path);
    warn_dangerous(program, &rule.grammar, place, report);
}

fn warn_dangerous(program: &str, node: &Node, place: &Place, report: &mut Report) {
    for word in node.flags.iter().chain(node.options.keys()) {
        if let Some(why) = dangerous::why(program, word) {
            report
                .warning(place, format!("{program} {word} is dangerous: {why}"))
                .help("keep it only with a type that allows no more than you mean");
        }
    }
    if let Rest::Subs(subs) = &node.rest {
        for (name, sub) in subs {
            if let Some(why) = dangerous::why(program, name) {
                report.warning(place, format!("{program} {name} is dangerous: {why}"));
            }
            warn_dangerous(program, sub, place, report);
        }
    }
}

/// A program that runs what it is told must not be told freely.
fn check_interpreter(rule: &Rule, raw: &RawCommand, at: &At, report: &mut Report) {
    let name = program_name(&rule.path);
    let span = || at.place(raw.path.span());
    if let Some(word) = &raw.i_know {
        if word.get_ref().trim().len() < 10 {
            report
                .error(&at.place(word.span()), "i_know gives no reason")
                .help("say in a sentence why this is safe, for those who review it");
        } else if !gtfobins::runs_others(name) {
            report.warning(&at.place(word.span()), format!("{name} needs no i_know"));
        }
        return;
    }
    if !gtfobins::runs_others(name) {
        return;
    }
    if let Some(free) = free_word(&rule.grammar, gtfobins::reads_programs(name)) {
        report
            .error(&span(), format!("{name} runs what it is told, and {free} can be nearly anything"))
            .help("use enum, file or literal, name a script with interpreter, or say i_know = \"why\"");
    }
}

/// The first place of a grammar where a caller can say what they like.
fn free_word(node: &Node, paths_too: bool) -> Option<String> {
    let free = |value: &ValueType| {
        value.is_free() || (paths_too && matches!(value.kind, Kind::Path { .. }))
    };
    let option = node.options.iter().find(|(_, option)| free(&option.value));
    if let Some((name, _)) = option {
        return Some(format!("the value of {name}"));
    }
    match &node.rest {
        Rest::Positionals(several) => {
            several.iter().find(|one| free(&one.value)).map(|one| one.name.clone())
        }
        Rest::Subs(subs) => subs.values().find_map(|sub| free_word(sub, paths_too)),
    }
}

fn check_reach(rule: &Rule, raw: &RawCommand, place: &Place, at: &At, report: &mut Report) {
    let reach = &rule.reach;
    // A path of the command itself is shown where it stands, one of a profile at the command.
    let locate = |path: &str| -> Place {
        let own = raw.ro.iter().chain(&raw.rw).chain(&raw.exec);
        let found: Option<Range<usize>> =
            own.clone().find(|w| w.get_ref() == path).map(toml::Spanned::span);
        found.map_or_else(|| place.clone(), |span| at.place(span))
    };
    for path in reach.ro.iter().chain(&reach.rw).chain(&reach.exec) {
        if path == "/" {
            report
                .error(&locate(path), "\"/\" opens the whole host")
                .help("list the directories that the program needs");
        }
    }
    for path in &reach.rw {
        let harmless = HARMLESS_DEVICES.contains(&path.as_str());
        if !harmless && NEVER_WRITTEN.iter().any(|tree| overlap(path, tree)) {
            report
                .error(&locate(path), format!("{path} must not be written to by a command"))
                .help("write to %workdir, or to a directory of its own under /var or /srv");
        }
        let clash = reach.exec.iter().find(|exec| overlap(exec, path));
        if let Some(exec) = clash {
            report
                .error(&locate(path), format!("{path} can be written to and {exec} executed"))
                .help("what can be written must not be executed: separate the trees");
        }
        let program = rule.program.to_string_lossy();
        if is_beneath(&program, path) || is_beneath(&rule.path, path) {
            report.error(&locate(path), "the command could write to its own program");
        }
    }
    // The script of an interpreter is among them, and was held against its own, stricter rules.
    for path in reach.ro.iter().chain(&reach.exec).filter(|path| **path != rule.path) {
        if WORLD_WRITABLE.iter().any(|tree| is_beneath(path, tree)) {
            report
                .error(&locate(path), format!("everybody can write to {path}"))
                .help("keep what a command reads where only trusted users can write");
        }
    }
    for path in reach.ro.iter().chain(&reach.rw) {
        if let Some(tree) = SECRETS.iter().find(|tree| overlap(path, tree)) {
            report
                .warning(&locate(path), format!("{path} lets the command read {tree}"))
                .help("list the files that it needs, if it needs any there");
        }
    }
    check_values(&rule.grammar, rule, place, report);
}

/// Warns of values that lead to files which the sandbox will not open.
fn check_values(node: &Node, rule: &Rule, place: &Place, report: &mut Report) {
    let mut types: Vec<&ValueType> = node.options.values().map(|option| &option.value).collect();
    match &node.rest {
        Rest::Positionals(several) => types.extend(several.iter().map(|one| &one.value)),
        Rest::Subs(subs) => {
            for sub in subs.values() {
                check_values(sub, rule, place, report);
            }
        }
    }
    for value_type in types {
        for path in value_type.paths() {
            let open = rule.reach.ro.iter().chain(&rule.reach.rw);
            if !open.clone().any(|tree| is_beneath(path, tree)) {
                report
                    .warning(place, format!("{} takes {path}, which it cannot read", rule.name))
                    .help("add it to ro, or take it out of the grammar");
            }
        }
    }
}

/// Whether one of two trees holds the other.
fn overlap(one: &str, other: &str) -> bool {
    is_beneath(one, other) || is_beneath(other, one)
}

fn is_beneath(path: &str, tree: &str) -> bool {
    tree == "/"
        || path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_dangerous_env(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    DANGEROUS_ENV.split_ascii_whitespace().any(|one| one == upper)
        || DANGEROUS_ENV_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || upper.ends_with("_PROXY")
}

fn is_loader(name: &str) -> bool {
    ["LD_", "GCONV_PATH", "LOCPATH", "OPENSSL_MODULES"].iter().any(|start| name.starts_with(start))
}

fn program_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}
