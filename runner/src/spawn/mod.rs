//! Starts stage 2 and watches over the run that it becomes. The only place that starts a process.

pub mod child;
pub mod launch;
pub mod output;
pub mod spawner;
pub mod supervise;
