//! What `mcpfusion call` and `mcpfusion tools` do: ask a server for one call or for its tools.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::client::{ClientError, Params, ask};
use crate::model::secret::Secret;

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReply {
    /// Its text; content of other kinds is named in brackets.
    pub text: String,
    /// Its structured content.
    pub structured: Option<Value>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// A tool as a server lists it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedTool {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For models.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
}

/// Calls a tool.
pub async fn run(
    url: &Url,
    token: Option<&Secret>,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<CallReply, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct CallToolResult {
        content: Vec<Content>,
        structured_content: Option<Value>,
        #[serde(default)]
        is_error: bool,
    }
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "type")]
        kind: String,
        text: Option<String>,
    }
    let params = Params { name: Some(tool), arguments: Some(&arguments), ..Params::default() };
    let result: CallToolResult = ask(url, token, "tools/call", params).await?;
    let parts = result.content.into_iter();
    let text: Vec<_> =
        parts.map(|part| part.text.unwrap_or_else(|| format!("[{}]", part.kind))).collect();
    Ok(CallReply {
        text: text.join("\n"),
        structured: result.structured_content,
        is_error: result.is_error,
    })
}

/// Lists the tools, all pages.
pub async fn list(url: &Url, token: Option<&Secret>) -> Result<Vec<ListedTool>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        tools: Vec<ListedTool>,
        next_cursor: Option<String>,
    }
    let mut tools = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let params = Params { cursor: cursor.as_deref(), ..Params::default() };
        let page: Page = ask(url, token, "tools/list", params).await?;
        tools.extend(page.tools);
        // The same cursor again would never end.
        if page.next_cursor.is_none() || page.next_cursor == cursor {
            return Ok(tools);
        }
        cursor = page.next_cursor;
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::any;
    use serde_json::json;
    use tokio::net::TcpListener;

    use http::StatusCode;

    use super::*;
    use crate::api::tests::upstream;
    use crate::mcp::tests::rig::{ANNA, Rig};

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    async fn call(rig: &Rig, token: Option<&str>, tool: &str) -> Result<CallReply, ClientError> {
        let token = token.map(|text| Secret::new(text.to_owned()));
        let arguments = json!({"n": 1}).as_object().unwrap().clone();
        run(&url(&format!("http://{}", rig.at)), token.as_ref(), tool, arguments).await
    }

    /// A server that answers everything in this way.
    async fn other_server(answer: axum::routing::MethodRouter) -> Url {
        let at = upstream(Router::new().route("/mcp", answer)).await;
        url(&format!("http://{at}/mcp"))
    }

    #[tokio::test]
    async fn a_call_gives_text_and_structure_and_tells_a_failed_tool() {
        let rig = Rig::start().await;
        let reply = call(&rig, Some(ANNA), "echo").await.unwrap();
        assert_eq!((reply.structured, reply.is_error), (Some(json!({"n": 1})), false));
        assert!(reply.text.contains("\"n\""), "{}", reply.text);
        assert!(call(&rig, Some(ANNA), "fails").await.unwrap().is_error);
    }

    #[tokio::test]
    async fn a_tools_name_that_a_header_cannot_carry_gets_to_the_server() {
        let rig = Rig::start().await;
        for tool in ["\u{e9}cho", " echo", "=?base64?ZWNobw==?=", "a\nb"] {
            let error = call(&rig, Some(ANNA), tool).await.unwrap_err();
            let ClientError::Protocol { code, message } = error else { panic!("{error}") };
            assert!(code == -32602 && message.contains("no tool"), "{message}");
        }
    }

    #[tokio::test]
    async fn the_tools_are_listed() {
        let rig = Rig::start().await;
        let token = Secret::new(ANNA.into());
        let tools = list(&url(&format!("http://{}/mcp", rig.at)), Some(&token)).await.unwrap();
        let names: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, ["echo", "fails", "slow"]);
    }

    #[tokio::test]
    async fn a_wrong_token_and_a_missing_one_are_told_apart() {
        let rig = Rig::start().await;
        let error = call(&rig, Some("nobody"), "echo").await.unwrap_err();
        assert!(matches!(error, ClientError::TokenUnknown), "{error}");
        let error = call(&rig, None, "echo").await.unwrap_err();
        assert!(matches!(error, ClientError::TokenMissing), "{error}");
        let error = call(&rig, Some("an\nna"), "echo").await.unwrap_err();
        assert!(matches!(error, ClientError::Token), "{error}");
    }

    #[tokio::test]
    async fn nobody_listening_is_said_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let error = list(&url(&format!("http://{at}")), None).await.unwrap_err();
        assert!(matches!(&error, ClientError::NotListening(port) if *port == at.to_string()));
    }

    #[tokio::test]
    async fn another_kind_of_server_is_said_so_and_no_redirect_is_followed() {
        for answer in [
            any(|| async { "<html>" }),
            any(|| async { Redirect::temporary("http://127.0.0.1:1/") }),
            any(|| async { r#"{"jsonrpc":"2.0","id":1}"# }),
            any(|| async { r#"{"jsonrpc":"2.0","id":1,"result":{}}"# }),
            any(|| async { StatusCode::NOT_FOUND }),
        ] {
            let error = list(&other_server(answer).await, None).await.unwrap_err();
            assert!(matches!(error, ClientError::NotMcp { .. }), "{error}");
        }
        let refuses = any(|| async { (StatusCode::FORBIDDEN, "not\x1b[2Jfrom here") });
        let error = list(&other_server(refuses).await, None).await.unwrap_err();
        assert!(matches!(&error, ClientError::Forbidden(text) if text == "not [2Jfrom here"));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_right_is_refused_without_its_password() {
        for text in ["ftp://127.0.0.1/mcp", "file:///mcp", "http://anna:hunter2@127.0.0.1/mcp"] {
            let error = list(&url(text), None).await.unwrap_err();
            assert!(matches!(error, ClientError::Address(_)), "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
