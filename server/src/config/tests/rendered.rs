//! The exact words that people and programs get.

use super::*;
use crate::config::render::{JsonLines, Text};
use crate::limits;

const CONFIG: &str = r#"{
  "services": {
    "shop": {
      "name": "Shop",
      "baseURL": "https://${SHOP_HOST}",
      "auth": {"type": "bearer", "config": {"token": "literal-secret", "x": 1}},
      "endpoints": [
        {"id": "list", "name": "List", "method": "GET", "path": "/items", "parameters": [
          {"name": "q", "type": "string", "location": "query", "pattern": "a(b", "examples": []}
        ]}
      ]
    }
  }
}
"#;

fn report(text: &str) -> Report {
    load(text).unwrap_err()
}

#[test]
fn people_get_the_place_an_excerpt_and_what_to_do() {
    let expected = r#"error: `baseURL` of a service needs the environment variable SHOP_HOST, which is not set
 --> a.json:5:18
  |
5 |       "baseURL": "https://${SHOP_HOST}",
  |                  ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: set SHOP_HOST, or write a default: ${SHOP_HOST:default}

warning: unknown key `x` in the config of auth `bearer`
 --> a.json:6:72
  |
6 |       "auth": {"type": "bearer", "config": {"token": "**************", "x": 1}},
  |                                                                        ^^^

error: `pattern` of a parameter is no regular expression: unclosed group
 --> a.json:9:77
  |
9 |           {"name": "q", "type": "string", "location": "query", "pattern": "a(b", "examples": []}
  |                                                                             ^
  |
  = help: see character 2 of the pattern

"#;
    assert_eq!(Text(&report(CONFIG)).to_string(), expected);
}

#[test]
fn programs_get_an_object_a_line() {
    let expected = r#"{"severity":"error","file":"a.json","line":5,"column":18,"end_line":5,"end_column":40,"message":"`baseURL` of a service needs the environment variable SHOP_HOST, which is not set","help":"set SHOP_HOST, or write a default: ${SHOP_HOST:default}"}
{"severity":"warning","file":"a.json","line":6,"column":72,"end_line":6,"end_column":75,"message":"unknown key `x` in the config of auth `bearer`","help":null}
{"severity":"error","file":"a.json","line":9,"column":77,"end_line":9,"end_column":78,"message":"`pattern` of a parameter is no regular expression: unclosed group","help":"see character 2 of the pattern"}
"#;
    assert_eq!(JsonLines(&report(CONFIG)).to_string(), expected);
}

#[test]
fn a_problem_of_the_file_as_a_whole_has_no_excerpt() {
    let paths = [PathBuf::from("no/such.json")];
    let report = crate::config::load(&paths, &env).unwrap_err();
    let expected =
        "error: cannot read the file: No such file or directory (os error 2)\n--> no/such.json\n\n";
    assert_eq!(Text(&report).to_string(), expected);
}

#[test]
fn a_long_line_is_not_shown() {
    let text = changed(API, "Orders.", &"x".repeat(5_000)).replace('\n', " ");
    let text = changed(&text, "\"POST\"", "\"post\"");
    let expected = "error: `post` is no method\n--> a.json:1:5188\n = help: write `POST`\n\n";
    assert_eq!(Text(&report(&text)).to_string(), expected);
}

#[test]
fn neither_form_shows_a_secret() {
    let report = report(CONFIG);
    for shown in [Text(&report).to_string(), JsonLines(&report).to_string(), format!("{report:?}")]
    {
        assert!(!shown.contains("literal-secret"), "{shown}");
    }
}

#[test]
fn a_report_that_is_cut_says_so() {
    let empty = "{},".repeat(limits::CONFIG_DIAGNOSTICS);
    let text = changed(API, r#""endpoints": ["#, &format!(r#""endpoints": [{empty}"#));
    let report = report(&text);
    assert_eq!(report.diagnostics.len(), limits::CONFIG_DIAGNOSTICS);
    assert!(report.omitted > 0);
    let end = format!("{} more problems are not shown\n\n", report.omitted);
    assert!(Text(&report).to_string().ends_with(&end));
}
