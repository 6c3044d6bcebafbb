//! Files: reading, merging, strictness.

use std::fs;

use super::*;
use crate::config;
use crate::limits;

fn two(first: &str, second: &str) -> Result<Loaded, Report> {
    let file = |name: &str, text: &str| (PathBuf::from(name), text.to_owned());
    load_texts(&[file("a.json", first), file("b.json", second)], &env)
}

fn messages(report: &Report) -> Vec<String> {
    report.diagnostics.iter().map(|d| format!("{} {}", d.place(), d.message)).collect()
}

#[test]
fn services_and_commands_of_all_files_are_merged() {
    let loaded = two(API, COMMAND).unwrap();
    let names: Vec<_> = loaded.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["shop_order", "command_tool"]);
}

#[test]
fn of_two_services_with_one_key_the_later_is_used_and_both_places_are_named() {
    let second = changed(API, r#""id": "order""#, r#""id": "buy""#);
    let loaded = two(API, &second).unwrap();
    let names: Vec<_> = loaded.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["shop_buy"]);
    assert_eq!(
        messages(&loaded.warnings),
        ["b.json:1:15 `shop` of `services` replaces the one at a.json:1:15"]
    );
}

#[test]
fn two_tools_with_one_name_are_an_error_also_across_groups() {
    let second = changed(COMMAND, r#""host""#, r#""other""#);
    let report = two(COMMAND, &second).unwrap_err();
    assert_eq!(messages(&report), ["b.json:2:9 two tools are named `command_tool`"]);
    let help = report.diagnostics[0].help.as_deref();
    assert_eq!(help, Some("the other is at a.json:2:9; give one another `id`"));
}

#[test]
fn all_problems_of_all_files_are_found_at_once() {
    let first = "{\n  \"services\": {\n    \"s\": {\n      \"name\": 5,\n      \"baseURL\": \"x\",\n      \"auth\": {\"type\": \"none\"},\n      \"endpoints\": [{\"id\": \"a\", \"name\": \"A\", \"method\": \"HEAD\", \"path\": \"/\"}]\n    }\n  }\n}";
    let report = two(first, "{,}").unwrap_err();
    assert_eq!(
        messages(&report),
        [
            "a.json:4:15 `name` of a service must be a string, not a number",
            "a.json:5:18 `baseURL` of a service is no URL",
            "a.json:7:56 `HEAD` is no method",
            "b.json:1:2 the file is no JSON: key must be a string",
        ]
    );
}

#[test]
fn only_strict_json_is_read() {
    for (text, message) in [
        ("{} // x", "a.json:1:4 the file is no JSON: trailing characters"),
        ("{\"services\": {},}", "a.json:1:17 the file is no JSON: trailing comma"),
        ("{'services': {}}", "a.json:1:2 the file is no JSON: key must be a string"),
        (
            "{\"a\":\n \"\t\"}",
            "a.json:2:3 the file is no JSON: control character (\\u0000-\\u001F) found while parsing a string",
        ),
        ("{\"a\": 01}", "a.json:1:8 the file is no JSON: invalid number"),
        ("{\"a\"", "a.json:1:4 the file is no JSON: EOF while parsing an object"),
        ("", "a.json:1:1 the file is no JSON: EOF while parsing a value"),
    ] {
        assert_eq!(messages(&load(text).unwrap_err()), [message]);
    }
    let report = load("{\"services\": ${X}}").unwrap_err();
    let help = report.diagnostics[0].help.as_deref();
    assert_eq!(help, Some("a variable is expanded inside a string only; write it in quotes"));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let report = load(&deep).unwrap_err();
    assert_eq!(messages(&report), ["a.json:1:128 the file is no JSON: recursion limit exceeded"]);
}

#[test]
fn each_of_many_keys_is_counted() {
    let keys: Vec<String> = (0..50_000).map(|i| format!("\"{i}\": {{}}, ")).collect();
    let keys = keys.concat();
    let report =
        load(&format!("{{\"services\": {{{keys}\"a\":{{}}}}, {keys} \"b\": 1}}")).unwrap_err();
    assert_eq!(report.n_warnings(), 50_001);
}

#[test]
fn a_file_without_services_and_commands_is_an_error() {
    for text in ["{}", "{\"services\": {}, \"commands\": {}}"] {
        is_error(text, "{", "the file has neither services nor commands");
    }
    is_error("[]", "[]", "a config must be an object, not an array");
    is_error("{\"services\": 5}", "5", "`services` of a config must be an object, not a number");
}

#[test]
fn an_escaped_key_and_value_are_read() {
    let text = changed(API, r#""name": "Shop""#, r#""n\u0061me": "\ud83d\ude00 \"Shop\"""#);
    assert_eq!(tool(&text).description, "\u{1f600} \"Shop\": Orders.");
}

#[test]
fn what_cannot_be_read_is_reported_beside_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("binary"), b"{\"a\": \"\xff\"}").unwrap();
    fs::write(path("broken"), "{").unwrap();
    let big = fs::File::create(path("big")).unwrap();
    big.set_len(limits::CONFIG_BYTES + 1).unwrap();
    let files = ["missing", "binary", "big", "broken", ""].map(path);
    let report = config::load(&files, &env).unwrap_err();
    let found: Vec<_> = report.diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        found,
        [
            "cannot read the file: No such file or directory (os error 2)",
            "the file is no UTF-8 text; byte 7 is the first wrong one",
            "the file is over 8388608 bytes",
            "the file is no JSON: EOF while parsing an object",
            "cannot read the file: it is no regular file",
        ]
    );
}

#[test]
fn a_file_of_the_largest_size_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let len = usize::try_from(limits::CONFIG_BYTES).unwrap();
    fs::write(&path, format!("{API}{}", " ".repeat(len - API.len()))).unwrap();
    assert_eq!(config::load(&[path], &env).unwrap().tools.len(), 1);
}
