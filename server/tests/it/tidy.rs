//! The rules of the repository. Each is a function from sources to what breaks it, and each is
//! also held against sources that do break it.

mod sources;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use self::sources::{File, Tree, ends_in, is_rust};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        arrows_between_modules_go_down,
        crates_are_named_where_they_belong_only,
        manifests_keep_the_halves_apart,
        files_are_short,
        sources_are_ascii_and_finished,
        an_ignored_test_says_what_it_needs,
        no_machine_and_no_registry_is_named,
        docs_name_what_there_is,
        every_rule_catches_what_breaks_it,
    ]
    .into()
}

type Rule = fn(&Tree) -> Vec<String>;

/// Modules from top to bottom: one may use those of the rows below its own. A part of a module
/// that has a row of its own is judged by that row.
type Layers = &'static [&'static [&'static str]];

const SERVER: Layers = &[
    &["main"],
    &["cli"],
    &["app"],
    &["admin", "http", "net"],
    &["mcp"],
    &["call"],
    &["api", "exec"],
    // What the engine hands to both kinds of tools: the proof that arguments were checked.
    &["call::args"],
    &["call::coerce"],
    &["access"],
    &["catalog", "config", "settings", "store"],
    &["auth", "env_file"],
    &["clock", "entropy", "harden", "model"],
    &["limits"],
];

const RUNNER: Layers = &[
    &["main"],
    &["cli"],
    &["serve"],
    &["session"],
    &["run"],
    &["runner"],
    &["harden"],
    &["host"],
    &["policy", "spawn"],
    &["stage2"],
    &["sandbox"],
    &["admission", "audit", "diagnostic", "plan", "slots", "sys", "workdir"],
    &["line", "requests"],
];

const PROTO: Layers = &[
    &["channel"],
    &["codec"],
    &["message"],
    &["bounded"],
    // The version is the crate's, which has its public names from all modules.
    &["VERSION", "limit"],
];

/// What may be named in which files only: a pattern, where it is looked for, where it may be.
const NAMES: &[(&str, &[&str], &[&str])] = &[
    (r"\breqwest\b", &["server/src/"], &["server/src/api/client.rs", "server/src/cli/client.rs"]),
    (r"\bredb\b", &["server/src/"], &["server/src/store/"]),
    (r"\baxum\b", &["server/src/"], &["server/src/http/", "server/src/net/"]),
    (r"\bhyper(_util)?\b", &["server/src/"], &["server/src/net/"]),
    (
        r"\bStatusCode\b",
        &["server/src/"],
        &["server/src/api/", "server/src/cli/client.rs", "server/src/http/", "server/src/mcp/"],
    ),
    // Starting a process.
    (
        r"\bprocess::(Command\b|\{[^}]*\bCommand\b)|\btokio::process\b|\bposix_spawnp?\b",
        &["server/src/", "runner/src/", "proto/src/"],
        &["runner/src/spawn/", "server/src/cli/demo/"],
    ),
    // Becoming the command is stage 2's, which is a started process itself.
    (
        r"\b(f?execv\w*|v?fork|sys::clone|clone3)\b",
        &["server/src/", "runner/src/", "proto/src/"],
        &["runner/src/stage2/", "runner/src/sys.rs"],
    ),
    (
        r"\bunsafe\b",
        &["server/", "runner/", "proto/"],
        &["runner/src/sys.rs", "runner/examples/attacker.rs"],
    ),
    (r"\b(server|runner)::", &["proto/"], &[]),
    (r"\bserver::", &["runner/"], &[]),
    (r"\brunner::", &["server/src/"], &[]),
];

/// Which dependencies a package has nothing to do with.
const APART: &[(&str, &[&str])] = &[
    ("proto/Cargo.toml", &["axum", "hyper", "redb", "reqwest", "runner", "serde", "server"]),
    ("runner/Cargo.toml", &["axum", "hyper", "redb", "reqwest", "rustls", "server"]),
    ("server/Cargo.toml", &["caps", "landlock", "libc", "nix", "runner", "seccompiler"]),
];

const MAX_LINES: usize = 500;

fn arrows_between_modules_go_down() {
    hold(layers);
}

fn crates_are_named_where_they_belong_only() {
    hold(names);
}

fn manifests_keep_the_halves_apart() {
    hold(manifests);
}

fn files_are_short() {
    hold(lengths);
}

fn sources_are_ascii_and_finished() {
    hold(characters);
}

fn an_ignored_test_says_what_it_needs() {
    hold(ignores);
}

fn no_machine_and_no_registry_is_named() {
    hold(places);
}

fn docs_name_what_there_is() {
    hold(docs);
}

fn hold(rule: Rule) {
    static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);
    let tree = &*TREE;
    assert!(tree.has("proto/src/lib.rs") && tree.files.len() > 100, "the sources are read");
    let broken = rule(tree);
    assert!(broken.is_empty(), "{} times broken:\n{}", broken.len(), broken.join("\n"));
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

fn layers(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (package, layers) in [("server", SERVER), ("runner", RUNNER), ("proto", PROTO)] {
        let rows: BTreeMap<&str, usize> = layers
            .iter()
            .enumerate()
            .flat_map(|(row, modules)| modules.iter().map(move |module| (*module, row)))
            .collect();
        let source = format!("{package}/src/");
        for file in tree.code(&source).filter(|file| !file.path.ends_with("/src/lib.rs")) {
            let path = file.path.trim_start_matches(&source).trim_end_matches(".rs");
            let own = path.trim_end_matches("/mod").replace('/', "::");
            let Some((own_row, own_module)) = row(&rows, &own) else {
                broken.push(format!("{}: `{own}` is in no layer", file.path));
                continue;
            };
            for used in paths_used(file, &own) {
                match row(&rows, &used) {
                    None => broken.push(format!("{}: `{used}` is in no layer", file.path)),
                    Some((_, module)) if module == own_module => {}
                    Some((row, _)) if row > own_row => {}
                    Some(_) => broken.push(format!("{}: `{used}` is not below it", file.path)),
                }
            }
        }
    }
    broken
}

/// The row of a path, by the longest name that begins it.
fn row<'a>(rows: &BTreeMap<&'a str, usize>, path: &str) -> Option<(usize, &'a str)> {
    let begins = |name: &str| {
        path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let found = rows.iter().filter(|(name, _)| begins(name));
    found.max_by_key(|(name, _)| name.len()).map(|(name, row)| (*row, *name))
}

/// The paths from the crate's root that the code of module `own` names.
fn paths_used(file: &File, own: &str) -> Vec<String> {
    static STARTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bcrate::|\b(super::)+"));
    let mut used = Vec::new();
    for start in STARTS.find_iter(&file.code) {
        let mut base: Vec<&str> = Vec::new();
        if start.as_str() != "crate::" {
            base = own.split("::").collect();
            let up = start.as_str().matches("super").count();
            base.truncate(base.len().saturating_sub(up));
        }
        tree_of_names(&file.code[start.end()..], &base.join("::"), &mut used);
    }
    used
}

/// Collects the paths of `a::{b, c::d}` at the beginning of `rest`, each after `base`.
fn tree_of_names(rest: &str, base: &str, used: &mut Vec<String>) {
    static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\w+(::\w+)*"));
    let joined = |name: &str| {
        let both = [base, name].into_iter().filter(|part| !part.is_empty());
        both.collect::<Vec<_>>().join("::")
    };
    let Some(inside) = rest.strip_prefix('{') else {
        let path = PATH.find(rest).map_or("", |path| path.as_str());
        let after = rest[path.len()..].strip_prefix("::").filter(|after| after.starts_with('{'));
        match after {
            Some(after) => tree_of_names(after, &joined(path.trim_end_matches("::self")), used),
            None if path.is_empty() => {}
            None => used.push(joined(path.trim_end_matches("self").trim_end_matches("::"))),
        }
        return;
    };
    let mut depth = 0_usize;
    let mut begin = 0;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                tree_of_names(inside[begin..at].trim(), base, used);
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

fn names(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (text, looked_for, allowed) in NAMES {
        let name = pattern(text);
        for file in looked_for.iter().flat_map(|beneath| tree.code(beneath)) {
            if allowed.iter().any(|place| file.path.starts_with(place)) {
                continue;
            }
            let found = name.find(&file.code).map(|found| found.as_str());
            broken.extend(found.map(|found| format!("{}: names `{found}`", file.path)));
        }
    }
    broken
}

fn manifests(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, apart) in APART {
        let Some(manifest) = tree.files.iter().find(|file| file.path == *path) else {
            broken.push(format!("{path} is missing"));
            continue;
        };
        let keys = manifest.text.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let found = keys.filter(|key| apart.contains(key));
        broken.extend(found.map(|key| format!("{path}: depends on {key}")));
    }
    broken
}

fn lengths(tree: &Tree) -> Vec<String> {
    let lines = |file: &File| file.code.lines().count();
    let long = tree.files.iter().filter(|file| lines(file) > MAX_LINES);
    long.map(|file| format!("{}: {} lines of code", file.path, lines(file))).collect()
}

fn characters(tree: &Tree) -> Vec<String> {
    // In pieces, so that this file does not break its own rule.
    let unfinished =
        pattern(concat!(r"\b(TO", "DO|FIX", r"ME|XX", r"X)\b|\b(to", "do|unimple", r"mented)!"));
    let mut broken = Vec::new();
    for file in &tree.files {
        for (number, line) in (1..).zip(file.text.lines()) {
            if !line.is_ascii() {
                broken.push(format!("{}:{number}: not ASCII", file.path));
            }
            if unfinished.is_match(line) {
                broken.push(format!("{}:{number}: not finished", file.path));
            }
        }
    }
    broken
}

fn ignores(tree: &Tree) -> Vec<String> {
    let attribute = concat!("#[", "ignore");
    let mut broken = Vec::new();
    for file in tree.files.iter().filter(|file| is_rust(&file.path)) {
        for (number, line) in (1..).zip(file.text.lines()) {
            let ignored = line.trim().strip_prefix(attribute);
            if ignored.is_some_and(|rest| !rest.starts_with(" = \"needs: ")) {
                broken.push(format!("{}:{number}: ignored without `needs:`", file.path));
            }
        }
    }
    broken
}

fn places(tree: &Tree) -> Vec<String> {
    // In brackets and pieces, so that this file does not break its own rule.
    let machine = pattern(concat!(
        r#"(^|[\s"'=(`])/work(space)?/|/Users/\w|[A-Z]:\\+Users|[.]cargo/registry|"#,
        r"/home/\w+/(code|dev|git|projects?|repos?|src|work)\b",
    ));
    let registry = pattern(concat!(
        r"\b(index|static)\.crates\.io\b|\bregistry\.npmjs\.org\b|\b(test\.)?pypi[.]org\b|",
        r"\bpythonhosted[.]org\b|\bproxy\.golang\.org\b|\b(artifa",
        r"ctory|nex",
        r"us|verda",
        r"ccio)\b",
    ));
    // Not the checkout itself: it may be where an installation would be, too.
    let checkout = env!("CARGO_MANIFEST_DIR").trim_end_matches("/server");
    let own = ["Cargo", "configs", "docs", "policy", "proto", "runner", "server", "target"]
        .map(|name| format!("{checkout}/{name}"));
    let mut broken = Vec::new();
    for file in &tree.files {
        for (number, line) in (1..).zip(file.text.lines()) {
            if machine.is_match(line) || own.iter().any(|path| line.contains(path)) {
                broken.push(format!("{}:{number}: a path of a machine", file.path));
            }
            if registry.is_match(line) {
                broken.push(format!("{}:{number}: the host of a registry", file.path));
            }
            if file.path == "Cargo.lock"
                && line.starts_with("source = ")
                && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
            {
                broken.push(format!("{}:{number}: another registry", file.path));
            }
        }
    }
    broken
}

/// What a text between backticks means, if it is for this rule, must be there.
fn docs(tree: &Tree) -> Vec<String> {
    let span = pattern(r"`([^`\s]+)`");
    let path = pattern(r"^(\.ci|configs|docs|packaging|policy|proto|runner|server)/[\w./-]*$");
    let file_name = pattern(r"^\w+\.rs$");
    let module = pattern(r"^[a-z]\w*(::\w+)+$");
    let claim = pattern(r"^[a-z0-9]+(_[a-z0-9]+){4,}$");
    let mut broken = Vec::new();
    let is_doc = |file: &&File| ends_in(&file.path, "md");
    for file in tree.files.iter().filter(is_doc) {
        for (number, line) in (1..).zip(file.text.lines()) {
            for found in span.captures_iter(line) {
                let text = found[1].trim_end_matches("::");
                let is_there = if path.is_match(text) {
                    tree.has(text)
                } else if file_name.is_match(text) {
                    tree.files.iter().any(|file| file.path.ends_with(&format!("/{text}")))
                } else if module.is_match(text) {
                    is_a_module(tree, text)
                } else if claim.is_match(text) {
                    let function = format!("fn {text}(");
                    tree.code("").any(|file| file.text.contains(&function))
                } else {
                    true
                };
                if !is_there {
                    broken.push(format!("{}:{number}: there is no `{text}`", file.path));
                }
            }
        }
    }
    broken
}

/// Whether a path names a module of ours, or something in one.
fn is_a_module(tree: &Tree, path: &str) -> bool {
    let names: Vec<_> = path.split("::").collect();
    let (roots, names) = match names.split_first() {
        Some((&"it", rest)) => (vec!["server/tests/it", "runner/tests/it"], rest),
        Some((&"proto", rest)) => (vec!["proto/src"], rest),
        Some((&"runner", rest)) if tree.has("runner/src") && rest.len() > 1 => {
            (vec!["runner/src", "server/src"], rest)
        }
        Some((&"server", rest)) => (vec!["server/src"], rest),
        _ => (vec!["server/src", "runner/src", "proto/src"], &names[..]),
    };
    roots.into_iter().any(|root| is_in(tree, root, names))
}

fn is_in(tree: &Tree, module: &str, names: &[&str]) -> bool {
    let Some((name, rest)) = names.split_first() else { return true };
    let inner = format!("{module}/{name}");
    if tree.has(&inner) || tree.has(&format!("{inner}.rs")) {
        return is_in(tree, &inner, rest);
    }
    let places = [format!("{module}.rs"), format!("{module}/mod.rs"), format!("{module}/lib.rs")];
    let mut texts = tree.files.iter().filter(|file| places.contains(&file.path));
    // An item has no module below it.
    rest.is_empty() && texts.any(|file| has_item(&file.text, name))
}

fn has_item(text: &str, name: &str) -> bool {
    let kinds = "const|enum|fn|macro_rules!|mod|static|struct|trait|type";
    pattern(&format!(r"\b({kinds}) {name}\b")).is_match(text)
}

/// Sources of one file that is in order but for `text`.
fn with(path: &str, text: &str) -> Tree {
    Tree::new(vec![(path.to_owned(), text.to_owned())])
}

fn every_rule_catches_what_breaks_it() {
    let long = "fn f() {}\n".repeat(MAX_LINES + 1);
    let (to_do, ignore) = (concat!("to", "do!()"), concat!("#[", "ignore]\nfn f() {}"));
    let reason = concat!("#[", "ignore = \"slow\"]\nfn f() {}");
    let home = concat!("# see /wo", "rk/main/docs");
    let host = concat!("https://index.crates", ".io/x");
    let broken: &[(Rule, &str, &str)] = &[
        (layers, "server/src/model/a.rs", "use crate::config::load;"),
        (layers, "server/src/model/a.rs", "use crate::{clock::Clock, limits};"),
        (layers, "server/src/api/a.rs", "fn f() { crate::call::engine::x() }"),
        (layers, "server/src/api/a.rs", "use super::super::mcp::fault;"),
        (layers, "server/src/http/a.rs", "use crate::{limits, net::{self}};"),
        (layers, "server/src/new.rs", ""),
        (layers, "server/src/cli/a.rs", "use crate::new::x;"),
        (layers, "runner/src/sandbox/a.rs", "use crate::policy::Rule;"),
        (layers, "proto/src/bounded.rs", "use crate::message::Request;"),
        (names, "server/src/mcp/a.rs", "use axum::Router;"),
        (names, "server/src/api/request.rs", "fn f(_: reqwest::Url) {}"),
        (names, "server/src/auth/a.rs", "use redb::Database;"),
        (names, "server/src/http/a.rs", "use hyper::Body;"),
        (names, "server/src/call/a.rs", "use http::StatusCode;"),
        (names, "server/src/exec/a.rs", "use std::process::{Child, Command};"),
        (names, "server/src/cli/serve.rs", "fn f() { std::process::Command::new(\"sh\"); }"),
        (names, "runner/src/run.rs", "use tokio::process;"),
        (names, "runner/src/session.rs", "fn f() { nix::unistd::execveat() }"),
        (names, "runner/src/host.rs", "fn f() { unsafe { g() } }"),
        (names, "proto/src/codec.rs", "use runner::plan;"),
        (names, "runner/src/run.rs", "use server::limits;"),
        (manifests, "proto/Cargo.toml", "[dependencies]\nserver.workspace = true"),
        (manifests, "server/Cargo.toml", "[dependencies]\nnix = { version = \"1\" }"),
        (lengths, "server/src/model/a.rs", &long),
        (characters, "server/src/model/a.rs", "// gr\u{fc}n"),
        (characters, "runner/src/a.rs", to_do),
        (ignores, "server/src/a.rs", ignore),
        (ignores, "server/src/a.rs", reason),
        (places, "README.md", home),
        (places, "README.md", env!("CARGO_MANIFEST_DIR")),
        (places, ".ci/run", host),
        (places, "Cargo.lock", "source = \"registry+https://mirror.example/index\""),
        (docs, "docs/a.md", "see `server/src/nowhere.rs`"),
        (docs, "docs/a.md", "see `nowhere.rs`"),
        (docs, "docs/a.md", "see `access::nowhere`"),
        (docs, "docs/a.md", "see `it::nowhere::a_claim`"),
        (docs, "docs/a.md", "see `a_claim_that_no_test_makes`"),
    ];
    for (rule, path, text) in broken {
        let found = rule(&with(path, text));
        let about = found.iter().filter(|found| found.starts_with(path));
        assert_eq!(about.count(), 1, "{path}: {text}: {found:?}");
    }
    let fine: &[(Rule, &str, &str)] = &[
        (layers, "server/src/api/a.rs", "use crate::call::args::ValidArgs;\nuse super::request;"),
        (layers, "server/src/mcp/a.rs", "use super::fault::Fault;\n// crate::http is above\n"),
        (layers, "server/src/model/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::mcp::x;\n}\n"),
        (layers, "server/src/model/tests.rs", "use crate::mcp::x;"),
        (names, "server/src/exec/a.rs", "/// reqwest, not.\nfn f<'a>() { g(\"unsafe\", '\"') }"),
        (names, "server/src/exec/a.rs", "fn f() { g(r#\"axum \" redb\"#) }"),
        (lengths, "server/tests/it/a.rs", &long),
        (places, "README.md", "the directory /run/mcpfusion/work/7"),
    ];
    for (rule, path, text) in fine {
        let found = rule(&with(path, text));
        assert_eq!(found, [""; 0], "{path}: {text}");
    }
}
