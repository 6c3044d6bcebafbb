//! Commands and their parameters.

use serde_json::json;

use super::*;
use crate::model::command::{CommandPlace, Control, Executable};
use crate::model::param::Presence;
use crate::model::tool::Hints;

const EXECUTABLE: &str = r#"{"name": "executable", "type": "string", "location": "control", "static": true, "default": "/bin/tool"}"#;
const VERBOSE: &str = r#"{"name": "-v", "type": "boolean", "location": "argument"}"#;

fn executable(param: &str) -> String {
    changed(COMMAND, EXECUTABLE, param)
}

fn verbose(param: &str) -> String {
    changed(COMMAND, VERBOSE, param)
}

#[test]
fn a_command_becomes_a_tool() {
    let tool = tool(COMMAND);
    assert_eq!(tool.name.as_str(), "command_tool");
    assert_eq!(tool.title.as_deref(), Some("Tool"));
    assert_eq!(tool.description, "Runs.");
    let command = command(COMMAND);
    assert_eq!(command.executable, Executable::Named("/bin/tool".to_owned()));
    let places: Vec<_> = command.params.iter().map(|param| param.place.clone()).collect();
    assert_eq!(
        places,
        [
            CommandPlace::Argument { prefix: None },
            CommandPlace::Argument { prefix: Some("-p".to_owned()) },
            CommandPlace::ArgList,
            CommandPlace::Environment,
            CommandPlace::Stdin,
            CommandPlace::Control(Control::Timeout),
        ]
    );
    assert_eq!(command.params[5].param.presence, Presence::Default(json!(20)));
}

#[test]
fn a_command_is_taken_to_be_dangerous_until_its_config_says_otherwise() {
    let worst = Hints { read_only: false, destructive: true, idempotent: false, open_world: true };
    assert_eq!(tool(COMMAND).hints, worst);
    let text = changed(
        COMMAND,
        r#""id""#,
        r#""hints": {"readOnly": true, "destructive": false, "idempotent": true, "openWorld": false}, "id""#,
    );
    let best = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };
    assert_eq!(tool(&text).hints, best);
}

#[test]
fn the_executable_is_the_config_s_or_else_the_caller_s() {
    let of = |param: &str| command(&executable(param)).executable;
    let with_default =
        r#"{"name": "executable", "type": "string", "location": "control", "default": "x"}"#;
    assert_eq!(of(with_default), Executable::Named("x".to_owned()));
    let free = r#"{"name": "executable", "type": "string", "location": "control"}"#;
    assert_eq!(of(free), Executable::Param(0));
}

#[test]
fn an_executable_with_a_default_is_no_choice_and_that_is_said() {
    let param =
        r#"{"name": "executable", "type": "string", "location": "control", "default": "x"}"#;
    let message = "clients cannot choose an `executable` that has a default";
    is_warning(&executable(param), "{", message);
}

#[test]
fn a_shell_stands_in_for_an_executable() {
    let switch = |rest: &str| {
        let head = r#"{"name": "use_shell", "type": "boolean", "location": "control""#;
        executable(&format!("{head}{rest}}}"))
    };
    for on in
        [r#", "static": true, "default": true"#, r#", "default": true"#, r#", "required": true"#]
    {
        assert_eq!(command(&switch(on)).executable, Executable::Named(String::new()));
    }
    for off in ["", r#", "default": false"#, r#", "static": true, "default": false"#] {
        is_error(&switch(off), "{", "a command has no `executable`");
    }
}

#[test]
fn every_control_is_known() {
    for (name, kind) in [
        ("kill_grace_period", "integer"),
        ("cwd", "string"),
        ("use_shell", "boolean"),
        ("shell_interpreter", "string"),
        ("capture_stdout", "boolean"),
        ("capture_stderr", "boolean"),
    ] {
        let param = format!(r#"{{"name": "{name}", "type": "{kind}", "location": "control"}}"#);
        assert_eq!(said(&verbose(&param)), [], "{name}");
    }
}

#[test]
fn the_grace_is_the_policy_s() {
    let param = r#"{"name": "kill_grace_period", "type": "integer", "location": "control"}"#;
    assert_eq!(command(&verbose(param)).params.len(), 5);
}

#[test]
fn every_check_of_a_command_names_what_is_wrong() {
    for (param, at, message) in [
        (
            r#"{"name": "n", "type": "array", "location": "argument"}"#,
            "\"n\"",
            "`n` of location `argument` has type array",
        ),
        (
            r#"{"name": "n", "type": "string", "location": "arglist"}"#,
            "\"n\"",
            "`n` of location `arglist` has type string",
        ),
        (
            r#"{"name": "n", "type": "array", "location": "environment"}"#,
            "\"n\"",
            "`n` of location `environment` has type array",
        ),
        (
            r#"{"name": "A=B", "type": "string", "location": "environment"}"#,
            "\"A=B\"",
            "`A=B` is no name of a variable",
        ),
        (
            r#"{"name": "n", "type": "object", "location": "stdin"}"#,
            "\"n\"",
            "`n` of location `stdin` has type object",
        ),
        (
            r#"{"name": "n", "type": "string", "location": "stdin"}"#,
            "\"input\"",
            "a command has this parameter already",
        ),
        (
            r#"{"name": "cwd", "type": "integer", "location": "control"}"#,
            "\"cwd\"",
            "`cwd` of location `control` has type integer",
        ),
        (
            r#"{"name": "use_shell", "type": "string", "location": "control"}"#,
            "\"use_shell\"",
            "`use_shell` of location `control` has type string",
        ),
        (
            r#"{"name": "timout", "type": "integer", "location": "control"}"#,
            "\"timout\"",
            "`timout` is no control",
        ),
        (
            r#"{"name": "n", "type": "string", "location": "query"}"#,
            "\"query\"",
            "`query` is no location of a command",
        ),
        (
            r#"{"name": "-v", "type": "boolean", "location": "argument", "default": "x"}"#,
            "\"x\"",
            "`default` of a command's parameter is not of type boolean",
        ),
    ] {
        is_error(&verbose(param), at, message);
    }
    is_error(&executable(VERBOSE).replacen("-v", "-w", 1), "{", "a command has no `executable`");
    let empty = EXECUTABLE.replace("/bin/tool", "");
    is_error(&executable(&empty), "{", "a command's `executable` is empty");
    is_error(
        &changed(COMMAND, r#""default": 20"#, r#""default": 0"#),
        "\"timeout\"",
        "the timeout must be above 0: every run ends",
    );
}

#[test]
fn what_a_command_says_in_vain_is_a_warning() {
    for (param, at, message) in [
        (
            r#"{"name": "-v", "type": "boolean", "location": "argument", "prefix": "-x"}"#,
            "\"-x\"",
            "`prefix` has no effect on a boolean, whose name is the flag",
        ),
        (
            r#"{"name": "n", "type": "array", "location": "arglist", "prefix": "-x"}"#,
            "\"-x\"",
            "`prefix` has no effect outside `argument`",
        ),
        (
            r#"{"name": "n", "type": "string", "location": "argument", "quoted": true}"#,
            "\"quoted\"",
            "`quoted` has no effect in a command's parameter",
        ),
    ] {
        is_warning(&verbose(param), at, message);
    }
}
