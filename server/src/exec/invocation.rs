//! What the runner is asked for, made from a command tool and checked arguments. Parameters keep
//! the config's order; that is argv's order.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::call::args::ValidArgs;
use crate::model::command::{Command, CommandPlace, Control, DEFAULT_TIMEOUT, Executable};
use crate::model::param::Param;
use crate::model::plain::plain;

/// The longest wait that the wire can say. The policy's own limit holds as well.
pub const MAX_TIMEOUT: Duration = Duration::from_millis(0xffff_ffff);
/// The shell of `use_shell` when the config names none.
const DEFAULT_SHELL: &str = "/bin/sh";

/// One run, as it is asked for. `Debug` shows the key alone: an argument may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The key of the policy's rule.
    pub key: String,
    /// The arguments, without argv 0.
    pub args: Vec<String>,
    /// Variables to set.
    pub env: Vec<(String, String)>,
    /// The working directory that the rule is expected to have.
    pub cwd: Option<String>,
    /// The text on stdin.
    pub stdin: Option<String>,
    /// The longest to wait.
    pub timeout: Duration,
    /// Whether the outcome shows stdout.
    pub show_stdout: bool,
    /// Whether the outcome shows stderr.
    pub show_stderr: bool,
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} arguments", self.key, self.args.len())
    }
}

/// Arguments do not make an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// Nothing names the command.
    #[error("no command is named; send the parameter that names it")]
    NoExecutable,
    /// A value is not of the kind that its place needs.
    #[error("`{param}` must be {wanted}")]
    Kind {
        /// The parameter, as clients know it.
        param: String,
        /// What its place needs.
        wanted: &'static str,
    },
}

impl Invocation {
    /// Places each value. Empty strings are left out, as if they had not been sent.
    pub fn build(command: &Command, args: &ValidArgs) -> Result<Self, InvocationError> {
        let mut parts = Parts::default();
        for (index, placed) in command.params.iter().enumerate() {
            if let Some(value) = args.get(index) {
                parts.place(&placed.param, &placed.place, value)?;
            }
        }
        let executable = match &command.executable {
            Executable::Named(name) => name.clone(),
            Executable::Param(index) => args.get(*index).map(plain).unwrap_or_default().into(),
        };
        parts.finish(executable)
    }
}

#[derive(Default)]
struct Parts {
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: Option<String>,
    stdin: Option<String>,
    timeout: Option<Duration>,
    hide_stdout: bool,
    hide_stderr: bool,
    use_shell: bool,
    shell: Option<String>,
}

impl Parts {
    fn place(
        &mut self,
        param: &Param,
        place: &CommandPlace,
        value: &Value,
    ) -> Result<(), InvocationError> {
        match place {
            CommandPlace::Argument { prefix } => self.argument(param, prefix.as_deref(), value),
            CommandPlace::ArgList => {
                let items = value.as_array().ok_or_else(|| wrong(param, "a list"))?;
                self.args.extend(items.iter().filter_map(text));
            }
            CommandPlace::Environment => match value.as_object() {
                Some(map) => {
                    if map.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
                        return Err(wrong(param, "an object of variables by their names"));
                    }
                    self.env.extend(map.iter().map(|(k, v)| (k.clone(), plain(v).into_owned())));
                }
                None => self.env.push((param.name.clone(), plain(value).into_owned())),
            },
            CommandPlace::Stdin => self.stdin = text(value),
            CommandPlace::Control(control) => self.control(param, *control, value)?,
        }
        Ok(())
    }

    fn argument(&mut self, param: &Param, prefix: Option<&str>, value: &Value) {
        match value.as_bool() {
            // A switch: its name is the option, and it has no value that a prefix could go before.
            Some(on) => self.args.extend(on.then(|| param.name.clone())),
            None => {
                if let Some(value) = text(value) {
                    self.args.extend(prefix.map(str::to_owned));
                    self.args.push(value);
                }
            }
        }
    }

    fn control(
        &mut self,
        param: &Param,
        control: Control,
        value: &Value,
    ) -> Result<(), InvocationError> {
        let flag = || value.as_bool().ok_or_else(|| wrong(param, "true or false"));
        match control {
            Control::CaptureStderr => self.hide_stderr = !flag()?,
            Control::CaptureStdout => self.hide_stdout = !flag()?,
            Control::Cwd => self.cwd = text(value),
            // `Command::executable` points at it.
            Control::Executable => {}
            Control::ShellInterpreter => self.shell = text(value),
            Control::Timeout => self.timeout = Some(seconds(param, value)?),
            Control::UseShell => self.use_shell = flag()?,
        }
        Ok(())
    }

    fn finish(self, executable: String) -> Result<Invocation, InvocationError> {
        let (key, args) = if self.use_shell {
            let words = std::iter::once(&executable).filter(|name| !name.is_empty());
            let line = words.chain(&self.args).map(String::as_str).collect::<Vec<_>>().join(" ");
            (self.shell.unwrap_or_else(|| DEFAULT_SHELL.into()), vec!["-c".into(), line])
        } else {
            (executable, self.args)
        };
        if key.is_empty() {
            return Err(InvocationError::NoExecutable);
        }
        Ok(Invocation {
            key,
            args,
            env: self.env,
            cwd: self.cwd,
            stdin: self.stdin,
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            show_stdout: !self.hide_stdout,
            show_stderr: !self.hide_stderr,
        })
    }
}

fn text(value: &Value) -> Option<String> {
    Some(plain(value)).filter(|text| !text.is_empty()).map(Into::into)
}

fn seconds(param: &Param, value: &Value) -> Result<Duration, InvocationError> {
    let seconds = value.as_f64().ok_or_else(|| wrong(param, "a number of seconds"))?;
    if seconds <= 0.0 {
        return Err(wrong(param, "more than 0 seconds: every run ends"));
    }
    // What no Duration holds is longer than any limit.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(MAX_TIMEOUT).min(MAX_TIMEOUT))
}

fn wrong(param: &Param, wanted: &'static str) -> InvocationError {
    InvocationError::Kind { param: param.exposed.clone(), wanted }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::fixture::{args, command, param, tool};
    use crate::model::param::{ItemKind, ParamKind, Presence};
    use crate::model::tool::Action;

    fn build(command: &Command, arguments: Value) -> Result<Invocation, InvocationError> {
        let tool = tool("run", Action::Command(command.clone()));
        Invocation::build(command, &args(&tool, arguments))
    }

    fn optional(name: &str, kind: ParamKind, place: CommandPlace) -> (Param, CommandPlace) {
        (param(name, kind, Presence::Optional), place)
    }

    fn argument(prefix: Option<&str>) -> CommandPlace {
        CommandPlace::Argument { prefix: prefix.map(Into::into) }
    }

    fn control(control: Control) -> CommandPlace {
        CommandPlace::Control(control)
    }

    /// The original's nmap, with a switch.
    fn nmap() -> Command {
        let list = ParamKind::Array(ItemKind::String);
        command(
            "/usr/bin/nmap",
            [
                optional("-v", ParamKind::Boolean, argument(Some("ignored"))),
                optional("ports", ParamKind::String, argument(Some("-p"))),
                optional("rate", ParamKind::Number, argument(Some("--min-rate"))),
                optional("additional_args", list, CommandPlace::ArgList),
                optional("target", ParamKind::String, argument(None)),
                optional("timeout", ParamKind::Number, control(Control::Timeout)),
            ],
        )
    }

    #[test]
    fn arguments_keep_the_configs_order_with_prefixes_and_switches() {
        let run = build(
            &nmap(),
            json!({
                "target": "host", "additional_args": ["-n", "", "-6"], "-v": true,
                "rate": 1e7, "ports": "1-80", "timeout": 0.5
            }),
        )
        .unwrap();
        assert_eq!(run.key, "/usr/bin/nmap");
        assert_eq!(run.args, ["-v", "-p", "1-80", "--min-rate", "10000000", "-n", "-6", "host"]);
        assert_eq!(run.timeout, Duration::from_millis(500));
        assert!(run.show_stdout && run.show_stderr && run.stdin.is_none() && run.cwd.is_none());
    }

    #[test]
    fn what_is_empty_or_false_or_absent_leaves_nothing() {
        let run = build(&nmap(), json!({"-v": false, "ports": "", "additional_args": []})).unwrap();
        assert!(run.args.is_empty(), "{:?}", run.args);
        assert_eq!(run.timeout, DEFAULT_TIMEOUT);
    }

    #[test]
    fn every_run_ends() {
        for seconds in [0, -5] {
            let error = build(&nmap(), json!({"timeout": seconds})).unwrap_err();
            assert_eq!(error.to_string(), "`timeout` must be more than 0 seconds: every run ends");
        }
        let run = build(&nmap(), json!({"timeout": 1e300})).unwrap();
        assert_eq!(run.timeout, MAX_TIMEOUT);
        assert_eq!(u32::try_from(MAX_TIMEOUT.as_millis()), Ok(u32::MAX));
    }

    #[test]
    fn what_names_no_variable_is_refused() {
        let env = optional("env", ParamKind::Object, CommandPlace::Environment);
        let command = command("tool", [env]);
        for name in ["", "A=B", "A\0"] {
            let error = build(&command, json!({"env": {name: "x"}})).unwrap_err();
            assert_eq!(error.to_string(), "`env` must be an object of variables by their names");
        }
    }

    #[test]
    fn environment_stdin_and_controls_find_their_places() {
        let command = command(
            "tool",
            [
                optional("HOME_PAGE", ParamKind::String, CommandPlace::Environment),
                optional("environment", ParamKind::Object, CommandPlace::Environment),
                optional("stdin", ParamKind::String, CommandPlace::Stdin),
                optional("cwd", ParamKind::String, control(Control::Cwd)),
                optional("capture_stdout", ParamKind::Boolean, control(Control::CaptureStdout)),
                optional("capture_stderr", ParamKind::Boolean, control(Control::CaptureStderr)),
            ],
        );
        let run = build(
            &command,
            json!({
                "HOME_PAGE": "x", "environment": {"A": 1, "B": true}, "stdin": "in\n",
                "cwd": "/tmp", "capture_stdout": true, "capture_stderr": false
            }),
        )
        .unwrap();
        let var = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(run.env, [var("HOME_PAGE", "x"), var("A", "1"), var("B", "true")]);
        assert_eq!(run.stdin.as_deref(), Some("in\n"));
        assert_eq!(run.cwd.as_deref(), Some("/tmp"));
        assert!(run.show_stdout && !run.show_stderr);
    }

    #[test]
    fn a_shell_line_goes_to_the_interpreter_as_one_argument() {
        let on = param("use_shell", ParamKind::Boolean, Presence::Fixed(json!(true)));
        let bash = optional("shell", ParamKind::String, control(Control::ShellInterpreter));
        let line = optional("command", ParamKind::String, argument(None));
        let parts = [(on, control(Control::UseShell)), bash, line];
        let run = build(&command("", parts.clone()), json!({"command": "ls | wc"})).unwrap();
        assert_eq!((run.key.as_str(), run.args), ("/bin/sh", vec!["-c".into(), "ls | wc".into()]));
        let arguments = json!({"command": "-l", "shell": "/bin/bash"});
        let run = build(&command("/bin/ls", parts), arguments).unwrap();
        assert_eq!(run.key, "/bin/bash");
        assert_eq!(run.args, ["-c", "/bin/ls -l"]);
    }

    #[test]
    fn the_client_names_the_command_only_where_the_config_says_so() {
        let own = optional("executable", ParamKind::String, control(Control::Executable));
        let mut free = command("", [own]);
        free.executable = Executable::Param(0);
        assert_eq!(build(&free, json!({"executable": "/bin/id"})).unwrap().key, "/bin/id");
        for nothing in [json!({}), json!({"executable": ""})] {
            assert_eq!(build(&free, nothing), Err(InvocationError::NoExecutable));
        }
    }

    #[test]
    fn a_list_place_refuses_what_is_no_list() {
        let run = command("x", [optional("more", ParamKind::String, CommandPlace::ArgList)]);
        let error = build(&run, json!({"more": "-a -b"})).unwrap_err();
        assert_eq!(error.to_string(), "`more` must be a list");
    }
}
