//! `mcpfusion`.
fn main() {}
