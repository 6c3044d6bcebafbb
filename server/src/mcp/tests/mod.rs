//! The protocol through its edge: a server on a real socket, driven with bytes. The numbers in the
//! names of sections are those of the project's list of what MCP asks of a server.

mod legacy;
mod modern;
pub(crate) mod rig;
