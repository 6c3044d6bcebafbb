//! The commands of `mcpfusion`. The only place that prints.

pub mod validate;
