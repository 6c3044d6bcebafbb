//! Services, endpoints and their parameters.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::*;
use crate::limits;
use crate::model::endpoint::{ApiPlace, Auth, PathPart, ResponseKind};
use crate::model::param::{Constraints, ItemKind, ParamKind, Presence};
use crate::model::tool::Hints;

const NOTE: &str = r#"{"name": "note", "type": "string", "location": "body"}"#;

fn note(param: &str) -> String {
    changed(API, NOTE, param)
}

fn auth(auth: &str) -> String {
    changed(API, r#"{"type": "none"}"#, auth)
}

#[test]
fn an_endpoint_becomes_a_tool() {
    let tool = tool(API);
    assert_eq!(tool.name.as_str(), "shop_order");
    assert_eq!(tool.title.as_deref(), Some("Order"));
    assert_eq!(tool.description, "Shop: Orders.");
    let endpoint = endpoint(API);
    assert_eq!(endpoint.service.key, "shop");
    assert!(matches!(endpoint.service.auth, Auth::None));
    assert_eq!(endpoint.method, Method::POST);
    assert_eq!(endpoint.base.as_str(), "https://shop.test/v1/");
    let literal = |text: &str| PathPart::Literal(text.to_owned());
    assert_eq!(endpoint.path.0, [literal("/users/"), PathPart::Param(0), literal("/orders")]);
    assert_eq!(endpoint.fixed_query.as_deref(), Some("v=2"));
    let places: Vec<_> = endpoint.params.iter().map(|param| param.place.clone()).collect();
    assert_eq!(
        places,
        [
            ApiPlace::Path,
            ApiPlace::Query("$top".to_owned()),
            ApiPlace::Header("x-mode".parse().unwrap()),
            ApiPlace::Body(vec!["note".to_owned()]),
        ]
    );
    let presence: Vec<_> = endpoint.params.iter().map(|p| p.param.presence.clone()).collect();
    let five = Presence::Default(json!(5));
    assert_eq!(presence, [Presence::Required, five, Presence::Optional, Presence::Optional]);
    assert_eq!(endpoint.params[1].param.exposed, "top");
    assert_eq!(endpoint.response, ResponseKind::Json);
    assert_eq!(endpoint.timeout, limits::API_TIMEOUT);
}

#[test]
fn a_parameter_keeps_all_that_clients_are_told() {
    let text = note(
        r#"{"name": "when", "alias": "date", "description": "D.", "type": "string",
            "location": "body", "required": true, "default": "2026", "examples": ["2025"],
            "validation": {"pattern": "^[0-9]+$", "minLength": 4, "maxLength": 8, "format": "f"},
            "enum": ["2025", "2026"], "transform": {"targetName": "a.b", "expression": "."}}"#,
    );
    let endpoint = endpoint(&text);
    let placed = &endpoint.params[3];
    assert_eq!(placed.place, ApiPlace::Body(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(placed.param.name, "when");
    assert_eq!(placed.param.exposed, "date");
    assert_eq!(placed.param.presence, Presence::Default(json!("2026")));
    assert_eq!(placed.param.examples, [json!("2025")]);
    let constraints = Constraints {
        pattern: Some("^[0-9]+$".to_owned()),
        min_length: Some(4),
        max_length: Some(8),
        one_of: vec![json!("2025"), json!("2026")],
        format: Some("f".to_owned()),
        ..Constraints::default()
    };
    assert_eq!(placed.param.constraints, constraints);
}

#[test]
fn a_schema_for_items_is_passed_through() {
    let kind = |items: &str| {
        let text = note(&format!(r#"{{"name": "l", "type": "array", "location": "body"{items}}}"#));
        endpoint(&text).params[3].param.kind.clone()
    };
    assert_eq!(kind(""), ParamKind::Array(ItemKind::String));
    assert_eq!(kind(r#", "items": "integer""#), ParamKind::Array(ItemKind::Integer));
    assert_eq!(kind(r#", "items": {"type": "object"}"#), ParamKind::Array(ItemKind::Object));
    let schema = json!({"type": "string", "enum": ["a", "b"]});
    let written = format!(r#", "items": {schema}"#);
    assert_eq!(kind(&written), ParamKind::Array(ItemKind::Schema(schema)));
}

#[test]
fn a_default_from_the_environment_has_the_type_of_its_parameter() {
    let text = note(
        r#"{"name": "n", "type": "integer", "location": "body", "static": true,
            "default": "${LIMIT}", "maximum": 9}"#,
    );
    assert_eq!(endpoint(&text).params[3].param.presence, Presence::Fixed(json!(7)));
}

#[test]
fn hints_follow_the_method_and_yield_to_the_config() {
    let text = changed(API, NOTE, r#"{"name": "q", "type": "string", "location": "query"}"#);
    let hints = |method: &str, more: &str| {
        let text = changed(&text, r#""POST""#, &format!(r#""{method}"{more}"#));
        let Hints { read_only, destructive, idempotent, open_world } = tool(&text).hints;
        [read_only, destructive, idempotent, open_world]
    };
    assert_eq!(hints("GET", ""), [true, false, true, true]);
    assert_eq!(hints("PUT", ""), [false, false, true, true]);
    assert_eq!(hints("DELETE", ""), [false, true, false, true]);
    assert_eq!(hints("POST", ""), [false, false, false, true]);
    assert_eq!(hints("PATCH", ""), [false, false, false, true]);
    let all = r#", "hints": {"readOnly": false, "destructive": true, "idempotent": false, "openWorld": false}"#;
    assert_eq!(hints("GET", all), [false, true, false, false]);
}

#[test]
fn keys_are_matched_without_case() {
    let text = changed(API, r#""baseURL""#, r#""BaseUrl""#);
    let text = changed(&text, r#""default": 5"#, r#""Default": 6"#);
    assert_eq!(endpoint(&text).params[1].param.presence, Presence::Default(json!(6)));
}

#[test]
fn null_is_as_if_the_key_were_not_there() {
    let text =
        changed(API, r#""response": {"type": "json"}"#, r#""response": null, "hints": null"#);
    assert_eq!(endpoint(&text).response, ResponseKind::Json);
}

#[test]
fn a_bearer_token_comes_from_the_file_or_the_environment() {
    for config in [
        r#"{"token": "${TOKEN}"}"#,
        r#"{"tokenEnvVar": "TOKEN"}"#,
        r#"{"token": " s3cr3t-value "}"#,
    ] {
        let text = auth(&format!(r#"{{"type": "bearer", "config": {config}}}"#));
        let endpoint = endpoint(&text);
        let Auth::Bearer(token) = &endpoint.service.auth else { panic!("no token") };
        assert_eq!(token.expose(), "s3cr3t-value");
        assert!(!format!("{endpoint:?}").contains("s3cr3t"));
    }
}

#[test]
fn debug_output_has_no_key_that_the_config_puts_in_a_url_or_a_static_value() {
    let fixed = r#"{"name": "note", "type": "string", "location": "body", "static": true, "default": "${TOKEN}"}"#;
    for text in [
        note(fixed),
        changed(API, "?v=2", "?key=${TOKEN}"),
        changed(API, "/orders?", "/${TOKEN}?"),
        changed(API, "shop.test/v1/", "shop.test/${TOKEN}/"),
    ] {
        let debug = format!("{:?}", tool(&text));
        assert!(debug.contains("shop.test") && !debug.contains("s3cr3t"), "{debug}");
    }
}

#[test]
fn a_credential_that_is_not_there_is_named() {
    let needs =
        |value: &str| format!("{value} needs the environment variable NO, which is not set");
    is_error(
        &auth(r#"{"type": "bearer", "config": {"token": "${NO}"}}"#),
        r#""${NO}""#,
        &needs("`token` of the config of auth `bearer`"),
    );
    is_error(
        &auth(r#"{"type": "bearer", "config": {"tokenEnvVar": "NO"}}"#),
        r#""NO""#,
        &needs("auth"),
    );
    is_error(
        &auth(r#"{"type": "bearer", "config": {"tokenEnvVar": "EMPTY"}}"#),
        r#""EMPTY""#,
        "auth needs the environment variable EMPTY, which is not set",
    );
    is_error(
        &auth(r#"{"type": "bearer", "config": {"tokenEnvVar": "BROKEN"}}"#),
        r#""BROKEN""#,
        "the token holds what a header cannot carry",
    );
    is_error(
        &auth(r#"{"type": "bearer", "config": {}}"#),
        "{",
        "auth `bearer` has neither `token` nor `tokenEnvVar`",
    );
    is_error(
        &changed(API, "https://shop.test/v1/", "https://${NO}/"),
        r#""https://${NO}/""#,
        &needs("`baseURL` of a service"),
    );
}

#[test]
fn a_static_value_that_is_not_there_is_named_and_a_default_is_only_warned_of() {
    let key = |kind: &str, value: &str| {
        format!(
            r#"{{"name": "note", "type": "{kind}", "location": "body", "static": true, "default": {value}}}"#
        )
    };
    let unset = |name: &str| {
        format!("`default` of a parameter needs the environment variable {name}, which is not set")
    };
    is_error(&note(&key("string", r#""${NO}""#)), r#""${NO}""#, &unset("NO"));
    is_error(&note(&key("string", r#""Key ${EMPTY}""#)), r#""Key ${EMPTY}""#, &unset("EMPTY"));
    is_error(&note(&key("integer", r#""${NO}""#)), r#""${NO}""#, &unset("NO"));
    let deep = said(&note(&key("object", r#"{"a": ["${NO}", "${HOST}"], "b": "${EMPTY}"}"#)));
    let error = |at: &str, name| (Severity::Error, at.to_owned(), unset(name));
    assert_eq!(deep, [error(r#""${NO}""#, "NO"), error(r#""${EMPTY}""#, "EMPTY")]);
    for whole in ["${TOKEN}", "${NO:s3cr3t-value}"] {
        let fixed = endpoint(&note(&key("string", &format!("\"{whole}\"")))).params.remove(3);
        assert_eq!(fixed.param.presence, Presence::Fixed(json!("s3cr3t-value")));
    }
    let shown = note(&key("string", r#""${NO}""#)).replace(r#""static": true, "#, "");
    is_warning(&shown, r#""${NO}""#, &unset("NO"));
}

#[test]
fn a_variable_is_expanded_in_values_and_only_warned_of_in_words() {
    let text = changed(API, "https://shop.test/v1/", "https://${HOST}:${PORT:8443}/");
    assert_eq!(endpoint(&text).base.as_str(), "https://env.test:8443/");
    let text = changed(API, "Orders.", "Orders ${NO}.");
    is_warning(
        &text,
        r#""Orders ${NO}.""#,
        "`description` of an endpoint needs the environment variable NO, which is not set",
    );
    assert_eq!(tool(&text).description, "Shop: Orders ${NO}.");
}

#[test]
fn what_changes_a_call_and_is_not_supported_is_an_error() {
    let not_yet = |what: &str| format!("{what} is not supported yet");
    let endpoint_key = |key: &str| changed(API, r#""id""#, &format!(r#"{key}, "id""#));
    let response =
        |key: &str| changed(API, r#"{"type": "json"}"#, &format!(r#"{{"type": "json", {key}}}"#));
    for kind in
        ["api_key", "basic", "oauth2_device", "oauth2_external", "session_jwt", "user_credentials"]
    {
        let text = auth(&format!(r#"{{"type": "{kind}", "config": {{"x": 1}}}}"#));
        is_error(&text, &format!("\"{kind}\""), &not_yet(&format!("auth type `{kind}`")));
    }
    for transport in ["mcp_stdio", "mcp_http", "mcp_sse"] {
        let text = format!(
            r#"{{"services": {{"hub": {{"name": "Hub", "transport": "{transport}",
                "command": "x", "args": [], "env": {{}}, "callTimeout": 5}}}}}}"#
        );
        let what = format!("transport `{transport}`");
        is_error(&text, &format!("\"{transport}\""), &not_yet(&what));
    }
    for location in ["file", "filepath"] {
        let text = note(&format!(r#"{{"name": "n", "type": "string", "location": "{location}"}}"#));
        let what = format!("location `{location}`");
        is_error(&text, &format!("\"{location}\""), &not_yet(&what));
    }
    for (text, at, what) in [
        (
            endpoint_key(r#""requestBody": {"encoding": "rfc2822_base64url"}"#),
            "\"requestBody\"",
            "`requestBody` of an endpoint",
        ),
        (response(r#""transform": ".a""#), "\"transform\"", "`transform` of a response"),
        (response(r#""paginated": true"#), "\"paginated\"", "`paginated` of a response"),
        (
            changed(API, r#"{"type": "json"}"#, r#"{"type": "binary"}"#),
            "\"binary\"",
            "response type `binary`",
        ),
        (
            note(r#"{"name": "n", "type": "string", "location": "body", "quoted": true}"#),
            "\"quoted\"",
            "`quoted` of a parameter",
        ),
        (
            note(r#"{"name": "n", "type": "string", "location": "body", "transforms": ["x"]}"#),
            "\"transforms\"",
            "`transforms` of a parameter",
        ),
        (
            note(
                r#"{"name": "since", "type": "string", "location": "body",
                    "default": "after #DAYS-7"}"#,
            ),
            "\"since\"",
            "a time token in `default`",
        ),
        (
            note(
                r##"{"name": "since", "type": "string", "location": "body",
                    "default": "#DAYS-7", "validation": {"pattern": "^\\d{8}$"}}"##,
            ),
            "\"#DAYS-7\"",
            "a time token in `default` of a parameter",
        ),
        (
            note(
                r#"{"name": "n", "type": "string", "location": "body",
                    "transform": {"expression": "uppercase"}}"#,
            ),
            "\"uppercase\"",
            "`expression` of a transform",
        ),
    ] {
        is_error(&text, at, &not_yet(what));
    }
}

#[test]
fn what_only_tunes_and_is_not_supported_is_a_warning() {
    let ignored =
        |key: &str, what: &str| format!("`{key}` of {what} is not supported yet; it is ignored");
    let service = |key: &str| changed(API, r#""auth""#, &format!(r#"{key}, "auth""#));
    let in_endpoint = |key: &str| changed(API, r#""id""#, &format!(r#"{key}, "id""#));
    let response =
        |key: &str| changed(API, r#"{"type": "json"}"#, &format!(r#"{{"type": "json", {key}}}"#));
    for (text, key, what) in [
        (service(r#""retry": {"enabled": true}"#), "retry", "a service"),
        (service(r#""circuitBreaker": {"enabled": true}"#), "circuitBreaker", "a service"),
        (in_endpoint(r#""retry": {"enabled": true}"#), "retry", "an endpoint"),
        (
            in_endpoint(r#""connection": {"disableKeepAlive": true}"#),
            "disableKeepAlive",
            "a connection",
        ),
        (
            in_endpoint(r#""connection": {"forceNewConnection": true}"#),
            "forceNewConnection",
            "a connection",
        ),
        (response(r#""caching": {"enabled": true}"#), "caching", "a response"),
        (response(r#""retry": {"enabled": true}"#), "retry", "a response"),
        (response(r#""paginationConfig": {"pageSize": 1}"#), "paginationConfig", "a response"),
        (
            auth(r#"{"type": "none", "tokenInvalidation": {"statusCodes": [401]}}"#),
            "tokenInvalidation",
            "an auth",
        ),
    ] {
        is_warning(&text, &format!("\"{key}\""), &ignored(key, what));
    }
}

#[test]
fn what_is_switched_off_is_not_spoken_of() {
    for off in [r#""retry": {"enabled": false}"#, r#""requestBody": null"#, r#""retry": {}"#] {
        assert_eq!(said(&changed(API, r#""id""#, &format!(r#"{off}, "id""#))), []);
    }
    let text = changed(
        API,
        r#"{"type": "json"}"#,
        r#"{"type": "json", "paginated": false, "transform": ""}"#,
    );
    assert_eq!(said(&text), []);
}

#[test]
fn an_unknown_key_is_a_warning_with_the_key_that_was_meant() {
    let text = changed(API, r#""response""#, r#""respons""#);
    let report = load(&text).unwrap().warnings;
    assert_eq!(report.diagnostics.len(), 1);
    assert_eq!(report.diagnostics[0].message, "unknown key `respons` in an endpoint");
    assert_eq!(report.diagnostics[0].help.as_deref(), Some("did you mean `response`?"));
    let text = changed(API, r#""response""#, r#""xyz""#);
    assert_eq!(load(&text).unwrap().warnings.diagnostics[0].help, None);
}

#[test]
fn a_key_that_is_there_twice_is_a_warning_and_the_last_counts() {
    let text = changed(API, r#""default": 5"#, r#""default": 5, "Default": 6"#);
    is_warning(&text, "\"Default\"", "`Default` is in a parameter twice; the last one is used");
    assert_eq!(endpoint(&text).params[1].param.presence, Presence::Default(json!(6)));
}

#[test]
fn a_wrong_type_is_an_error_that_says_what_was_expected() {
    for (from, to, at, message) in [
        (
            r#""name": "Shop""#,
            r#""name": 5"#,
            "5",
            "`name` of a service must be a string, not a number",
        ),
        (
            NOTE,
            r#"{"name": "n", "type": "string", "location": "body", "required": "x"}"#,
            "\"x\"",
            "`required` of a parameter must be true or false, not a string",
        ),
        (r#"{"type": "json"}"#, "[]", "[]", "a response must be an object, not an array"),
        (
            r#""auth": {"type": "none"}"#,
            r#""auth": true"#,
            "true",
            "an auth must be an object, not true or false",
        ),
        (NOTE, "7", "7", "a parameter must be an object, not a number"),
    ] {
        is_error(&changed(API, from, to), at, message);
    }
}

#[test]
fn every_check_of_a_service_names_what_is_wrong() {
    for (from, to, at, message) in [
        (
            "https://shop.test/v1/",
            "ftp://shop.test",
            "\"ftp://shop.test\"",
            "`baseURL` of a service is neither http nor https",
        ),
        ("https://shop.test/v1/", "shop", "\"shop\"", "`baseURL` of a service is no URL"),
        (
            "https://shop.test/v1/",
            "https://a:b@c",
            "\"https://a:b@c\"",
            "`baseURL` of a service carries a user name or password",
        ),
        (
            "https://shop.test/v1/",
            "https://c/?x=1",
            "\"https://c/?x=1\"",
            "`baseURL` of a service carries a query or a fragment",
        ),
        (r#""baseURL": "https://shop.test/v1/", "#, "", "{", "a service has no `baseURL`"),
        (r#", "auth": {"type": "none"}"#, "", "{", "the service has no `auth`"),
        (
            r#"{"type": "none"}"#,
            r#"{"type": "beerer"}"#,
            "\"beerer\"",
            "`beerer` is no type of auth",
        ),
        (
            r#""auth""#,
            r#""transport": "mpc_http", "auth""#,
            "\"mpc_http\"",
            "`mpc_http` is no transport",
        ),
        (r#""POST""#, r#""post""#, "\"post\"", "`post` is no method"),
        (
            r#""id": "order""#,
            r#""id": "my order""#,
            "\"my order\"",
            "the tool's name `shop_my order` holds ' '; allowed are letters, digits, `_`, `-` and `.`",
        ),
        (r#""id": "order", "#, "", "{", "an endpoint has no `id`"),
        (r#""id": "order""#, r#""id": " ""#, "\" \"", "`id` of an endpoint is empty"),
        (
            "/users/{user}/orders?v=2",
            "/users/{user}/{x}",
            "\"/users/{user}/{x}\"",
            "`path` has a placeholder {x} and no parameter for it",
        ),
        (
            "/users/{user}/orders?v=2",
            "/users",
            "\"user\"",
            "`path` has no placeholder for the path parameter `user`",
        ),
        (
            "/users/{user}/orders?v=2",
            "/{user}/../",
            "\"/{user}/../\"",
            "`path` has a `.` or `..` segment",
        ),
        ("X-Mode", "X Mode", "\"X Mode\"", "`X Mode` is no name of a header"),
        ("X-Mode", "Host", "\"Host\"", "a parameter cannot be the header `Host`"),
        (
            "X-Mode",
            "Content-Length",
            "\"Content-Length\"",
            "a parameter cannot be the header `Content-Length`",
        ),
        (
            "X-Mode",
            "transfer-encoding",
            "\"transfer-encoding\"",
            "a parameter cannot be the header `transfer-encoding`",
        ),
        ("X-Mode", "Connection", "\"Connection\"", "a parameter cannot be the header `Connection`"),
        (r#"{"type": "json"}"#, r#"{"type": "jsn"}"#, "\"jsn\"", "`jsn` is no type of a response"),
        (
            r#""id""#,
            r#""connection": {"timeout": "5"}, "id""#,
            "\"5\"",
            "`timeout` is no duration: `5`",
        ),
    ] {
        is_error(&changed(API, from, to), at, message);
    }
}

#[test]
fn every_check_of_a_parameter_names_what_is_wrong() {
    let head = r#"{"name": "n", "location": "body", "type": "#;
    for (rest, at, message) in [
        (r#""strnig"}"#, "\"strnig\"", "`strnig` is no type of a parameter"),
        (
            r#""string", "static": true}"#,
            "\"n\"",
            "a static parameter has no `default`, so it has no value",
        ),
        (
            r#""string", "pattern": "a(b"}"#,
            "(",
            "`pattern` of a parameter is no regular expression: unclosed group",
        ),
        (
            r#""string", "validation": {"pattern": "a{2"}}"#,
            "{2",
            "`pattern` of a validation is no regular expression: unclosed counted repetition",
        ),
        (r#""integer", "minimum": 3, "maximum": 2}"#, "3", "`minimum` 3 is above `maximum` 2"),
        (
            r#""string", "minLength": 3, "maxLength": 2}"#,
            "3",
            "`minLength` 3 is above `maxLength` 2",
        ),
        (
            r#""string", "minLength": -1}"#,
            "-1",
            "`minLength` of a parameter must be a whole number, 0 or more",
        ),
        (
            r#""integer", "default": "x"}"#,
            "\"x\"",
            "`default` of a parameter is not of type integer",
        ),
        (
            r#""integer", "maximum": 3, "default": 4}"#,
            "4",
            "`default` of a parameter is above `maximum` 3",
        ),
        (
            r#""string", "enum": ["a"], "default": "b"}"#,
            "\"b\"",
            "`default` of a parameter is not in `enum`",
        ),
        (
            r#""string", "pattern": "^a$", "examples": ["a", "b"]}"#,
            "\"b\"",
            "`examples` of a parameter does not match `pattern`",
        ),
        (
            r#""integer", "enum": ["x"]}"#,
            "\"x\"",
            "`enum` of a parameter holds what is not of type integer",
        ),
        (r#""array", "items": "strng"}"#, "\"strng\"", "`strng` is no type of an item"),
        (r#""array", "items": 5}"#, "5", "`items` must be the name of a type or a JSON Schema"),
        (
            r#""string", "alias": "a b"}"#,
            "\"a b\"",
            "clients do not take this `alias`: 1 to 64 of letters, digits, `_`, `.`, `-`",
        ),
        (r#""string", "alias": "user"}"#, "\"n\"", "two parameters are shown to clients as `user`"),
        (
            r#""string", "transform": {"targetName": "a..b"}}"#,
            "\"n\"",
            "this is no path into a body",
        ),
    ] {
        is_error(&note(&format!("{head}{rest}")), at, message);
    }
    for (param, at, message) in [
        (
            r#"{"name": "n", "type": "string", "location": "bdy"}"#,
            "\"bdy\"",
            "`bdy` is no location of an endpoint",
        ),
        (
            r#"{"name": "$top", "alias": "o", "type": "string", "location": "query"}"#,
            "\"$top\"",
            "`$top` goes where another parameter's value goes",
        ),
        (r#"{"type": "string", "location": "query"}"#, "{", "a parameter has no `name`"),
        (r#"{"name": "n", "location": "query"}"#, "{", "a parameter has no `type`"),
    ] {
        is_error(&note(param), at, message);
    }
    let text = changed(API, r#""POST""#, r#""GET""#);
    is_error(&text, "\"body\"", "a request with method GET or DELETE has no body");
}

#[test]
fn what_a_config_says_in_vain_is_a_warning() {
    let head = r#"{"name": "n", "location": "body", "type": "#;
    for (rest, at, message) in [
        (
            r#""integer", "minLength": 1}"#,
            "\"minLength\"",
            "`minLength` has no effect on a value of type integer",
        ),
        (r#""string", "prefix": "-p"}"#, "\"prefix\"", "`prefix` has no effect in a parameter"),
        (
            r#""string", "items": "string"}"#,
            "\"items\"",
            "`items` has no effect without type `array`",
        ),
        (
            r#""string", "default": 4}"#,
            "4",
            "`default` of a parameter is taken as text, because the type is string",
        ),
        (
            r#""string", "enum": ["a"], "validation": {"enum": ["a"]}}"#,
            "\"enum\"",
            "`enum` is in `validation` too; that one is used",
        ),
    ] {
        is_warning(&note(&format!("{head}{rest}")), at, message);
    }
    is_warning(
        &changed(API, r#", "required": true"#, ""),
        "\"user\"",
        "a path parameter without a default is always needed",
    );
    is_warning(
        &changed(API, r#""auth""#, r#""callTimeout": 5, "auth""#),
        "\"callTimeout\"",
        "`callTimeout` has no effect in a service",
    );
    let text = auth(r#"{"type": "bearer", "config": {"token": "x"}}"#);
    is_warning(
        &changed(&text, "https:", "http:"),
        "\"http://shop.test/v1/\"",
        "the token is sent over http, readable on the way",
    );
}

#[test]
fn a_wrong_key_of_a_service_is_reported_once() {
    let text = changed(API, r#""shop""#, r#""my shop""#);
    let message = "the key of a service holds ' '; allowed are letters, digits, `_`, `-` and `.`";
    is_error(&text, r#""my shop""#, message);
    let long = "x".repeat(60);
    let text = changed(API, r#""shop""#, &format!("\"{long}\""));
    let message = format!("the tool's name `{long}_order` is 66 characters long; the limit is 64");
    is_error(&text, "\"order\"", &message);
}

#[test]
fn a_header_is_not_given_a_value_that_it_cannot_carry() {
    let header = r#"{"name": "X-Note", "type": "string", "location": "header", "static": true, "default": "${BROKEN}"}"#;
    is_error(&note(header), "\"X-Note\"", "the default is no value of a header");
}

#[test]
fn authorization_is_the_service_s_when_it_has_auth() {
    let text = changed(API, "X-Mode", "Authorization");
    assert_eq!(said(&text), []);
    is_error(
        &changed(&text, r#"{"type": "none"}"#, r#"{"type": "bearer", "config": {"token": "x"}}"#),
        "\"Authorization\"",
        "a parameter cannot be the header `Authorization` beside the service's `auth`",
    );
}

#[test]
fn a_timeout_is_a_go_duration() {
    let text = changed(API, r#""id""#, r#""connection": {"timeout": "1m30s"}, "id""#);
    assert_eq!(endpoint(&text).timeout, Duration::from_secs(90));
}

#[test]
fn a_static_parameter_does_not_take_a_name_from_clients() {
    let text = note(
        r#"{"name": "user", "type": "string", "location": "body", "static": true, "default": "x"}"#,
    );
    assert_eq!(said(&text), []);
}

#[test]
fn a_message_quotes_what_was_written_and_not_what_a_variable_holds() {
    let text = changed(API, r#""POST""#, r#""${TOKEN}""#);
    is_error(&text, r#""${TOKEN}""#, "`${TOKEN}` is no method");
    let text = changed(API, "https://shop.test/v1/", "${TOKEN}");
    is_error(&text, r#""${TOKEN}""#, "`baseURL` of a service is no URL");
}

#[test]
fn a_tool_has_a_bounded_number_of_parameters() {
    let of = |n: usize| {
        let param = |i| format!(r#"{{"name": "n{i}", "type": "string", "location": "body"}}"#);
        note(&(3..n).map(param).collect::<Vec<_>>().join(", "))
    };
    assert_eq!(endpoint(&of(limits::TOOL_PARAMETERS)).params.len(), limits::TOOL_PARAMETERS);
    let report = load(&of(limits::TOOL_PARAMETERS + 1)).unwrap_err();
    assert_eq!(report.diagnostics[0].message, "an endpoint has 257 parameters");
}

#[test]
fn a_long_key_makes_no_long_message() {
    let text = changed(API, r#""response""#, &format!("\"{}\"", "\u{e4}".repeat(5_000)));
    let report = load(&text).unwrap().warnings;
    assert!(report.diagnostics[0].message.len() <= limits::CONFIG_MESSAGE);
}

#[test]
fn a_blank_description_is_replaced_by_the_name() {
    assert_eq!(tool(&changed(API, "Orders.", " ")).description, "Shop: Order");
}
