//! `mcpfusion-runner`.
fn main() {}
