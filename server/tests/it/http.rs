//! HTTP and MCP by hand: what is sent is what a test says, byte for byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The result of a request that went well.
    pub(crate) fn result(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        let mut answer = self.json();
        assert!(answer["error"].is_null(), "{self:?}");
        answer["result"].take()
    }

    /// The code and the words of a request that was wrong.
    pub(crate) fn error(&self) -> (i64, String) {
        let error = &self.json()["error"];
        let code = error["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"));
        (code, error["message"].as_str().unwrap().to_owned())
    }
}

/// Sends a request and reads nothing.
pub(crate) fn send(
    at: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(at).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = |name: &str| headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
    let length = body.len().to_string();
    let own = [("Connection", "close"), ("Host", at), ("Content-Length", &length)];
    let own = own.iter().filter(|(name, _)| !sent(name));
    let lines = own.chain(headers).map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = lines.collect::<String>();
    let text = format!("{method} {path} HTTP/1.1\r\n{head}\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Reads the answer to the end of the connection.
pub(crate) fn receive(mut stream: TcpStream) -> Response {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status: {head:?}"));
    Response { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) fn request(
    at: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    receive(send(at, method, path, headers, body))
}

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) at: &'a str,
    pub(crate) token: &'a str,
}

impl<'a> Client<'a> {
    /// A request of 2026-07-28 that is on its way.
    pub(crate) fn send_modern(self, method: &str, mut params: Value) -> TcpStream {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "it", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let bearer = format!("Bearer {}", self.token);
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut headers = vec![
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", method),
        ];
        if !name.is_empty() {
            headers.push(("Mcp-Name", &name));
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        send(self.at, "POST", "/mcp", &headers, &body.to_string())
    }

    pub(crate) fn modern(self, method: &str, params: Value) -> Response {
        receive(self.send_modern(method, params))
    }

    /// A tool call of 2026-07-28.
    pub(crate) fn call(self, tool: &str, arguments: &Value) -> Value {
        self.modern("tools/call", json!({"name": tool, "arguments": arguments})).result()
    }

    /// A run of the attacker.
    pub(crate) fn attack(self, words: &[&str]) -> Value {
        self.call("command_attack", &json!({"words": words}))
    }

    /// Whether the token is taken.
    pub(crate) fn is_let_in(self) -> bool {
        match self.modern("server/discover", json!({})).status {
            200 => true,
            401 => false,
            other => panic!("{other}"),
        }
    }

    /// A session of 2025-11-25.
    pub(crate) fn session(self) -> Session<'a> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "it", "version": "1"},
        });
        let mut session = Session { client: self, id: None };
        let answer = session.ask(0, "initialize", &params);
        assert_eq!(answer.result()["protocolVersion"], "2025-11-25");
        session.id = Some(answer.header("mcp-session-id").expect("a session").to_owned());
        let told = session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assert_eq!((told.status, &*told.body), (202, ""));
        session
    }
}

/// A session of 2025-11-25.
#[derive(Debug, Clone)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client<'a>,
    pub(crate) id: Option<String>,
}

impl Session<'_> {
    /// A message that is on its way.
    pub(crate) fn send(&self, http: &str, message: &str) -> TcpStream {
        let bearer = format!("Bearer {}", self.client.token);
        let mut headers = vec![
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        if let Some(id) = &self.id {
            headers
                .extend([("Mcp-Session-Id", id.as_str()), ("MCP-Protocol-Version", "2025-11-25")]);
        }
        send(self.client.at, http, "/mcp", &headers, message)
    }

    pub(crate) fn post(&self, message: &Value) -> Response {
        receive(self.send("POST", &message.to_string()))
    }

    pub(crate) fn ask(&self, id: u32, method: &str, params: &Value) -> Response {
        self.post(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    }

    pub(crate) fn delete(&self) -> Response {
        receive(self.send("DELETE", ""))
    }
}

/// The text of a tool's result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}
