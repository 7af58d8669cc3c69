//! The command line: what the user typed (`args`), what is built from it (`conversion`), and what is to be done.
//!
//! Every flag is also an environment variable; every flag that is on or off has a `--no-` twin. Nothing here opens a socket.

mod args;
mod conversion;
mod tool_args;
mod top_args;

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, FromArgMatches};

use self::args::{Args, Task};
pub use self::conversion::Settings;
pub use self::tool_args::{Explain, Format, Replay, Tool};
pub use self::top_args::Top;
use crate::program::duration;
use crate::program::net::WebAddress;

/// What the program is to do.
#[derive(Debug)]
pub enum Action {
    /// Run the bridge.
    Run(Box<Settings>),
    /// Run the bridge and replay the examples of a folder at it.
    Demo(Box<Settings>, PathBuf),
    /// Ask the bridge at the address whether it is ready.
    ///
    /// With the web configuration file that it was started with, if it was.
    Healthcheck(WebAddress, Option<PathBuf>),
    /// Say what is to be said of the configuration; the flags are good.
    CheckConfig(Box<Settings>),
    /// Answer a question about rules.
    Tool(Box<Tool>),
    /// Show what takes the room in a running bridge.
    Top(Box<Top>),
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Help or version was asked for: the text, for stdout.
    Answer(String),
    /// Wrong usage: one line, for stderr.
    Usage(String),
}

/// Reads the command line, the program's name first, and the environment.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(tool) = tool_args::parse(&arguments) {
        return tool.map(|tool| Action::Tool(Box::new(tool)));
    }
    if let Some(top) = top_args::parse(&arguments) {
        return top.map(|top| Action::Top(Box::new(top)));
    }
    let args = parse_args(arguments)?;
    let settings = Settings::from_args(&args).map_err(Refusal::Usage)?;
    if args.program.check_config {
        return Ok(Action::CheckConfig(Box::new(settings)));
    }
    Ok(match args.task {
        None => Action::Run(Box::new(settings)),
        Some(Task::Demo) => Action::Demo(Box::new(settings), args.program.examples),
        Some(Task::Healthcheck) => match settings.web.into_iter().next() {
            Some(address) => Action::Healthcheck(address, settings.web_config),
            None => return Err(Refusal::Usage("healthcheck: --web.listen-address names no address".to_owned())),
        },
    })
}

/// `statsd-bridge 0.1.0`, with the revision if the build was told of it by `STATSD_BRIDGE_REVISION`.
pub fn version() -> String {
    let name = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    match option_env!("STATSD_BRIDGE_REVISION").filter(|revision| !revision.is_empty()) {
        Some(revision) => format!("{name} (revision {revision})"),
        None => name.to_owned(),
    }
}

fn parse_args(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, Refusal> {
    let command = command();
    let arguments = arguments.into_iter().map(|argument| without_negation(argument, &command));
    let arguments: Vec<OsString> = arguments.collect();
    let matches = command.try_get_matches_from(arguments).map_err(refusal)?;
    Args::from_arg_matches(&matches).map_err(refusal)
}

/// The flags as clap has them, with what all of them share.
fn command() -> Command {
    let version = version();
    let version = version.split_once(' ').map(|(_, number)| number.to_owned()).unwrap_or_default();
    let command = Args::command().version(version);
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_help(format!("{}\n\n{after}", tool_args::NAMED)).mut_args(|arg| {
        let Some(flag) = arg.get_long().map(str::to_owned) else { return arg };
        if !arg.get_action().takes_values() {
            return arg;
        }
        let arg = if takes_bool(&arg) {
            arg.value_parser(BoolishValueParser::new())
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true)
        } else {
            arg
        };
        // Named once, at the end of the help, and not with each flag.
        arg.env(variable(&flag)).hide_env(true)
    })
}

/// The environment variable of a flag.
fn variable(flag: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    flag.chars().fold("STATSD_BRIDGE_".to_owned(), |mut name, c| {
        name.push(upper(c));
        name
    })
}

fn takes_bool(arg: &Arg) -> bool {
    arg.get_action().takes_values() && arg.get_value_parser().type_id() == TypeId::of::<bool>()
}

/// `--no-FLAG` of a flag that is on or off, as `--FLAG=false`; all else as it is.
fn without_negation(argument: OsString, command: &Command) -> OsString {
    let Some(flag) = argument.to_str().and_then(|a| a.strip_prefix("--no-")) else { return argument };
    if command.get_arguments().any(|arg| arg.get_long() == Some(flag) && takes_bool(arg)) {
        return format!("--{flag}=false").into();
    }
    argument
}

/// clap's message in one line, without its usage; help and version as they are.
fn refusal(error: clap::Error) -> Refusal {
    let text = error.to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Refusal::Answer(text);
    }
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let line = words.join("; ");
    Refusal::Usage(line.strip_prefix("error: ").unwrap_or(&line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(arguments: &[&str]) -> Result<Args, Refusal> {
        parse_args(std::iter::once("statsd-bridge").chain(arguments.iter().copied()).map(OsString::from))
    }

    fn usage(arguments: &[&str]) -> String {
        match parse(std::iter::once("statsd-bridge").chain(arguments.iter().copied()).map(OsString::from)) {
            Err(Refusal::Usage(line)) => line,
            other => panic!("{arguments:?} gave {other:?}"),
        }
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_variable() {
        assert_eq!(variable("statsd.listen-udp"), "STATSD_BRIDGE_STATSD_LISTEN_UDP");
        let command = command();
        let flags = command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version" | "task"));
        for arg in flags {
            assert!(arg.get_env().is_some(), "{}", arg.get_id());
            assert!(arg.get_help_heading().is_some(), "{} has no heading", arg.get_id());
        }
    }

    #[test]
    fn a_flag_that_is_on_or_off_has_four_forms_and_the_last_one_counts() {
        let parsed = |arguments: &[&str]| args(arguments).unwrap().wire.parse_dogstatsd_tags;
        assert!(parsed(&[]));
        assert!(!parsed(&["--no-statsd.parse-dogstatsd-tags"]));
        assert!(!parsed(&["--statsd.parse-dogstatsd-tags=false"]));
        assert!(parsed(&["--no-statsd.parse-dogstatsd-tags", "--statsd.parse-dogstatsd-tags"]));
        assert!(!parsed(&["--statsd.parse-dogstatsd-tags=true", "--no-statsd.parse-dogstatsd-tags"]));
        assert!(usage(&["--no-log.level"]).starts_with("unexpected argument '--no-log.level' found"));
    }

    #[test]
    fn an_address_flag_may_come_often_and_other_flags_count_by_their_last() {
        let typed = args(&["--statsd.listen-udp=:1", "--statsd.listen-udp", "[::1]:2,127.0.0.1:3"]).unwrap();
        assert_eq!(typed.listening.listen_udp, [":1", "[::1]:2", "127.0.0.1:3"]);
        assert_eq!(args(&["--limits.series=1", "--limits.series=2"]).unwrap().limits.series, 2);
    }

    #[test]
    fn wrong_usage_is_one_clear_line() {
        for (arguments, expected) in [
            (&["--statsd.listen-upd=:1"][..], "unexpected argument '--statsd.listen-upd' found"),
            (&["--log.level=loud"], "invalid value 'loud' for '--log.level <LEVEL>'"),
            (&["--tcp.idle-timeout=5"], "invalid value '5' for '--tcp.idle-timeout <DURATION>': "),
            (&["--state.interval=999ms"], "invalid value '999ms' for '--state.interval <DURATION>': expected at least 1s"),
            (&["--limits.series=0"], "invalid value '0' for '--limits.series <N>': "),
            (&["dance"], "invalid value 'dance' for '[TASK]'"),
        ] {
            let line = usage(arguments);
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        }
    }
}
