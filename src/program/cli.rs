//! The command line: arguments and environment become an [`Invocation`].
//!
//! ```text
//! args        the flags as the user types them
//! flags       the flags as one clap command, with environment variables, `--no-` forms and the help
//! in_force    value, default and origin of each flag, for reports
//! conversion  flags to settings
//! tool_args   the command lines of check, explain, replay, push and preset; rules_args: that of rules
//! top_args, tail_args, doctor_args, reach_args  the command lines of top, tail, capture and doctor, and the flags that they share
//! early_exit  help, version and wrong usage
//! ```
//! Must not open a socket, read a mapping file or print anything.

mod address_advice;
mod args;
mod conversion;
mod doctor_args;
mod early_exit;
mod environment;
mod flags;
mod in_force;
mod reach_args;
mod rules_args;
mod tail_args;
mod tool_args;
mod top_args;

use std::ffi::OsString;
use std::path::PathBuf;

use self::args::Task;
pub use self::doctor_args::Doctor;
pub use self::early_exit::EarlyExit;
use self::early_exit::unknown_subcommand;
use self::flags::parse_args;
pub use self::reach_args::Reach;
pub use self::rules_args::{GaugeChoice, RulesForm, RulesFormat, RulesWanted, UntypedChoice};
pub use self::tail_args::{Capture, LineFilter, Tail, Watching};
pub use self::tool_args::{AnswerFormat, Explain, PushOnce, Replay, Tool};
pub use self::top_args::{TABS, Top};
use crate::program::net::WebAddress;
use crate::program::settings::Settings;

/// The task that the command line selects.
#[derive(Debug)]
pub enum Invocation {
    /// Run the bridge.
    Run(Box<Settings>),
    /// Run the bridge and send it the examples of a folder.
    Demo(Box<Settings>, PathBuf),
    /// Ask a bridge whether it is ready.
    Healthcheck {
        /// The bridge's HTTP address.
        address: WebAddress,
        /// The web configuration file of the bridge.
        web_config: Option<PathBuf>,
    },
    /// Check the configuration. The flags are valid already.
    CheckConfig(Box<Settings>),
    /// Answer a question about rules.
    Tool(Box<Tool>),
    /// Show what takes the memory of a running bridge.
    Top(Box<Top>),
    /// Show or keep lines as they arrive.
    Watch(Box<Watching>),
    /// Say why samples do not arrive.
    Doctor(Box<Doctor>),
}

/// Parses the command line, which starts with the program's name, and the environment.
///
/// # Errors
///
/// The text to print before the program exits: help, version, or one line about wrong usage.
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
    if let Some(watching) = tail_args::parse(&arguments) {
        return watching.map(|watching| Invocation::Watch(Box::new(watching)));
    }
    if let Some(doctor) = doctor_args::parse(&arguments) {
        return doctor.map(|doctor| Invocation::Doctor(Box::new(doctor)));
    }
    let (args, names, flags) = parse_args(arguments)?;
    let mut settings = conversion::settings(&args, &names).map_err(EarlyExit::Usage)?;
    settings.unknown_variables = unknown_variables();
    settings.flags = flags;
    if args.program.check_config {
        return Ok(Invocation::CheckConfig(Box::new(settings)));
    }
    Ok(match args.task {
        None => Invocation::Run(Box::new(settings)),
        Some(Task::Demo) => Invocation::Demo(Box::new(settings), args.program.examples),
        Some(Task::Healthcheck) => match settings.web.into_iter().min_by_key(|address| !matches!(address, WebAddress::Tcp(_))) {
            Some(address) => Invocation::Healthcheck { address, web_config: settings.web_config },
            None => {
                let flag = settings.flag_names.of("web.listen-address");
                return Err(EarlyExit::Usage(format!("healthcheck: {flag} names no address")));
            }
        },
    })
}

/// A warning for each environment variable that has the bridge's prefix and belongs to no flag.
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
    fn wrong_values_are_shown_without_secrets() {
        for arguments in [
            &["--push.header=Authorization=Bearer s3cret"][..],
            &["--push.header", "s3cret"],
            &["--push.header=X-Scope-OrgID=a,Host=s3cret"],
            &["--push.url=http://user:s3cret@host/write"],
            &["--push.url=htp://host/write?token=s3cret"],
            &["--statsd.relay-address=user:s3cret@host"],
            &["--log.level=token=s3cret"],
            &["top", "--url=https://user:s3cret@host"],
            &["doctor", "--url=htp://user:s3cret@host"],
        ] {
            let line = usage(arguments);
            assert!(!line.contains("s3cret"), "{arguments:?}: {line}");
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
            (
                &["dance"],
                "unknown subcommand \"dance\" (subcommands: capture, check, demo, doctor, explain, healthcheck, preset, push, replay, rules, tail, top;",
            ),
            (&["explian", "a:1|c"], "unknown subcommand \"explian\"; did you mean explain? (subcommands: capture, "),
            (&["Demo"], "unknown subcommand \"Demo\"; did you mean demo? ("),
            (&["help"], "unknown subcommand \"help\"; did you mean --help? ("),
            (&["--log.level=debug", "explain", "a:1|c"], "explain must be the first argument, before all flags"),
            (&["--log.level=debug", "top"], "top must be the first argument, before all flags"),
            (&["--log.level=debug", "heathcheck"], "unknown subcommand \"heathcheck\"; did you mean healthcheck? ("),
            (&["replay"], "the following required arguments were not provided: <CAPTURE>..."),
            (&["preset"], "preset: expected list, or show NAME"),
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
