//! Claims about all command lines: what a grammar generates is allowed, the canonical form is its own
//! canonical form, and nothing that starts with a dash gets through unlisted, whatever is mutated.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::string::string_regex;

use super::compliance_tests::{NOW, request};
use super::rule::{Node, Rest, Rule, Style};
use super::value::{Kind, ValueType};
use super::{Decision, Policy, SourceFile, Trust, decide, parse};

const WORKDIR: &str = "/run/work";

/// A command that takes nearly anything, where the rules of every value have most to do.
const SAY: &str = r#"
version = 1
[command.say]
path = "/usr/bin/true"
flags = ["-n", "+x"]
options."-m" = { type = "text", lead = ["@", "+"], repeat = 4 }
options."-e" = { type = "text", style = "equals" }
positional = { name = "word", min = 0, max = 6, match = { type = "text", unicode = true } }
"#;

/// The tables' scanner, the shipped commands and `say` in one policy.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let table: toml::Table = toml::from_str(&read("runner/tests/it/policy/scan.toml")).unwrap();
    let files = [
        ("10-host.toml", read("policy/demo.d/10-host.toml")),
        ("20-scan.toml", table["policy"].as_str().unwrap().to_owned()),
        ("30-say.toml", SAY.to_owned()),
    ]
    .map(|(name, text)| SourceFile { name: name.to_owned(), text });
    let mut policy = parse(&files, &Trust::root()).map_err(|r| r.to_string()).unwrap().policy;
    // The grammar is what is under test, installed or not.
    for rule in policy.rules.values_mut() {
        rule.unavailable = None;
    }
    policy
});

fn rules() -> impl Strategy<Value = &'static Rule> {
    let named = |name| Just(POLICY.rule(name).unwrap());
    let any = (0..POLICY.rules.len()).prop_map(|n| POLICY.rules.values().nth(n).unwrap());
    prop_oneof![2 => any, 1 => named("scan"), 2 => named("say")]
}

fn permitted(rule: &Rule, words: &[String]) -> Option<Vec<String>> {
    match decide(&POLICY, &request(&rule.name, words), WORKDIR, NOW) {
        Decision::Permit(plan) => Some(plan.argv),
        Decision::Deny(_) => None,
    }
}

/// The caller's part of a canonical command line.
fn middle<'a>(rule: &Rule, argv: &'a [String]) -> &'a [String] {
    &argv[rule.head.len() + rule.prefix.len()..argv.len() - rule.suffix.len()]
}

fn value(of: &ValueType) -> BoxedStrategy<String> {
    let text = |pattern: &str| string_regex(pattern).unwrap();
    match &of.kind {
        Kind::Bool => prop_oneof![Just("true".to_owned()), Just("false".to_owned())].boxed(),
        Kind::Duration(range, _) => {
            let plain = (range.min..=range.max).prop_map(|n| n.to_string());
            let unit = (range.min..=range.max).prop_map(|n| format!("{n}s"));
            prop_oneof![plain, unit].boxed()
        }
        Kind::Enum(words) => proptest::sample::select(words.clone()).boxed(),
        Kind::File(names) => {
            let both = names.iter().flat_map(|(name, path)| [name.clone(), path.clone()]);
            proptest::sample::select(both.collect::<Vec<_>>()).boxed()
        }
        Kind::Hostname { .. } => text("([A-Za-z0-9]([a-z0-9-]{0,9}[a-z0-9])?\\.){0,3}[a-z]{1,8}").boxed(),
        Kind::Int(range) => (range.min..=range.max).prop_map(|n| n.to_string()).boxed(),
        Kind::List(list) => {
            let separator = list.separator.clone();
            proptest::collection::vec(value(&list.of), 1..=list.max)
                .prop_map(move |items| items.join(&separator))
                .boxed()
        }
        Kind::Literal(word) => Just(word.clone()).boxed(),
        Kind::Path { beneath } => {
            let beneath = beneath.clone();
            text("(/[a-z0-9_]{1,8}){0,4}/?").prop_map(move |rest| format!("{beneath}{rest}")).boxed()
        }
        Kind::Ports { max } => {
            let most = (*max).min(8);
            let one = (1..=60_000_u64, 0..most.div_ceil(4)).prop_map(|(first, n)| match n {
                0 => first.to_string(),
                n => format!("{first}-{}", first + n),
            });
            proptest::collection::vec(one, 1..=4).prop_map(|ports| ports.join(",")).boxed()
        }
        Kind::Regex(pattern) => text(pattern.source()).boxed(),
        Kind::Size(range, _) => (range.min..=range.max).prop_map(|n| n.to_string()).boxed(),
        Kind::Target { .. } => prop_oneof![
            text("([a-z0-9]{1,5}\\.){0,2}[a-z]{1,5}"),
            any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from_bits(bits).to_string()),
        ]
        .boxed(),
        Kind::Text => text("[!-*,.-?A-~][ -~]{0,15}").boxed(),
        Kind::Url { .. } | Kind::UrlOrTarget { .. } => {
            text("https?://([a-z0-9]{1,5}\\.){0,2}[a-z]{1,5}(:[1-9][0-9]{0,3})?(/[a-z~%]{0,0}[a-z]{0,5}){0,3}(\\?[a-z=&]{0,9})?").boxed()
        }
    }
}

/// Words of a grammar's language, in any order that it allows.
fn words(node: &'static Node) -> BoxedStrategy<Vec<String>> {
    let flags: Vec<String> = node.flags.iter().cloned().collect();
    let n_flags = flags.len();
    let flags = subsequence(flags, 0..=n_flags)
        .prop_map(|flags| flags.into_iter().map(|flag| vec![flag]).collect::<Vec<_>>());
    let options: Vec<_> = node
        .options
        .iter()
        .map(|(name, option)| {
            let written = value(&option.value).prop_map(move |value| match option.style {
                Style::Attached => vec![format!("{name}{value}")],
                Style::Equals => vec![format!("{name}={value}")],
                Style::Separate => vec![name.clone(), value],
            });
            let given = if option.required { 1.0 } else { 0.5 };
            proptest::option::weighted(given, written).boxed()
        })
        .collect();
    let given = (flags, options).prop_map(|(mut pieces, options)| {
        pieces.extend(options.into_iter().flatten());
        pieces
    });
    let given = given.prop_map(|pieces| obey(node, pieces)).prop_shuffle();
    match &node.rest {
        Rest::Positionals(several) => {
            let values: Vec<_> = several
                .iter()
                .map(|one| proptest::collection::vec(value(&one.value), one.min..=one.max))
                .collect();
            (given, values, any::<bool>())
                .prop_flat_map(|(given, values, end)| {
                    let values: Vec<Vec<String>> =
                        values.into_iter().flatten().map(|v| vec![v]).collect();
                    if end && node.end_of_options {
                        let mut all = given;
                        all.push(vec!["--".to_owned()]);
                        all.extend(values);
                        return Just(all.concat()).boxed();
                    }
                    let mut all = given;
                    all.extend(values);
                    Just(all).prop_shuffle().prop_map(|all| all.concat()).boxed()
                })
                .boxed()
        }
        Rest::Subs(subs) => {
            let below: Vec<_> = subs
                .iter()
                .map(|(name, sub)| {
                    words(sub).prop_map(move |after| {
                        let mut all = vec![name.clone()];
                        all.extend(after);
                        all
                    })
                })
                .collect();
            let below = proptest::strategy::Union::new(below);
            (given, below).prop_map(|(given, below)| [given.concat(), below].concat()).boxed()
        }
    }
}

/// Takes out what does not go together.
fn obey(node: &Node, mut pieces: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let is = |piece: &[String], name: &String| piece[0] == *name;
    for group in &node.at_most_one_of {
        let mut seen = false;
        pieces.retain(|piece| {
            let member = group.iter().any(|name| is(piece, name));
            !member || !std::mem::replace(&mut seen, true)
        });
    }
    for group in &node.conflicts {
        if pieces.iter().any(|piece| is(piece, &group[0])) {
            pieces.retain(|piece| !group[1..].iter().any(|name| is(piece, name)));
        }
    }
    for group in &node.requires {
        if !group[1..].iter().all(|name| pieces.iter().any(|piece| is(piece, name))) {
            pieces.retain(|piece| !is(piece, &group[0]));
        }
    }
    pieces
}

/// Every word with a dash that the rule lists, found without the code under test.
fn listed(node: &Node, exact: &mut BTreeSet<String>, starts: &mut BTreeSet<String>) {
    exact.extend(node.flags.iter().cloned());
    if node.end_of_options {
        exact.insert("--".to_owned());
    }
    for (name, option) in &node.options {
        match option.style {
            Style::Attached => starts.insert(name.clone()),
            Style::Equals => starts.insert(format!("{name}=")),
            Style::Separate => exact.insert(name.clone()),
        };
    }
    if let Rest::Subs(subs) = &node.rest {
        for sub in subs.values() {
            listed(sub, exact, starts);
        }
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Control(Index, char),
    Delete(Index),
    Duplicate(Index),
    Equals(Index),
    Insert(Index, String),
    Replace(Index, String),
    Swap(Index, Index),
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        "-[a-zA-Z-]{0,8}",
        "[+@-]?[a-z0-9=./:%-]{0,12}",
        "-o[a-zA-Z]/tmp/x",
        proptest::sample::select(vec![
            "--",
            "-",
            "-iL",
            "-iL/etc/shadow",
            "--script",
            "--datad",
            "--rate=-1",
            "-p-",
            "-O",
            "--rate",
            "@/etc/shadow",
            "+tcp",
            "/usr/share/doc/..",
            "-sT-sS",
            "--url=file:///",
            "\u{202e}x",
            "aux",
            "%workdir",
            "-t",
            "-n",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,8}",
    ]
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<Index>;
    let one = prop_oneof![
        (index(), proptest::char::range('\u{1}', '\u{1f}'))
            .prop_map(|(i, c)| Mutation::Control(i, c)),
        index().prop_map(Mutation::Delete),
        index().prop_map(Mutation::Duplicate),
        index().prop_map(Mutation::Equals),
        (index(), token()).prop_map(|(i, t)| Mutation::Insert(i, t)),
        (index(), token()).prop_map(|(i, t)| Mutation::Replace(i, t)),
        (index(), index()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ];
    proptest::collection::vec(one, 1..4)
}

fn mutate(mut words: Vec<String>, mutations: &[Mutation]) -> Vec<String> {
    for mutation in mutations {
        if let Mutation::Insert(at, token) = mutation {
            words.insert(at.index(words.len() + 1), token.clone());
            continue;
        }
        if words.is_empty() {
            continue;
        }
        let n = words.len();
        match mutation {
            Mutation::Control(at, c) => words[at.index(n)].push(*c),
            Mutation::Delete(at) => {
                words.remove(at.index(n));
            }
            Mutation::Duplicate(at) => {
                let word = words[at.index(n)].clone();
                words.insert(at.index(n), word);
            }
            Mutation::Equals(at) => words[at.index(n)].push('='),
            Mutation::Insert(..) => {}
            Mutation::Replace(at, token) => words[at.index(n)].clone_from(token),
            Mutation::Swap(a, b) => words.swap(a.index(n), b.index(n)),
        }
    }
    words.truncate(proto::limit::ARGS);
    words
}

fn rule_and_words() -> impl Strategy<Value = (&'static Rule, Vec<String>)> {
    rules().prop_flat_map(|rule| (Just(rule), words(&rule.grammar)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_a_grammar_generates_is_permitted_and_its_canonical_form_is_its_own(
        (rule, words) in rule_and_words(),
    ) {
        let Some(argv) = permitted(rule, &words) else {
            let decision = decide(&POLICY, &request(&rule.name, &words), WORKDIR, NOW);
            return Err(TestCaseError::fail(format!("{}: {words:?}: {decision:?}", rule.name)));
        };
        let canonical = middle(rule, &argv);
        if canonical.len() <= proto::limit::ARGS {
            prop_assert_eq!(permitted(rule, canonical), Some(argv.clone()));
        }
    }

    #[test]
    fn no_mutation_brings_an_unlisted_dash_or_a_control_character_through(
        (rule, words) in rule_and_words(),
        mutations in mutations(),
    ) {
        let words = mutate(words, &mutations);
        let Some(argv) = permitted(rule, &words) else { return Ok(()) };
        let (mut exact, mut starts) = (BTreeSet::new(), BTreeSet::new());
        listed(&rule.grammar, &mut exact, &mut starts);
        for word in middle(rule, &argv) {
            prop_assert!(!word.chars().any(char::is_control), "{word:?} of {argv:?}");
            if word.starts_with('-') {
                let known = exact.contains(word) || starts.iter().any(|s| word.starts_with(s));
                prop_assert!(known, "{word:?} of {argv:?}");
            }
        }
        prop_assert_eq!(&argv[..rule.head.len()], rule.head.as_slice());
        let canonical = middle(rule, &argv);
        if canonical.len() <= proto::limit::ARGS {
            prop_assert_eq!(permitted(rule, canonical), Some(argv.clone()));
        }
    }

    #[test]
    fn no_words_make_the_decision_panic(
        command in prop_oneof![
            rules().prop_map(|rule| rule.name.clone()),
            "\\PC{0,20}",
        ],
        words in proptest::collection::vec(token(), 0..12),
        workdir in "\\PC{0,20}",
    ) {
        let request = request(&command, &words);
        let first = decide(&POLICY, &request, &workdir, NOW);
        prop_assert_eq!(&first, &decide(&POLICY, &request, &workdir, NOW));
        prop_assert_eq!(first, super::explain(&POLICY, &request, &workdir, NOW).decision);
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        lines in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,30}",
                "[a-z_]{1,8} = (\"[a-z%/-]{0,9}\"|[0-9]{1,20}|\\[\\]|true|\\{ type = \"[a-z]{3,8}\" \\})",
                proptest::sample::select(vec![
                    "version = 1", "[command.x]", "path = \"/usr/bin/true\"", "flags = [\"-a\", \"-a\"]",
                    "[command.x.options]", "\"-p\" = { type = \"ports\" }", "[[command.x.example]]",
                    "allow = [\"-a\"]", "[command.x.positional]", "match = { type = \"text\" }",
                    "[engagement.e]", "cidrs = [\"10.0.0.0/8\", \"::/0\"]", "hosts = [\"*.a.b\"]",
                    "not_after = 2026-01-01T00:00:00Z", "not_before = 0001-01-01T00:00:00+23:59",
                    "[principal.q]", "users = [\"*\"]", "commands = [\"*\"]", "rate = \"1/d\"",
                    "[profile.p]", "extends = \"p\"", "[defaults]", "wall_s = \"1T\"", "name = \"n\"",
                ]).prop_map(str::to_owned),
            ],
            0..16,
        ),
    ) {
        let file = SourceFile { name: "x.toml".to_owned(), text: lines.join("\n") };
        match parse(&[file], &Trust::root()) {
            Ok(loaded) => prop_assert!(!loaded.warnings.has_errors()),
            Err(report) => {
                prop_assert!(report.has_errors());
                prop_assert!(!report.to_string().is_empty());
            }
        }
    }
}
