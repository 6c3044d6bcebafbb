//! From the words on the command line to what a command does, and back to an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

use super::args::{self, Cli, Command};
use super::exit::{FAILED, Failure, INTERNAL, USAGE};
use super::reach::Place;
use super::screen::Screen;
use super::{call, demo, serve, status, surroundings, token, user, validate};
use crate::clock::Clock;
use crate::limits;
use crate::model::secret::Secret;

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match dispatch(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.text.is_empty() {
                writeln!(io::stderr(), "mcpfusion: {failure}").ok();
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Serve(args) => serve::run(&args).map(|()| 0),
        Command::Demo(args) => demo::run(&args).map(|()| 0),
        Command::Call(args) => call_tool(args),
        Command::Tools(remote) => list_tools(remote),
        Command::Validate(args) => {
            // With the env file, as the server would have it.
            let exit = surroundings::look(|host| {
                let (env, format) = (|name: &str| host.variable(name), args.format.into());
                validate::run(&args.files, args.strict, format, &env, &mut io::stdout())
            })?;
            Ok(exit.map_err(|e| Failure::of(INTERNAL, &e))?.code())
        }
        Command::Token(verb) => manage(verb),
        Command::User(args::User::List { format, place }) => {
            let place = self::place(&place)?;
            on_screen(async |screen| user::list(&place, format.into(), screen).await)
        }
        Command::Status { place } => {
            let place = self::place(&place)?;
            on_screen(async |screen| status::show(&place, screen).await)
        }
    }
}

fn manage(verb: args::Token) -> Result<u8, Failure> {
    match verb {
        args::Token::Add { user, description, expires, place } => {
            let place = self::place(&place)?;
            let user = user.map(args::user_id);
            let add = token::Add { user, description, lifetime: expires };
            on_screen(async |screen| token::add(&place, add.clone(), screen).await)
        }
        args::Token::List { format, place } => {
            let place = self::place(&place)?;
            on_screen(async |screen| token::list(&place, format.into(), screen).await)
        }
        args::Token::Revoke { hash, yes, place } => {
            let place = self::place(&place)?;
            on_screen(async |screen| {
                let mut answers = io::stdin().lock();
                let consent =
                    if yes { token::Consent::Given } else { token::Consent::Ask(&mut answers) };
                token::revoke(&place, hash.clone(), consent, screen).await
            })
        }
    }
}

/// Where the CLI finds the store.
fn place(place: &args::Place) -> Result<Place, Failure> {
    let dir = surroundings::state_dir(place.db_dir.clone())?;
    Ok(Place { dir, clock: Clock::System, patience: limits::STORE_HELD })
}

fn on_screen<E: Into<Failure>>(
    command: impl AsyncFnOnce(&mut Screen<'_>) -> Result<(), E>,
) -> Result<u8, Failure> {
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    let mut screen = Screen { out: &mut out, notes: &mut notes };
    small_runtime()?.block_on(command(&mut screen)).map_err(Into::into)?;
    Ok(0)
}

fn small_runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(|e| Failure::of(INTERNAL, &e))
}

fn call_tool(args: args::Call) -> Result<u8, Failure> {
    let args::Remote { url, token, json } = args.remote;
    let token = token.map(Secret::new);
    let arguments = arguments(&args.arguments)?;
    let reply =
        small_runtime()?.block_on(call::run(&url, token.as_ref(), &args.tool, arguments))?;
    let text = if json {
        let call::CallReply { text, structured, is_error } = &reply;
        let result = json!({"text": text, "structuredContent": structured, "isError": is_error});
        format!("{result:#}")
    } else {
        reply.text
    };
    print(text.trim_end())?;
    Ok(if reply.is_error { FAILED } else { 0 })
}

fn list_tools(remote: args::Remote) -> Result<u8, Failure> {
    let token = remote.token.map(Secret::new);
    let tools = small_runtime()?.block_on(call::list(&remote.url, token.as_ref()))?;
    if remote.json {
        let tools = tools.iter().map(|tool| {
            let (name, about) = (&tool.name, &tool.description);
            json!({"name": name, "description": about, "inputSchema": tool.input_schema})
        });
        print(&format!("{:#}", tools.collect::<Value>()))?;
    } else {
        for tool in &tools {
            let first_line = tool.description.lines().next().unwrap_or_default();
            print(&format!("{:<40} {first_line}", tool.name))?;
        }
    }
    Ok(0)
}

/// `NAME=VALUE` words, or one word that is a JSON object.
fn arguments(words: &[String]) -> Result<Map<String, Value>, Failure> {
    if let [only] = words
        && only.trim_start().starts_with('{')
    {
        return serde_json::from_str(only)
            .map_err(|e| Failure::new(USAGE, format!("the arguments are not a JSON object: {e}")));
    }
    let pair = |word: &String| {
        let (name, text) = word.split_once('=').ok_or_else(|| {
            Failure::new(USAGE, format!("{word:?} is not NAME=VALUE, nor a JSON object"))
        })?;
        let value = serde_json::from_str(text).unwrap_or_else(|_text| Value::String(text.into()));
        Ok((name.to_owned(), value))
    };
    words.iter().map(pair).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        // Whoever reads has enough: `mcpfusion tools | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::new(0, "")),
        written => written.map_err(|e| Failure::of(INTERNAL, &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Value, u8> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        arguments(&words).map(Value::Object).map_err(|failure| failure.code)
    }

    #[test]
    fn arguments_are_pairs_or_an_object() {
        assert_eq!(parse(&[]), Ok(json!({})));
        assert_eq!(
            parse(&["a=1", "b=x=y", "c=[1,2]", "d=", "e=\"1\""]),
            Ok(json!({"a": 1, "b": "x=y", "c": [1, 2], "d": "", "e": "1"}))
        );
        assert_eq!(parse(&[r#"{"a": {"b": true}}"#]), Ok(json!({"a": {"b": true}})));
        assert_eq!(parse(&["{broken"]), Err(USAGE));
        assert_eq!(parse(&["word"]), Err(USAGE));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
