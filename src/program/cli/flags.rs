//! The bridge's flags as one clap command. Gives every flag its environment variable, and every flag that is on or off a `--no-`
//! twin.
//!
//! Must not know what is built from the flags.

use std::any::TypeId;
use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::args::Args;
use super::early_exit::{EarlyExit, early_exit};
use crate::program::version::version;

/// What the help of the program says of the tools.
const TOOLS: &str = "Tools, each with a --help of its own:
  statsd-bridge check FILE...               say what is wrong with mapping files
  statsd-bridge explain LINE...             say what becomes of a line, and why
  statsd-bridge replay CAPTURE...           the page of a file of lines or a pcap; --against OLD for the difference
  statsd-bridge preset list | show NAME     the presets that come with the bridge
  statsd-bridge top                         what takes the room in a running bridge, and who hit which limit; live";

/// The bridge's flags as they were typed.
pub(super) fn parse_args(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, EarlyExit> {
    let command = command();
    let arguments = arguments.into_iter().map(|argument| without_negation(argument, &command));
    let arguments: Vec<OsString> = arguments.collect();
    let matches = command.try_get_matches_from(arguments).map_err(early_exit)?;
    Args::from_arg_matches(&matches).map_err(early_exit)
}

/// The flags as clap has them, with what all of them share.
pub(super) fn command() -> Command {
    let version = version();
    let version = version.split_once(' ').map(|(_, number)| number.to_owned()).unwrap_or_default();
    let command = Args::command().version(version);
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_help(format!("{}\n\n{after}", TOOLS)).mut_args(|arg| {
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
pub(super) fn without_negation(argument: OsString, command: &Command) -> OsString {
    let Some(flag) = argument.to_str().and_then(|a| a.strip_prefix("--no-")) else { return argument };
    if command.get_arguments().any(|arg| arg.get_long() == Some(flag) && takes_bool(arg)) {
        return format!("--{flag}=false").into();
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(arguments: &[&str]) -> Result<Args, EarlyExit> {
        parse_args(std::iter::once("statsd-bridge").chain(arguments.iter().copied()).map(OsString::from))
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
        let Err(EarlyExit::Usage(line)) = args(&["--no-log.level"]) else { panic!("it takes no BOOL") };
        assert!(line.starts_with("unexpected argument '--no-log.level' found"), "{line}");
    }

    #[test]
    fn an_address_flag_may_come_often_and_other_flags_count_by_their_last() {
        let typed = args(&["--statsd.listen-udp=:1", "--statsd.listen-udp", "[::1]:2,127.0.0.1:3"]).unwrap();
        assert_eq!(typed.listening.listen_udp, [":1", "[::1]:2", "127.0.0.1:3"]);
        assert_eq!(args(&["--limits.series=1", "--limits.series=2"]).unwrap().limits.series, 2);
    }
}
