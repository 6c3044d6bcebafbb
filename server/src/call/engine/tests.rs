use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use axum::Router;
use axum::routing::get;
use proto::{Ended, Reply, Request, Stream, Text};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::api::client::Client;
use crate::api::tests::upstream;
use crate::catalog::fixture::{api_tool, command, endpoint, object, param, tool};
use crate::catalog::schema;
use crate::exec::client::Runner;
use crate::exec::client::tests::{exit, out, peer, started};
use crate::model::command::CommandPlace;
use crate::model::endpoint::ApiPlace;
use crate::model::param::{ParamKind, Presence};
use crate::model::tool::Tool;

fn engine(tools: Vec<Tool>) -> Engine {
    let runner = Runner::new(PathBuf::from("/nonexistent/runner.sock"));
    Engine::new(Catalog::build(tools).unwrap(), Client::new().unwrap(), runner)
}

fn caller() -> Caller {
    Caller::LOCAL
}

async fn upstream_tool(name: &str, app: Router) -> Tool {
    let mut endpoint = endpoint([(
        param("q", ParamKind::String, Presence::Optional),
        ApiPlace::Query("q".into()),
    )]);
    endpoint.base = format!("http://{}/", upstream(app).await).parse().unwrap();
    tool(name, Action::Api(endpoint))
}

fn command_tool() -> Tool {
    let place = CommandPlace::Argument { prefix: None };
    tool(
        "run",
        Action::Command(command(
            "date",
            [(param("arg", ParamKind::String, Presence::Required), place)],
        )),
    )
}

async fn call(engine: &Engine, tool: &str, arguments: Value) -> Result<Outcome, UnknownTool> {
    engine.call(&caller(), tool, object(arguments), &CancellationToken::new()).await
}

#[tokio::test]
async fn a_call_goes_all_the_way_to_the_upstream_and_back() {
    let app = Router::new().fallback(get(|| async { r#"{"ok": true}"# }));
    let engine = engine(vec![upstream_tool("ask", app).await]);
    let outcome = call(&engine, "ask", json!({"q": "x"})).await.unwrap();
    assert_eq!(outcome.structured, Some(json!({"ok": true})));
    assert!(!outcome.is_error);
}

#[tokio::test]
async fn a_call_goes_all_the_way_to_the_runner_and_back() {
    let cancel = CancellationToken::new();
    for ended in [Ended::Itself, Ended::Cancelled] {
        let stop = cancel.clone();
        let peer = peer(move |mut sender, mut receiver| async move {
            let Some(Request::Execute(asked)) = receiver.receive().await.unwrap() else {
                panic!("not an execution");
            };
            assert_eq!(asked.args.iter().map(Text::as_str).collect::<Vec<_>>(), ["+%s"]);
            sender.send(&Reply::Started(started())).await.unwrap();
            sender.send(&out(Stream::Stdout, b"17\n")).await.unwrap();
            if ended == Ended::Cancelled {
                stop.cancel();
                assert_eq!(receiver.receive().await.unwrap(), Some(Request::Cancel));
            }
            sender.send(&Reply::Exit(exit(ended))).await.unwrap();
        });
        let catalog = Catalog::build(vec![command_tool()]).unwrap();
        let engine = Engine::new(catalog, Client::new().unwrap(), peer.runner.clone());
        let arguments = object(json!({"arg": "+%s"}));
        let outcome = engine.call(&caller(), "run", arguments, &cancel).await.unwrap();
        assert!(outcome.text.contains("--- stdout ---\n17\n"), "{}", outcome.text);
        let structured = outcome.structured.unwrap();
        assert_eq!(structured["stdout"], "17\n");
        assert_eq!(structured["cancelled"], ended == Ended::Cancelled);
        assert_eq!(outcome.is_error, ended == Ended::Cancelled);
        peer.done().await;
    }
}

#[tokio::test]
async fn an_unknown_tool_is_told_with_the_one_that_was_meant() {
    let engine = engine(vec![api_tool("trello_boards", [])]);
    let unknown = call(&engine, "trello_board", json!({})).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no tool of this name; did you mean `trello_boards`?");
    let unknown = call(&engine, "zzz", json!({})).await.unwrap_err();
    assert_eq!(unknown, UnknownTool { nearest: None });
}

#[tokio::test]
async fn wrong_arguments_are_an_outcome_and_reach_nobody() {
    let engine = engine(vec![command_tool(), api_tool("ask", [])]);
    for name in ["ask", "run"] {
        let outcome = call(&engine, name, json!({"nope": 1})).await.unwrap();
        assert!(outcome.is_error);
        assert!(outcome.text.contains("`nope` is not a parameter"), "{}", outcome.text);
    }
}

#[tokio::test]
async fn a_command_tool_always_answers_as_its_output_schema_says() {
    let engine = engine(vec![command_tool()]);
    let validator = jsonschema::draft202012::new(&schema::command_output()).unwrap();
    for (arguments, class) in [(json!({}), "arguments"), (json!({"arg": "x"}), "unavailable")] {
        let outcome = call(&engine, "run", arguments).await.unwrap();
        let structured = outcome.structured.unwrap();
        assert!(validator.is_valid(&structured), "{structured}");
        assert_eq!(structured["error"], class);
    }
}

#[tokio::test]
async fn cancelling_ends_an_api_call_that_would_never_end() {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let app = Router::new().fallback(get(move || async move {
        stop.cancel();
        std::future::pending::<()>().await;
    }));
    let engine = engine(vec![upstream_tool("ask", app).await]);
    let outcome = engine.call(&caller(), "ask", Map::new(), &cancel).await.unwrap();
    assert!(outcome.is_error);
    assert_eq!(outcome.text, "the call was cancelled");
}

#[tokio::test]
async fn another_catalog_is_in_force_at_once_and_the_old_one_stays_whole() {
    let engine = engine(vec![api_tool("old", [])]);
    let held = engine.catalog();
    engine.replace(Catalog::build(vec![api_tool("new", [])]).unwrap());
    assert!(held.find("old").is_some());
    assert!(engine.catalog().find("old").is_none() && engine.catalog().find("new").is_some());
}

#[test]
fn a_call_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let engine = engine(Vec::new());
    let (caller, cancel) = (caller(), CancellationToken::new());
    is_send(&engine.call(&caller, "x", Map::new(), &cancel));
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_call_leaves_one_record_without_its_arguments_even_when_it_is_dropped() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (came, mut coming) = tokio::sync::mpsc::channel(1);
    let quick = Router::new().fallback(get(|| async { "[]" }));
    let stuck = Router::new().fallback(get(move || async move {
        came.send(()).await.unwrap();
        std::future::pending::<()>().await;
    }));
    let engine =
        engine(vec![upstream_tool("quick", quick).await, upstream_tool("stuck", stuck).await]);
    call(&engine, "quick", json!({"q": "hunter2"})).await.unwrap();
    call(&engine, "quick", json!({"hunter2": "hunter2"})).await.unwrap();
    tokio::select! {
        end = call(&engine, "stuck", json!({"q": "hunter2"})) => panic!("ended: {end:?}"),
        came = coming.recv() => came.unwrap(),
    }

    let text = log.text();
    let records: Vec<&str> = text.lines().filter(|line| line.contains("call tool=")).collect();
    assert_eq!(records.len(), 3, "{text}");
    for (record, words) in records.iter().zip([
        "tool=\"quick\" user=00000000-0000-0000-0000-000000000000 outcome=\"ok\" ms=",
        "outcome=\"arguments\"",
        "tool=\"stuck\" user=00000000-0000-0000-0000-000000000000 outcome=\"dropped\"",
    ]) {
        assert!(record.contains(words), "{record}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}
