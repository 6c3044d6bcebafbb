use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalog::fixture::{api_tool, entry, object, param};
use crate::model::endpoint::ApiPlace;
use crate::model::param::{ItemKind, ParamKind};

/// A tool with one parameter of each sort; index in brackets.
fn sample() -> Entry {
    let mut id = param("$id", ParamKind::String, Presence::Required); // [0]
    id.exposed = "id".into();
    let mut top = param("$top", ParamKind::Integer, Presence::Default(json!(10))); // [1]
    top.exposed = "top".into();
    top.constraints.minimum = Some(1.into());
    top.constraints.maximum = Some(1000.into());
    let mut mode = param("mode", ParamKind::String, Presence::Optional); // [2]
    mode.constraints.one_of = vec!["fast".into(), "slow".into()];
    let tags = param("tags", ParamKind::Array(ItemKind::String), Presence::Optional); // [3]
    let secret = json!("of the server");
    let mut key = param("apiKey", ParamKind::String, Presence::Fixed(secret)); // [4]
    key.exposed = "api_key".into();
    let mut day = param("day", ParamKind::String, Presence::Optional); // [5]
    day.constraints.pattern = Some(r"^\d{8}$".into());
    let mut mail = param("mail", ParamKind::String, Presence::Optional); // [6]
    mail.constraints.format = Some("email".into());
    let on = param("on", ParamKind::Boolean, Presence::Optional); // [7]
    let start = param("start", ParamKind::Object, Presence::Optional); // [8]
    let place = |param| (param, ApiPlace::Query("q".into()));
    entry(api_tool("sample", [id, top, mode, tags, key, day, mail, on, start].map(place)))
}

fn check(arguments: Value) -> Result<ValidArgs, ArgsError> {
    ValidArgs::check(&sample(), object(arguments))
}

fn refused(arguments: Value) -> String {
    check(arguments).unwrap_err().to_string()
}

#[test]
fn values_stand_at_their_parameters_with_defaults_and_fixed_ones() {
    let args = check(json!({"id": "a", "tags": "[\"x\"]", "on": "true"})).unwrap();
    assert_eq!(args.get(0), Some(&json!("a")));
    assert_eq!(args.get(1), Some(&json!(10)));
    assert_eq!(args.get(2), None);
    assert_eq!(args.get(3), Some(&json!(["x"])));
    assert_eq!(args.get(4), Some(&json!("of the server")));
    assert_eq!(args.get(7), Some(&json!(true)));
    assert_eq!(args.get(99), None);
    assert_eq!(format!("{args:?}"), "5 values for 9 parameters");
}

#[test]
fn the_original_name_is_as_good_as_the_shown_one_but_not_both() {
    assert_eq!(check(json!({"$id": "a", "$top": "7"})).unwrap().get(1), Some(&json!(7)));
    assert_eq!(
        refused(json!({"id": "a", "$id": "a"})),
        "the arguments are not valid; correct them and call again:\n\
         - `id` was sent twice, also as `$id`; send it once"
    );
}

#[test]
fn null_is_the_same_as_nothing() {
    assert_eq!(check(json!({"id": "a", "top": null})).unwrap().get(1), Some(&json!(10)));
    assert!(refused(json!({"id": null})).contains("- `id` is required and was not sent"));
}

#[test]
fn a_fixed_parameter_cannot_be_sent_under_any_name_or_case_or_as_null() {
    for name in ["apiKey", "api_key", "APIKEY", "Api_Key", "apikey"] {
        for value in [json!("mine"), json!(null), json!("of the server")] {
            let text = refused(json!({"id": "a", name: value}));
            let line = format!("- `{name}` is set by the server and cannot be sent");
            assert!(text.contains(&line), "{text}");
            assert!(!text.contains("of the server"), "{text}");
        }
    }
}

#[test]
fn a_name_that_is_fixed_and_shown_is_the_shown_one() {
    let place = |param| (param, ApiPlace::Query("q".into()));
    let fixed = param("id", ParamKind::String, Presence::Fixed(json!("server")));
    let mut shown = param("other", ParamKind::String, Presence::Optional);
    shown.exposed = "id".into();
    let entry = entry(api_tool("t", [fixed, shown].map(place)));
    let args = ValidArgs::check(&entry, object(json!({"id": "client"}))).unwrap();
    assert_eq!(args.get(0), Some(&json!("server")));
    assert_eq!(args.get(1), Some(&json!("client")));
}

#[test]
fn an_unknown_argument_is_refused_with_what_was_meant_and_what_there_is() {
    let text = refused(json!({"id": "a", "tagz": []}));
    assert!(text.contains(
        "- `tagz` is not a parameter of this tool; did you mean `tags`?; it takes `id`, `top`, \
         `mode`, `tags`, `day`, `mail`, `on`, `start`"
    ));
    assert!(!text.contains("api_key"), "a fixed parameter is not shown: {text}");
    let none = entry(api_tool("none", []));
    let text = ValidArgs::check(&none, object(json!({"x": 1}))).unwrap_err().to_string();
    assert!(text.contains("- `x` is not a parameter of this tool; it takes none"), "{text}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = refused(json!({
        "top": 1001, "mode": "middle", "tags": ["a", 5], "day": "2025-01-01", "mail": "nobody",
        "on": "perhaps", "start": 5, "zzz": 1
    }));
    for line in [
        "- `id` is required and was not sent",
        "- `top` must be at most 1000",
        "- `mode` must be one of [\"fast\",\"slow\"]",
        "- `tags/1` must be of type string, not number",
        "- `day` must match the regular expression ^\\d{8}$",
        "- `mail` must be a valid email",
        "- `on` must be of type boolean, not string",
        "- `start` must be of type object, not number",
        "- `zzz` is not a parameter of this tool",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[test]
fn a_refusal_is_short_whatever_was_sent_and_never_repeats_a_value() {
    let many: Map<String, Value> =
        (0..5_000).map(|n| (format!("{n}{}\u{1b}\n", "x".repeat(1_000)), json!(1))).collect();
    let text = ValidArgs::check(&sample(), many).unwrap_err().to_string();
    assert!(text.len() < 10_000, "{}", text.len());
    assert!(text.contains("more") && !text.contains('\u{1b}'), "{text}");
    let secret = "hunter2".repeat(100);
    let text = refused(json!({"id": [secret], "top": secret, "mode": secret, "mail": secret}));
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_large_list_of_wrong_items_gets_one_line() {
    let many = vec![json!(1); MAX_COLLECTED];
    let error = check(json!({"id": "a", "tags": many})).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    assert_eq!(error.problems[0].at, "tags/0");
    let some = vec![json!(1); 100];
    let error = check(json!({"id": "a", "tags": some})).unwrap_err();
    assert_eq!(error.problems.len(), MAX_PROBLEMS + 1);
    assert!(error.to_string().ends_with("\n- and more"));
    assert!(check(json!({"id": "a", "tags": vec!["x"; 2 * MAX_COLLECTED]})).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "[\\[{\"0-9a-z,:}\\]]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_arguments_whatever_make_it_panic(
        known in proptest::collection::btree_map(
            proptest::sample::select(vec![
                "id", "$id", "top", "$top", "mode", "tags", "apiKey", "api_key", "day", "mail",
                "on", "start",
            ]),
            any_json(), 0..12,
        ),
        other in proptest::collection::btree_map(".*", any_json(), 0..3),
    ) {
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value));
        let sent: Map<String, Value> = known.chain(other).collect();
        match ValidArgs::check(&sample(), sent) {
            Ok(args) => {
                prop_assert!(args.get(0).is_some_and(Value::is_string));
                prop_assert_eq!(args.get(4), Some(&json!("of the server")));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
