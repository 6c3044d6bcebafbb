//! What is shipped loads, and what is broken in it never panics.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config;
use crate::model::command::Executable;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/demo.json")
}

#[test]
fn the_demo_config_loads_without_a_warning() {
    let loaded = config::load(&[demo()], &|_| None).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", config::render::Text(&loaded.warnings));
    let names: Vec<_> = loaded.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "server_health",
            "weather_current",
            "weather_forecast",
            "weather_find_place",
            "crates_get",
            "crates_search",
            "command_df",
            "command_ps",
            "command_uptime",
            "command_free",
            "command_uname",
            "command_ip",
            "command_ss",
            "command_dig",
            "command_id",
            "command_os_release",
            "command_list_docs",
        ]
    );
}

#[test]
fn every_demo_command_names_its_program_and_says_that_it_only_reads() {
    for tool in config::load(&[demo()], &|_| None).unwrap().tools {
        assert!(tool.hints.read_only && !tool.hints.destructive, "{}", tool.name);
        if let Action::Command(command) = tool.action {
            let Executable::Named(path) = command.executable else { panic!("{}", tool.name) };
            assert!(path.starts_with("/usr/bin/"), "{path}");
        }
    }
}

#[test]
fn every_example_of_the_documentation_loads_without_a_warning() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let env = |name: &str| (name == "TRACKER_TOKEN").then(|| "x".to_owned());
    let mut n_examples = 0;
    for example in examples {
        let loaded = load_texts(&[(PathBuf::from("example"), example.to_owned())], &env);
        let loaded = loaded.map_err(|report| config::render::Text(&report).to_string()).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", config::render::Text(&loaded.warnings));
        n_examples += 1;
    }
    assert_eq!(n_examples, 3);
}

fn never_panics(text: String) {
    let loaded = load_texts(&[(PathBuf::from("a.json"), text)], &env);
    let report = match loaded {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    drop(config::render::Text(&report).to_string());
    drop(config::render::JsonLines(&report).to_string());
}

/// A piece that a mutation puts in.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "",
        "null",
        "true",
        "5",
        "-1e999",
        "\"\"",
        "{}",
        "[]",
        "{",
        "}",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u0000",
        "\\ud83d",
        "${",
        "${X}",
        "${HOST:",
        "~/",
        "\u{e4}",
        "\u{1f600}",
        "(",
        "[a-",
        "\n",
    ];
    prop_oneof![
        prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        ".{0,4}".prop_map(|text| text),
    ]
}

proptest! {
    #[test]
    fn a_mutated_config_never_panics(
        which in 0..3_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, piece()), 1..6),
    ) {
        let demo = std::fs::read_to_string(demo()).unwrap();
        let mut text = [demo.as_str(), API, COMMAND][which].to_owned();
        for (at, len, piece) in edits {
            let from = text.floor_char_boundary(at.index(text.len() + 1));
            let to = text.floor_char_boundary((from + len).min(text.len())).max(from);
            text.replace_range(from..to, &piece);
        }
        never_panics(text);
    }

    #[test]
    fn a_config_with_a_value_of_the_wrong_kind_never_panics(
        which in 0..2_usize,
        at in any::<prop::sample::Index>(),
        piece in prop::sample::select(vec!["null", "true", "-5", "1e300", "\"\"", "\"{a}\"", "{}", "[]", "[[{}]]", "{\"enabled\":1}"]),
    ) {
        let text = [API, COMMAND][which];
        let ends: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
        let from = ends[at.index(ends.len())];
        let (before, rest) = text.split_at(from);
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
        stream.next().unwrap().unwrap();
        let (_, after) = rest.split_at(stream.byte_offset());
        never_panics(format!("{before}{piece}{after}"));
    }
}
