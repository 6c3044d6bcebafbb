//! One client: a keep-alive HTTP/1.1 connection and an MCP session on it, with as little work of its
//! own as can be, for it shares the processors with what is measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Failed;
use crate::rig::Rig;

/// For one answer; longer is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked over and over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// An API tool whose upstream is in this process.
    Api,
    /// A command tool that runs `true`.
    Command,
    /// `tools/list`.
    List,
    /// `ping`.
    Ping,
}

impl Work {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Ping, Self::List, Self::Api, Self::Command];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Api => "API tool",
            Self::Command => "command_true",
            Self::List => "tools/list",
            Self::Ping => "ping",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Api => {
                r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"loopback_answer","arguments":{"id":7,"lang":"en"}}}"#
            }
            Self::Command => {
                r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"command_true","arguments":{}}}"#
            }
            Self::List => r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
            Self::Ping => r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire,
    request: Vec<u8>,
}

impl Client {
    /// Connects and begins a session.
    pub(crate) fn open(rig: &Rig, work: Work) -> Result<Self, Failed> {
        const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
        const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let address = rig.address;
        let mut wire = Wire::open(address)?;
        let post = |session: &str, message: &str| {
            let token = &rig.token;
            let length = message.len();
            format!(
                "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
                 {session}Content-Length: {length}\r\n\r\n{message}"
            )
            .into_bytes()
        };
        let (head, body) = wire.exchange(&post("", INITIALIZE))?;
        expect(head, body, "200")?;
        let id = header(head, "mcp-session-id").ok_or("the server began no session")?;
        let session = format!("Mcp-Session-Id: {id}\r\nMcp-Protocol-Version: 2025-11-25\r\n");
        let (head, body) = wire.exchange(&post(&session, INITIALIZED))?;
        expect(head, body, "202")?;
        Ok(Self { wire, request: post(&session, work.message()) })
    }

    /// Asks once; anything but success is an error.
    pub(crate) fn call(&mut self) -> Result<(), Failed> {
        let (head, body) = self.wire.exchange(&self.request)?;
        expect(head, body, "200")?;
        if body.contains(r#""result""#) && !body.contains(r#""isError":true"#) {
            return Ok(());
        }
        Err(format!("the call failed: {body}").into())
    }
}

fn expect(head: &str, body: &str, status: &str) -> Result<(), Failed> {
    let is = head.split(' ').nth(1);
    if is == Some(status) { Ok(()) } else { Err(format!("not {status} but {head}\n{body}").into()) }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(this, value)| this.eq_ignore_ascii_case(name).then(|| value.trim()))
}

/// An HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Failed> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024] })
    }

    /// Sends `request` and reads the head and the body of its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(&str, &str), Failed> {
        self.stream.write_all(request)?;
        let (mut filled, mut end_of_head, mut whole) = (0, 0, usize::MAX);
        while filled < whole {
            let room = self.buffer.get_mut(filled..).ok_or("the answer is too long")?;
            match self.stream.read(room)? {
                0 => return Err("the server hung up".into()),
                n => filled += n,
            }
            if whole == usize::MAX {
                let got = self.buffer.get(..filled).unwrap_or_default();
                let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = str::from_utf8(got.get(..end).unwrap_or_default())?;
                let length = header(head, "content-length").map_or(Ok(0), str::parse::<usize>)?;
                end_of_head = end;
                whole = end + 4 + length;
            }
        }
        let head = self.buffer.get(..end_of_head).unwrap_or_default();
        let body = self.buffer.get(end_of_head + 4..filled).unwrap_or_default();
        Ok((str::from_utf8(head)?, str::from_utf8(body)?))
    }
}
