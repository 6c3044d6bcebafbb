use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalog::fixture::{args, endpoint, param, tool};
use crate::model::endpoint::{PathTemplate, Service};
use crate::model::param::{ItemKind, Param, ParamKind, Presence};
use crate::model::secret::Secret;
use crate::model::tool::Action;

fn build(endpoint: &Endpoint, arguments: Value) -> Result<Request, RequestError> {
    let tool = tool("t", Action::Api(endpoint.clone()));
    Request::build(endpoint, &args(&tool, arguments))
}

fn optional(name: &str, kind: ParamKind, place: ApiPlace) -> (Param, ApiPlace) {
    (param(name, kind, Presence::Optional), place)
}

fn query(name: &str, kind: ParamKind) -> (Param, ApiPlace) {
    optional(name, kind, ApiPlace::Query(name.into()))
}

fn list() -> ParamKind {
    ParamKind::Array(ItemKind::String)
}

/// `/v1/things/{id}/sub`, below a base with a prefix.
fn with_path(parts: Vec<PathPart>) -> Endpoint {
    let mut endpoint = endpoint([optional("id", ParamKind::String, ApiPlace::Path)]);
    endpoint.base = "https://api.example/v1/".parse().unwrap();
    endpoint.path = PathTemplate(parts);
    endpoint
}

fn literal(text: &str) -> PathPart {
    PathPart::Literal(text.into())
}

#[test]
fn a_path_value_stays_one_segment() {
    let sub = with_path(vec![literal("/things/"), PathPart::Param(0), literal("/sub")]);
    for (value, segment) in [
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("..\\x", "..%5Cx"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c", "a%3Fb%23c"),
        ("a;b=c&d", "a%3Bb%3Dc%26d"),
        ("o'neil", "o%27neil"),
        ("\u{fc}", "%C3%BC"),
        ("...", "..."),
        ("a\r\nHost: x", "a%0D%0AHost%3A%20x"),
    ] {
        let request = build(&sub, json!({"id": value})).unwrap();
        assert_eq!(request.url.as_str(), format!("https://api.example/v1/things/{segment}/sub"));
    }
}

#[test]
fn a_path_value_that_would_leave_its_segment_is_refused() {
    let sub = with_path(vec![literal("/things/"), PathPart::Param(0), literal("/sub")]);
    for value in ["", ".", ".."] {
        let error = build(&sub, json!({"id": value})).unwrap_err();
        assert_eq!(error, RequestError::PathSegment("id".into()));
    }
    assert_eq!(build(&sub, json!({})), Err(RequestError::PathMissing("id".into())));
    let id = || PathPart::Param(0);
    for (parts, value) in [
        (vec![literal("/."), id()], "."),
        (vec![literal("/%2e"), id()], "."),
        (vec![literal("/%2E"), id()], "."),
        (vec![literal("/%2E%2e/x"), id()], "a"),
        (vec![literal("/a\\..\\"), id()], "a"),
        (vec![literal("/../"), id()], "a"),
    ] {
        let error = build(&with_path(parts), json!({"id": value})).unwrap_err();
        assert!(matches!(error, RequestError::PathDots | RequestError::PathSegment(_)), "{error}");
    }
}

#[test]
fn two_path_values_side_by_side_make_no_dot_segment() {
    let path = || ApiPlace::Path;
    let mut endpoint = endpoint([
        optional("a", ParamKind::String, path()),
        optional("b", ParamKind::String, path()),
    ]);
    endpoint.path = PathTemplate(vec![literal("/x/"), PathPart::Param(0), PathPart::Param(1)]);
    let error = build(&endpoint, json!({"a": ".", "b": "."})).unwrap_err();
    assert_eq!(error, RequestError::PathSegment("a".into()));
    assert_eq!(build(&endpoint, json!({"a": ".a", "b": "b"})).unwrap().url.path(), "/x/.ab");
}

proptest! {
    #[test]
    fn no_path_value_changes_the_host_or_the_number_of_segments(value in "\\PC*|[./\\\\%2eE]{1,6}") {
        let sub = with_path(vec![literal("/things/"), PathPart::Param(0), literal("/sub")]);
        if let Ok(request) = build(&sub, json!({"id": value})) {
            prop_assert_eq!(request.url.host_str(), Some("api.example"));
            let segments: Vec<_> = request.url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 4);
            prop_assert_eq!((segments[0], segments[1], segments[3]), ("v1", "things", "sub"));
            let decoded = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), value.as_str());
            prop_assert_eq!(request.url.query(), None);
        }
    }

    #[test]
    fn a_query_value_comes_back_as_it_was(value in "\\PC*", name in "[$a-z&= ]{1,8}") {
        let (param, _) = query("x", ParamKind::String);
        let endpoint = endpoint([(param, ApiPlace::Query(name.clone()))]);
        let request = build(&endpoint, json!({"x": value})).unwrap();
        let pairs: Vec<_> = request.url.query_pairs().into_owned().collect();
        prop_assert_eq!(pairs, vec![(name, value)]);
    }

    #[test]
    fn no_header_value_makes_a_second_line(value in any::<String>()) {
        let name = HeaderName::from_static("x-test");
        let endpoint = endpoint([optional("h", ParamKind::String, ApiPlace::Header(name))]);
        match build(&endpoint, json!({"h": value})) {
            Ok(request) => {
                let bytes = request.headers["x-test"].as_bytes();
                prop_assert!(!bytes.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
            }
            Err(error) => prop_assert_eq!(error, RequestError::Header("h".into())),
        }
    }
}

#[test]
fn a_query_keeps_the_fixed_part_and_the_configs_order() {
    let mut endpoint = endpoint([
        query("$top", ParamKind::Number),
        query("tag", list()),
        query("on", ParamKind::Boolean),
        query("q", ParamKind::String),
        query("none", ParamKind::String),
    ]);
    endpoint.fixed_query = Some("a=b&c".into());
    let arguments = json!({"q": "x y+z&w", "on": false, "tag": ["1", "2"], "$top": 123_456_789});
    assert_eq!(
        build(&endpoint, arguments).unwrap().url.query(),
        Some("a=b&c&$top=123456789&tag=1&tag=2&on=false&q=x%20y%2Bz%26w")
    );
    endpoint.fixed_query = None;
    assert_eq!(
        build(&endpoint, json!({"$top": 1e21})).unwrap().url.query(),
        Some("$top=1000000000000000000000")
    );
    assert_eq!(build(&endpoint, json!({})).unwrap().url.query(), None);
}

#[test]
fn headers_are_sent_as_they_are_and_never_as_two() {
    let name = |name: &str| ApiPlace::Header(HeaderName::try_from(name).unwrap());
    let endpoint = endpoint([
        optional("x", ParamKind::String, name("x-one")),
        optional("many", list(), name("x-many")),
        optional("agent", ParamKind::String, name("user-agent")),
        optional("len", ParamKind::Number, name("content-length")),
    ]);
    let request = build(&endpoint, json!({"x": "\u{fc} a", "many": ["a", "b"]})).unwrap();
    assert_eq!(request.headers["x-one"].as_bytes(), "\u{fc} a".as_bytes());
    assert_eq!(request.headers["x-many"], "a,b");
    assert_eq!(request.headers["user-agent"], AGENT);
    assert_eq!(request.headers["accept"], "application/json");
    assert_eq!(build(&endpoint, json!({"agent": "own"})).unwrap().headers["user-agent"], "own");
    for bad in ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\u{7f}"] {
        assert_eq!(build(&endpoint, json!({"x": bad})), Err(RequestError::Header("x".into())));
    }
    assert!(matches!(build(&endpoint, json!({"len": 5})), Err(RequestError::Framing { .. })));
}

fn body(keys: &str) -> ApiPlace {
    ApiPlace::Body(keys.split('.').map(Into::into).collect())
}

#[test]
fn a_body_nests_by_its_keys_and_keeps_json_types() {
    let mut endpoint = endpoint([
        optional("a", ParamKind::String, body("message.subject")),
        optional("b", ParamKind::Object, body("message.body")),
        optional("n", ParamKind::Number, body("n")),
        optional("tags", list(), body("tags")),
    ]);
    endpoint.method = Method::POST;
    let arguments = json!({"a": "s", "b": {"x": [1]}, "n": 123_456_789, "tags": ["t"]});
    let request = build(&endpoint, arguments).unwrap();
    let sent: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(
        sent,
        json!({
            "message": {"subject": "s", "body": {"x": [1]}}, "n": 123_456_789, "tags": ["t"]
        })
    );
    assert_eq!(request.headers["content-type"], "application/json");
}

#[test]
fn a_body_is_sent_only_where_the_method_has_one_and_something_is_in_it() {
    let mut endpoint = endpoint([optional("a", ParamKind::String, body("a"))]);
    for (method, has_body) in [
        (Method::POST, true),
        (Method::PUT, true),
        (Method::PATCH, true),
        (Method::GET, false),
        (Method::DELETE, false),
        (Method::HEAD, false),
    ] {
        endpoint.method = method;
        let request = build(&endpoint, json!({"a": "x"})).unwrap();
        assert_eq!(request.body.is_some(), has_body, "{}", endpoint.method);
        assert_eq!(request.headers.contains_key("content-type"), has_body);
    }
    endpoint.method = Method::POST;
    let request = build(&endpoint, json!({})).unwrap();
    assert!(request.body.is_none() && !request.headers.contains_key("content-type"));
}

#[test]
fn two_values_for_one_place_of_the_body_are_refused() {
    for (one, two) in [("a", "a.b"), ("a.b", "a"), ("a", "a")] {
        let mut endpoint = endpoint([
            optional("one", ParamKind::String, body(one)),
            optional("two", ParamKind::String, body(two)),
        ]);
        endpoint.method = Method::PUT;
        let error = build(&endpoint, json!({"one": "1", "two": "2"})).unwrap_err();
        assert_eq!(error, RequestError::Body("two".into()));
    }
}

#[test]
fn a_token_is_sent_as_bearer_and_never_printed() {
    let mut endpoint = endpoint([]);
    let service = |token: &str| {
        let auth = Auth::Bearer(Secret::new(token.into()));
        Arc::new(Service { key: "svc".into(), name: "Service".into(), auth })
    };
    endpoint.service = service("top-secret");
    let request = build(&endpoint, json!({})).unwrap();
    assert_eq!(request.headers["authorization"], "Bearer top-secret");
    assert_eq!(format!("{request:?}"), "GET to 127.0.0.1");
    endpoint.service = service("top\nsecret");
    let error = build(&endpoint, json!({})).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
