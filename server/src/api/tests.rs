//! Real requests to small upstreams on this machine.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderName, Method, Request as HttpRequest, StatusCode};
use hyper::body::Frame;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::client::{Answer, Client, SendError};
use super::{call, response};
use crate::catalog::fixture::{args, endpoint, param, tool};
use crate::limits;
use crate::model::endpoint::{
    ApiPlace, Auth, Endpoint, PathPart, PathTemplate, ResponseKind, Service,
};
use crate::model::outcome::Outcome;
use crate::model::param::{ItemKind, ParamKind, Presence};
use crate::model::secret::Secret;
use crate::model::tool::Action;

const TOKEN: &str = "tok-3n/\"x+y";

/// Serves `app` on a port of its own.
pub(crate) async fn upstream(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn service(token: &str) -> Arc<Service> {
    let auth = Auth::Bearer(Secret::new(token.into()));
    Arc::new(Service { key: "svc".into(), name: "Service".into(), auth })
}

fn at(address: SocketAddr) -> Endpoint {
    let mut endpoint = endpoint([]);
    endpoint.base = format!("http://{address}/").parse().unwrap();
    endpoint.service = service(TOKEN);
    endpoint
}

async fn ask(endpoint: &Endpoint, arguments: Value) -> Outcome {
    let tool = tool("t", Action::Api(endpoint.clone()));
    let outcome = call(&Client::new().unwrap(), endpoint, &args(&tool, arguments)).await;
    assert!(!shows(&outcome, TOKEN), "the token is shown: {}", outcome.text);
    outcome
}

fn shows(outcome: &Outcome, secret: &str) -> bool {
    let structured = outcome.structured.as_ref().map(ToString::to_string).unwrap_or_default();
    let escaped = Value::from(secret).to_string();
    [secret, escaped.trim_matches('"')]
        .iter()
        .any(|spelling| outcome.text.contains(spelling) || structured.contains(spelling))
}

/// One fixed answer to everything.
async fn answering(status: u16, body: impl Into<Bytes>) -> Endpoint {
    let body = body.into();
    let status = StatusCode::from_u16(status).unwrap();
    at(upstream(Router::new().fallback(any(move || async move { (status, body) }))).await)
}

async fn echo(request: HttpRequest<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let headers: serde_json::Map<String, Value> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let authorized = headers.get("authorization") == Some(&format!("Bearer {TOKEN}").into());
    let seen = json!({
        "method": head.method.as_str(), "uri": head.uri.to_string(), "headers": headers,
        "body": String::from_utf8_lossy(&body), "authorized": authorized
    });
    seen.to_string().into_response()
}

#[tokio::test]
async fn every_method_and_place_arrives_as_it_should() {
    let address = upstream(Router::new().fallback(any(echo))).await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let optional = |name: &str, kind, place| (param(name, kind, Presence::Optional), place);
        let list = ParamKind::Array(ItemKind::String);
        let mut endpoint = Endpoint {
            params: endpoint([
                optional("id", ParamKind::String, ApiPlace::Path),
                optional("n", ParamKind::Number, ApiPlace::Query("n".into())),
                optional("tag", list, ApiPlace::Query("tag".into())),
                optional("h", ParamKind::String, ApiPlace::Header(HeaderName::from_static("x-h"))),
                optional("b", ParamKind::Number, ApiPlace::Body(vec!["a".into(), "b".into()])),
            ])
            .params,
            ..at(address)
        };
        endpoint.method = method.clone();
        endpoint.base = format!("http://{address}/v1").parse().unwrap();
        endpoint.fixed_query = Some("k=v".into());
        let literal = |text: &str| PathPart::Literal(text.into());
        endpoint.path = PathTemplate(vec![literal("/x/"), PathPart::Param(0), literal("/y")]);
        let arguments =
            json!({"id": "a/b", "n": 123_456_789, "tag": ["1", "2 3"], "h": "head", "b": 1.5});
        let seen = ask(&endpoint, arguments).await.structured.unwrap();
        assert_eq!(seen["method"], method.as_str());
        assert_eq!(seen["uri"], "/v1/x/a%2Fb/y?k=v&n=123456789&tag=1&tag=2%203");
        assert_eq!(seen["headers"]["x-h"], "head");
        assert_eq!(seen["headers"]["accept"], "application/json");
        assert_eq!(seen["headers"]["user-agent"], concat!("mcpfusion/", env!("CARGO_PKG_VERSION")));
        assert_eq!(seen["headers"]["authorization"], "Bearer [redacted]");
        assert_eq!(seen["authorized"], true);
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        assert_eq!(seen["body"], if has_body { r#"{"a":{"b":1.5}}"# } else { "" });
    }
}

#[tokio::test]
async fn json_keeps_its_own_spelling_and_only_an_object_is_structured() {
    let body = "\u{feff}{\"z\": 12345678901234567890123, \"a\": 1}\n";
    let outcome = ask(&answering(200, body).await, json!({})).await;
    assert_eq!(outcome.text, "{\"z\": 12345678901234567890123, \"a\": 1}");
    assert_eq!(outcome.structured.unwrap()["a"], 1);
    assert!(!outcome.is_error);
    let outcome = ask(&answering(201, "[1, 2]").await, json!({})).await;
    assert_eq!(
        (outcome.text.as_str(), outcome.structured, outcome.is_error),
        ("[1, 2]", None, false)
    );
}

#[tokio::test]
async fn text_is_text_and_nothing_is_said_to_be_nothing() {
    let mut endpoint = answering(200, "{\"not\": parsed").await;
    endpoint.response = ResponseKind::Text;
    assert_eq!(ask(&endpoint, json!({})).await.text, "{\"not\": parsed");
    for kind in [ResponseKind::Json, ResponseKind::Text] {
        let mut endpoint = answering(204, "").await;
        endpoint.response = kind;
        let outcome = ask(&endpoint, json!({})).await;
        assert_eq!(
            (outcome.text.as_str(), outcome.is_error),
            ("204 No Content (no content)", false)
        );
    }
}

#[tokio::test]
async fn what_is_not_json_is_an_error_with_an_excerpt() {
    let page = format!("<html>\r\n\u{1b}[2J{TOKEN}{}", "x".repeat(2_000));
    let outcome = ask(&answering(200, page).await, json!({})).await;
    assert!(outcome.is_error);
    assert!(outcome.text.contains("not JSON"), "{}", outcome.text);
    assert!(outcome.text.contains("<html>   [2J[redacted]xxx"), "{}", outcome.text);
    assert!(outcome.text.len() < limits::UPSTREAM_EXCERPT + 200);
}

#[tokio::test]
async fn an_error_status_is_an_error_that_says_what_to_do() {
    for (status, words) in [
        (300, "why"),
        (400, "does not take these arguments"),
        (401, "credential"),
        (403, "credential"),
        (404, "not there"),
        (429, "too often"),
        (503, "its side"),
    ] {
        let body = format!("{{\"message\": \"why {TOKEN}\"}}");
        let outcome = ask(&answering(status, body).await, json!({})).await;
        assert!(outcome.is_error && outcome.structured.is_none());
        assert!(outcome.text.starts_with(&format!("`Service` answered {status} ")));
        assert!(outcome.text.contains(words), "{}", outcome.text);
        assert!(outcome.text.contains("why [redacted]"), "{}", outcome.text);
    }
    let wait = any(|| async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "17")]) });
    let outcome = ask(&at(upstream(Router::new().fallback(wait)).await), json!({})).await;
    assert!(outcome.text.contains("Retry-After): 17."), "{}", outcome.text);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_the_host_alone() {
    for (location, host) in [
        ("https://user:pw@elsewhere.example:8443/p?token=secret", "elsewhere.example:8443"),
        ("/other?key=secret", "127.0.0.1:"),
    ] {
        let to = any(move || async move { (StatusCode::FOUND, [("location", location)]) });
        let outcome = ask(&at(upstream(Router::new().fallback(to)).await), json!({})).await;
        assert!(outcome.is_error);
        assert!(outcome.text.contains(host), "{}", outcome.text);
        assert!(!outcome.text.contains("secret") && !outcome.text.contains("pw@"));
    }
}

#[tokio::test]
async fn a_slow_upstream_meets_the_deadline_before_and_within_its_answer() {
    let silent = any(std::future::pending::<()>);
    let trickle = any(|| async { Body::new(Stuck { first: Some("{") }).into_response() });
    for route in [silent, trickle] {
        let mut endpoint = at(upstream(Router::new().fallback(route)).await);
        endpoint.timeout = Duration::from_millis(50);
        let outcome = ask(&endpoint, json!({})).await;
        assert!(outcome.is_error);
        assert!(outcome.text.contains("did not answer within 50 ms"), "{}", outcome.text);
        assert!(outcome.text.contains("may be asked again"), "{}", outcome.text);
        endpoint.method = Method::DELETE;
        let outcome = ask(&endpoint, json!({})).await;
        assert!(outcome.text.contains("is not known; check before"), "{}", outcome.text);
    }
}

/// A body that gives one piece and never ends.
struct Stuck {
    first: Option<&'static str>,
}

impl hyper::body::Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.first.take() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
            None => Poll::Pending,
        }
    }
}

fn gzip(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let piece = vec![b' '; 1 << 16];
    for _ in 0..bytes >> 16 {
        encoder.write_all(&piece).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn more_than_the_limit_is_not_read_packed_or_not() {
    let plain = answering(200, vec![b' '; limits::UPSTREAM_BODY + 1]).await;
    let bomb = gzip(64 << 20);
    assert!(bomb.len() < 1 << 20);
    let packed = any(move || async move { ([("content-encoding", "gzip")], bomb) });
    let packed = at(upstream(Router::new().fallback(packed)).await);
    for mut endpoint in [plain, packed] {
        let outcome = ask(&endpoint, json!({})).await;
        assert!(outcome.is_error && outcome.text.contains("too much to read"), "{}", outcome.text);
        endpoint.response = ResponseKind::Text;
        let outcome = ask(&endpoint, json!({})).await;
        assert!(outcome.text.len() < limits::RESULT_TEXT + 300);
        assert!(outcome.text.contains("[truncated: the first 1048576 of 8388608 bytes"));
    }
}

#[tokio::test]
async fn a_large_json_is_cut_for_the_model_and_not_structured() {
    let body = json!({"text": "\u{e9}".repeat(limits::RESULT_TEXT)}).to_string();
    let outcome = ask(&answering(200, body).await, json!({})).await;
    assert!(!outcome.is_error && outcome.structured.is_none());
    assert!(outcome.text.contains("\n[truncated: the first"));
    assert!(outcome.text.len() < limits::RESULT_TEXT + 300);
}

#[tokio::test]
async fn each_failure_to_connect_has_its_own_words() {
    let free = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let plain = upstream(Router::new()).await;
    let closing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = closing.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = closing.accept().await {
            drop(stream);
        }
    });
    for (base, words) in [
        (format!("http://{free}/"), "refuses the connection"),
        (format!("https://{plain}/"), "no TLS connection"),
        (format!("http://{closed}/"), "the connection broke"),
        // A label of more than 63 bytes (RFC 1035, 2.3.4): no resolver asks the network for it.
        (format!("http://{}.invalid/", "x".repeat(64)), "cannot be resolved"),
    ] {
        let mut endpoint = at(plain);
        endpoint.base = base.parse().unwrap();
        endpoint.fixed_query = Some("api_key=in-the-query".into());
        let outcome = ask(&endpoint, json!({})).await;
        assert!(outcome.is_error && outcome.text.contains(words), "{base}: {}", outcome.text);
        assert!(!outcome.text.contains("in-the-query"), "{}", outcome.text);
    }
}

#[tokio::test]
async fn dropping_the_call_drops_the_request() {
    struct Gone(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.take().map(|gone| gone.send(()));
        }
    }
    let (came, coming) = tokio::sync::oneshot::channel();
    let (gone, going) = tokio::sync::oneshot::channel();
    let signals = Arc::new(std::sync::Mutex::new(Some((came, Gone(Some(gone))))));
    let wait = any(move || {
        let signals = signals.lock().unwrap().take();
        async move {
            let (came, _gone) = signals.unwrap();
            came.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    });
    let endpoint = at(upstream(Router::new().fallback(wait)).await);
    tokio::select! {
        outcome = ask(&endpoint, json!({})) => panic!("ended: {outcome:?}"),
        came = coming => came.unwrap(),
    }
    going.await.unwrap();
}

proptest! {
    #[test]
    fn no_answer_and_no_error_ever_shows_the_token(
        secret in "[!-~]{4,20}",
        status in 200_u16..600,
        before in "\\PC{0,20}",
        text in proptest::bool::ANY,
        shape in 0_u8..5,
        pad in proptest::sample::select(vec![0, limits::UPSTREAM_EXCERPT - 30, limits::RESULT_TEXT - 30]),
    ) {
        // What the notes themselves say is no secret.
        prop_assume!(!"[redacted] credential arguments Service answered".contains(&secret));
        let before = format!("{before}{}", " ".repeat(pad));
        let body = match shape {
            0 => format!("{before}{secret}"),
            1 => json!({"a": [before, {secret.as_str(): secret}]}).to_string(),
            2 => json!({"a": format!("{before}{secret}{secret}")}).to_string().replace('/', "\\/"),
            3 => json!([secret]).to_string(),
            _ => format!("{before}\"{secret}\""),
        };
        let mut endpoint = endpoint([]);
        endpoint.service = service(&secret);
        endpoint.response = if text { ResponseKind::Text } else { ResponseKind::Json };
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            location: Some(format!("https://{secret}@{secret}/{secret}?{secret}")),
            retry_after: Some(secret.clone()),
            body: body.into_bytes(),
            complete: true,
        };
        let outcome = response::outcome(&endpoint, &answer);
        prop_assert!(!outcome.text.contains(&secret), "{}", outcome.text);
        let structured = outcome.structured.map(|value| value.to_string()).unwrap_or_default();
        prop_assert!(!structured.contains(&secret), "{structured}");
        for error in [
            SendError::Timeout(endpoint.timeout),
            SendError::Broken(secret.clone().into()),
            SendError::Connect(secret.clone().into()),
            SendError::Dns(secret.clone().into()),
            SendError::Refused(secret.clone().into()),
            SendError::Tls(secret.clone().into()),
        ] {
            let outcome = response::unanswered(&endpoint, &error);
            prop_assert!(!outcome.text.contains(&secret), "{}", outcome.text);
        }
    }
}
