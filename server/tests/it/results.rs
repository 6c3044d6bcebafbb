//! What a model is told of a call that did not go well: `isError`, words that say what to do, and
//! fields for programs.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::http::text;
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    cases![Nothing:
        a_success_is_no_error_and_has_all_fields,
        a_non_zero_exit_is_an_error_with_the_code,
        a_signal_is_an_error_with_its_number,
        a_timeout_is_an_error_and_keeps_the_output,
        a_denial_names_the_rule_and_the_argument,
        a_command_without_a_rule_is_denied,
        wrong_arguments_are_all_named_and_nothing_runs,
        a_static_argument_cannot_be_sent,
        output_over_the_policys_limit_is_truncated_and_says_so,
        an_upstreams_failure_is_an_error_without_its_credential,
        an_upstream_that_is_not_there_is_an_error,
    ]
    .into()
}

/// Holds a failed call against the fields that it must have and the words that must be in its text.
fn assert_failed(result: &Value, fields: &[(&str, Value)], words: &[&str]) {
    assert_eq!(result["isError"], true, "{result}");
    for (name, value) in fields {
        assert_eq!(result["structuredContent"][name], *value, "{name} of {result}");
    }
    let text = text(result);
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
}

fn a_success_is_no_error_and_has_all_fields() {
    let bench = Bench::start();
    let result = bench.client().attack(&["cwd"]);
    assert_eq!(result["isError"], false, "{result}");
    let structured = &result["structuredContent"];
    for (name, value) in [
        ("exit_code", json!(0)),
        ("signal", Value::Null),
        ("timed_out", json!(false)),
        ("cancelled", json!(false)),
        ("truncated", json!(false)),
        ("stderr", json!("")),
        ("rule", json!("attacker")),
    ] {
        assert_eq!(structured[name], value, "{name} of {structured}");
    }
    assert!(structured["stdout"].as_str().unwrap().starts_with("ok /"), "{structured}");
    assert!(structured["duration_ms"].is_u64(), "{structured}");
    assert!(text(&result).contains("Status: Success"), "{result}");
}

fn a_non_zero_exit_is_an_error_with_the_code() {
    let bench = Bench::start();
    let result = bench.client().attack(&["exit", "3"]);
    let fields = [("exit_code", json!(3)), ("signal", Value::Null), ("timed_out", json!(false))];
    assert_failed(&result, &fields, &["Exit Code: 3", "stderr says why"]);
}

fn a_signal_is_an_error_with_its_number() {
    let bench = Bench::start();
    let result = bench.client().attack(&["abort"]);
    let fields = [("exit_code", Value::Null), ("signal", json!(6))];
    assert_failed(&result, &fields, &["signal 6"]);
}

fn a_timeout_is_an_error_and_keeps_the_output() {
    let bench = Bench::start();
    let result = bench.client().call("command_nap", &json!({}));
    let fields = [("timed_out", json!(true)), ("stdout", json!("started\n"))];
    assert_failed(&result, &fields, &["Timed Out", "its time was up", "started"]);
}

fn a_denial_names_the_rule_and_the_argument() {
    let bench = Bench::start();
    let result = bench.client().attack(&["read", "--all"]);
    let fields =
        [("error", json!("denied")), ("rule", json!("attacker")), ("exit_code", Value::Null)];
    assert_failed(&result, &fields, &["rule `attacker`", "argument 1 ", "will be denied again"]);
    assert_eq!(bench.audit("deny").len(), 1);
    assert_eq!(bench.audit("start").len(), 0);
}

fn a_command_without_a_rule_is_denied() {
    let bench = Bench::start();
    let result = bench.client().call("command_absent", &json!({}));
    assert_failed(&result, &[("error", json!("denied"))], &["Only the operator can change that"]);
}

fn wrong_arguments_are_all_named_and_nothing_runs() {
    let bench = Bench::start();
    let result =
        bench.client().call("command_attack", &json!({"word": ["x"], "count": "many", "words": 5}));
    let words = [
        "`word` is not a parameter of this tool; did you mean `words`?",
        "`count` must be of type integer, not string",
        "`words` must be of type array",
    ];
    assert_failed(&result, &[("error", json!("arguments"))], &words);
    let result = bench.client().call("command_attack", &json!({}));
    assert_failed(&result, &[("error", json!("arguments"))], &["`words` is required"]);
    assert_eq!(bench.audit("start").len() + bench.audit("deny").len(), 0);
}

fn a_static_argument_cannot_be_sent() {
    let bench = Bench::start();
    for name in ["arguments", "ARGUMENTS", "timeout"] {
        let result = bench.client().call("command_nap", &json!({name: ["exit", "0"]}));
        let words = [name, "is set by the server and cannot be sent"];
        assert_failed(&result, &[("error", json!("arguments"))], &words);
    }
    // The rule that is asked for is no parameter at all.
    let arguments = json!({"words": ["exit", "0"], "executable": "/usr/bin/id"});
    let result = bench.client().call("command_attack", &arguments);
    assert_failed(&result, &[("error", json!("arguments"))], &["`executable` is not a parameter"]);
    assert_eq!(bench.audit("start").len() + bench.audit("deny").len(), 0);
}

fn output_over_the_policys_limit_is_truncated_and_says_so() {
    let bench = Bench::start();
    let result = bench.client().attack(&["flood", "200000"]);
    let structured = &result["structuredContent"];
    assert_eq!(structured["truncated"], true, "{structured}");
    let shown = structured["stdout"].as_str().unwrap();
    let gap = format!("\n[{} bytes dropped]\n", 200_004 - 64 * 1024);
    let (beginning, end) = shown.split_once(&gap).unwrap();
    assert_eq!((beginning.len(), end.len()), (16 * 1024, 48 * 1024));
    // The last words are the program's own `ok`.
    assert!(end.ends_with("yok \n"));
    assert_eq!(structured["stdout_bytes"], 200_004);
    let note = "stdout is truncated: 200004 bytes were written, the first 16384 and the last 49152 \
                are kept";
    assert!(text(&result).contains(note));
}

fn an_upstreams_failure_is_an_error_without_its_credential() {
    let backend = crate::bench::backend().to_string();
    let secret = "s3cret-of-the-backend".to_owned();
    let bench = Bench::with("info", vec![("BACKEND", backend), ("BACKEND_TOKEN", secret)]);
    let fine = bench.client().call("backend_fine", &json!({}));
    assert_eq!(fine["isError"], false, "{fine}");
    let failed = bench.client().call("backend_fails", &json!({}));
    assert_failed(&failed, &[], &["500", "[redacted]"]);
    assert!(!failed.to_string().contains("s3cret"), "{failed}");
}

fn an_upstream_that_is_not_there_is_an_error() {
    // The discard port of the default has no listener.
    let bench = Bench::without_runner();
    let result = bench.client().call("backend_fine", &json!({}));
    assert_failed(&result, &[], &["connect"]);
}
