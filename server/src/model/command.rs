//! A command tool: a key into the runner's policy, and how arguments become argv. The runner
//! decides whether it runs; nothing here is a right.

use std::time::Duration;

use super::param::Placed;

/// One command tool.
#[derive(Debug, Clone)]
pub struct Command {
    /// The key of the runner's rule: its name, its path or an alias.
    pub executable: Executable,
    /// The parameters, in argv order.
    pub params: Vec<Placed<CommandPlace>>,
}

/// Who names the key of the runner's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executable {
    /// The config names it. Empty where a shell runs the arguments alone.
    Named(String),
    /// The caller's value of `params[index]` names it. The policy still decides.
    Param(usize),
}

/// Where a command parameter's value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandPlace {
    /// One argument, after `prefix` as an argument of its own. A true boolean gives its name.
    Argument {
        /// The option that goes before the value.
        prefix: Option<String>,
    },
    /// Each item is an argument.
    ArgList,
    /// A variable (scalar) or several (object).
    Environment,
    /// The text on stdin.
    Stdin,
    /// Steers the run itself.
    Control(Control),
}

/// The `control` parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Whether the result shows stderr.
    CaptureStderr,
    /// Whether the result shows stdout.
    CaptureStdout,
    /// The working directory that is expected.
    Cwd,
    /// The rule's key.
    Executable,
    /// Seconds to wait.
    Timeout,
    /// Run the arguments as one line of `shell_interpreter -c`. The policy must allow that shell.
    UseShell,
    /// The shell of `use_shell`.
    ShellInterpreter,
}

/// How long a command may take when its config does not say (the original's 180 s).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(3);
