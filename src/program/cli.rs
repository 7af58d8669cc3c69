//! The command line: from arguments and environment to what the program is to do.
//!
//! ```text
//! args        what the user typed, flag by flag
//! flags       the same as one clap command: environment variables, `--no-` twins, the help
//! conversion  from that to the settings
//! tool_args   the command lines of check, explain, replay and preset
//! top_args    the command line of top
//! early_exit  help, version and wrong usage
//! ```
//! Must not open a socket, read a mapping file or print anything.

mod address_advice;
mod args;
mod conversion;
mod early_exit;
mod environment;
mod flags;
mod tool_args;
mod top_args;

use std::ffi::OsString;
use std::path::PathBuf;

use self::args::Task;
pub use self::early_exit::EarlyExit;
use self::early_exit::unknown_subcommand;
use self::flags::parse_args;
pub use self::tool_args::{AnswerFormat, Explain, Replay, Tool};
pub use self::top_args::Top;
use crate::program::net::WebAddress;
use crate::program::settings::Settings;

/// What the program is to do.
#[derive(Debug)]
pub enum Invocation {
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

/// Reads the command line, the program's name first, and the environment.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, EarlyExit> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(exit) = unknown_subcommand(&arguments) {
        return Err(exit);
    }
    if let Some(tool) = tool_args::parse(&arguments) {
        return tool.map(|tool| Invocation::Tool(Box::new(tool)));
    }
    if let Some(top) = top_args::parse(&arguments) {
        return top.map(|top| Invocation::Top(Box::new(top)));
    }
    let (args, names) = parse_args(arguments)?;
    let mut settings = conversion::settings(&args, &names).map_err(EarlyExit::Usage)?;
    settings.unknown_variables = unknown_variables();
    if args.program.check_config {
        return Ok(Invocation::CheckConfig(Box::new(settings)));
    }
    Ok(match args.task {
        None => Invocation::Run(Box::new(settings)),
        Some(Task::Demo) => Invocation::Demo(Box::new(settings), args.program.examples),
        Some(Task::Healthcheck) => match settings.web.into_iter().min_by_key(|address| !matches!(address, WebAddress::Tcp(_))) {
            Some(address) => Invocation::Healthcheck(address, settings.web_config),
            None => {
                let flag = settings.flag_names.of("web.listen-address");
                return Err(EarlyExit::Usage(format!("healthcheck: {flag} names no address")));
            }
        },
    })
}

/// A line for each variable that looks like one of the bridge's and is none: it has no effect.
pub fn unknown_variables() -> Vec<String> {
    environment::unknown(std::env::vars_os(), &flags::flags_with_variable())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(arguments: &[&str]) -> String {
        match parse(std::iter::once("statsd-bridge").chain(arguments.iter().copied()).map(OsString::from)) {
            Err(EarlyExit::Usage(line)) => line,
            other => panic!("{arguments:?} gave {other:?}"),
        }
    }

    #[test]
    fn wrong_usage_is_one_clear_line() {
        for (arguments, expected) in [
            (&["--statsd.listen-upd=:1"][..], "unexpected argument '--statsd.listen-upd' found"),
            (&["--log.level=loud"], "invalid value 'loud' for '--log.level <LEVEL>'"),
            (&["--tcp.idle-timeout=5"], "invalid value '5' for '--tcp.idle-timeout <DURATION>': "),
            (&["--state.interval=999ms"], "invalid value '999ms' for '--state.interval <DURATION>': expected at least 1s"),
            (&["--limits.series=0"], "invalid value '0' for '--limits.series <N>': "),
            (&["dance"], "there is no subcommand \"dance\" (there are check, demo, explain, healthcheck, preset, replay, top;"),
            (&["explian", "a:1|c"], "there is no subcommand \"explian\"; did you mean explain? (there are check, "),
            (&["Demo"], "there is no subcommand \"Demo\"; did you mean demo? ("),
            (&["help"], "there is no subcommand \"help\"; did you mean --help? ("),
            (&["--log.level=debug", "explain", "a:1|c"], "explain must be the first argument, in front of all flags"),
            (&["--log.level=debug", "top"], "top must be the first argument, in front of all flags"),
            (&["--log.level=debug", "heathcheck"], "there is no subcommand \"heathcheck\"; did you mean healthcheck? ("),
            (&["replay"], "the following required arguments were not provided: <CAPTURE>..."),
            (&["preset"], "preset: say list, or show NAME"),
            (&["demo", "more"], "unexpected argument 'more' found"),
            (&["--no-such-flag", "check"], "unexpected argument '--no-such-flag' found"),
            (&["--statsd.histogram-buckets=1,x"], "invalid value 'x' for '--statsd.histogram-buckets <BOUNDS>': expected a number such as"),
            (&["--label=a=b,c"], r"invalid value 'c' for '--label <NAME=VALUE>': expected NAME=VALUE; a comma in a value is written \,"),
        ] {
            let line = usage(arguments);
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        }
    }
}
