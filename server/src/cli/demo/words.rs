//! What the demo prints when it is ready.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Ready;

/// One line for a script.
pub(super) fn json(ready: &Ready) -> io::Result<()> {
    let line = json!({
        "url": ready.url.as_str(),
        "sse_url": ready.sse_url.as_str(),
        "token": ready.token.expose(),
        "tools": ready.tools,
    });
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Everything that a person needs to go on.
pub(super) fn text(ready: &Ready) -> io::Result<()> {
    let mut out = io::stdout();
    let (url, token) = (&ready.url, ready.token.expose());
    let program = std::env::args().next().unwrap_or_else(|| "mcpfusion".to_owned());
    writeln!(out, "MCPFusion is ready, with {} tools on this host.\n", ready.tools.len())?;
    writeln!(out, "  URL    {url}")?;
    writeln!(out, "  Token  {token}")?;
    writeln!(out, "         (shown this once; it ends with the demo)\n")?;
    writeln!(out, "Claude Code:\n")?;
    writeln!(
        out,
        "  claude mcp add --transport http mcpfusion {url} --header \"Authorization: Bearer {token}\"\n"
    )?;
    writeln!(out, "Other clients (mcp.json and the like):\n")?;
    for line in format!("{:#}", client_config(ready)).lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "\nFrom this shell:\n")?;
    writeln!(out, "  {program} call --url {url} --token {token} command_df\n")?;
    writeln!(out, "Each command runs under:\n")?;
    for layer in &ready.layers {
        writeln!(out, "  {layer}")?;
    }
    for missing in &ready.missing {
        writeln!(out, "  MISSING: {missing}")?;
    }
    writeln!(out, "\nEvery decision is written to {}", ready.audit.display())?;
    writeln!(out, "Ctrl-C ends everything.")?;
    out.flush()
}

fn client_config(ready: &Ready) -> Value {
    json!({
        "mcpServers": {
            "mcpfusion": {
                "type": "http",
                "url": ready.url.as_str(),
                "headers": { "Authorization": format!("Bearer {}", ready.token.expose()) },
            }
        }
    })
}
