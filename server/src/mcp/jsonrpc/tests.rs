use proptest::prelude::*;

use super::*;

fn fault(body: &[u8]) -> (Option<Id>, Kind) {
    let refused = Message::parse(body).unwrap_err();
    (refused.id, refused.fault.kind)
}

const ONE: fn() -> Option<Id> = || Some(Id::Number(1.into()));

#[test]
fn an_id_is_text_or_a_whole_number() {
    for (id, expected) in [
        ("\"a\"", Id::Text("a".into())),
        ("\"\\u0061\"", Id::Text("a".into())),
        ("\"\"", Id::Text("".into())),
        ("0", Id::Number(0.into())),
        ("-7", Id::Number((-7).into())),
        ("18446744073709551615", Id::Number(u64::MAX.into())),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let Ok(Message::Request(request)) = Message::parse(body.as_bytes()) else {
            panic!("{body}");
        };
        assert_eq!(request.id, expected);
    }
    for id in ["null", "1.5", "1.0", "1e3", "18446744073709551616", "true", "[1]", "{}"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(fault(body.as_bytes()), (None, Kind::Envelope), "{body}");
    }
}

#[test]
fn an_id_has_a_bound() {
    let body =
        |length| format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(length));
    assert!(Message::parse(body(limits::ID_BYTES).as_bytes()).is_ok());
    assert_eq!(fault(body(limits::ID_BYTES + 1).as_bytes()), (None, Kind::Envelope));
}

#[test]
fn broken_json_is_a_parse_error() {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"arguments":{{"a":{}{}}}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    for body in [
        b"".as_slice(),
        b"{",
        b"{'jsonrpc':1}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
    ] {
        assert_eq!(fault(body), (None, Kind::Parse), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn json_that_is_no_message_is_an_envelope_error_with_the_id_if_there_is_one() {
    for (body, id) in [
        ("null", None),
        ("1", None),
        ("\"a\"", None),
        ("[]", None),
        (r#"["2.0",1,"ping"]"#, None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, None),
        ("{}", None),
        (r#"{"id":1,"method":"ping"}"#, ONE()),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, ONE()),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, ONE()),
        (r#"{"jsonrpc":"2.0","id":1}"#, ONE()),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, ONE()),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, ONE()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, ONE()),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"a","name":"b"}}"#, None),
    ] {
        assert_eq!(fault(body.as_bytes()), (id, Kind::Envelope), "{body}");
    }
}

#[test]
fn depth_never_reaches_the_stack() {
    let deep = |open: &str, close: &str| open.repeat(1_000_000) + "1" + &close.repeat(1_000_000);
    for deep in [deep("[", "]"), deep("{\"a\":", "}")] {
        for body in [
            "@",
            r#"{"jsonrpc":"2.0","id":@,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":@}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":@}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","x":@}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":@}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":@}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":@}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"x":@}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"x":@}}}"#,
        ] {
            // Whether it is taken is the parser's matter; that it returns is the claim.
            drop(Message::parse(body.replace('@', &deep).as_bytes()));
        }
    }
}

#[test]
fn params_that_are_no_object_are_a_params_error() {
    for params in ["[1]", "1", "\"a\"", "true"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#);
        assert_eq!(fault(body.as_bytes()), (ONE(), Kind::Params), "{body}");
    }
}

#[test]
fn the_kinds_of_message_are_told_apart() {
    let parse = |body: &'static str| Message::parse(body.as_bytes()).unwrap();
    let request = parse(r#"{"method":"tools/call","params":{"name":"a"},"id":1,"jsonrpc":"2.0"}"#);
    assert!(matches!(request, Message::Request(_)));
    let notification = parse(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert!(matches!(notification, Message::Notification(_)));
    let response = parse(r#"{"jsonrpc":"2.0","id":1,"result":{"a":[1,{"b":null}]}}"#);
    assert!(matches!(response, Message::Response));
    let failure = parse(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"a"}}"#);
    assert!(matches!(failure, Message::Response));
}

#[test]
fn plain_names_and_arguments_are_read_without_a_copy_of_the_text() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1,"d":{"e":[1.5]}}}}"#;
    let Ok(Message::Request(request)) = Message::parse(body.as_bytes()) else { panic!() };
    assert!(matches!(request.method, Cow::Borrowed("tools/call")));
    assert!(matches!(request.params.name, Plain::Text(Cow::Borrowed("a"))));
    let Object::Valid(arguments) = request.params.arguments else { panic!() };
    assert_eq!(Value::Object(arguments), serde_json::json!({"n": 1, "d": {"e": [1.5]}}));
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f32>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        "[ -~]{0,8}".prop_map(|text| Value::String(text).to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            Just("id"),
            Just("jsonrpc"),
            Just("method"),
            Just("params"),
            Just("name"),
            Just("_meta"),
            Just("arguments"),
            Just("x")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key, inner), 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
        drop(Message::parse(&body));
    }

    #[test]
    fn no_json_panics_and_what_is_accepted_is_a_message(body in json()) {
        if let Ok(message) = Message::parse(body.as_bytes()) {
            let value: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(&value["jsonrpc"], "2.0");
            let has_id = value.get("id").is_some();
            prop_assert_eq!(matches!(message, Message::Request(_)), has_id);
        }
    }

    #[test]
    fn an_id_that_is_not_text_or_whole_is_never_accepted(id in json(), method in "[a-z/]{0,9}") {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":{id}}}"#);
        let value: Value = serde_json::from_str(&id).unwrap();
        let fits = value.is_string() || value.is_i64() || value.is_u64();
        match Message::parse(body.as_bytes()) {
            Ok(Message::Request(request)) => {
                prop_assert!(fits);
                prop_assert_eq!(serde_json::to_value(request.id).unwrap(), value);
            }
            Ok(Message::Notification(_) | Message::Response) => prop_assert!(false),
            Err(refused) => {
                prop_assert!(!fits);
                prop_assert_eq!(refused.fault.kind, Kind::Envelope);
            }
        }
    }
}
