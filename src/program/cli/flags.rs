//! The bridge's flags as one clap command. Every flag has an environment variable, and every BOOL flag a `--no-` form.
//!
//! Must not know the settings that are built from flags.

use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::args::Args;
use super::early_exit::{EarlyExit, early_exit};
use super::in_force::{in_force, takes_bool};
use crate::program::flag_names::{FlagNames, variable};
use crate::program::flag_values::FlagValue;
use crate::program::version::version;

/// The tools, at the end of the program's help.
const TOOLS: &str = "Tools, each with its own --help:
  statsd-bridge check FILE...            check mapping files
  statsd-bridge explain LINE...          show how lines become series, and why
  statsd-bridge replay CAPTURE...        print a capture's exposition, or compare two rule sets
  statsd-bridge push --once FILE...      push the series of lines once, for batch jobs
  statsd-bridge rules MAPPING...         print rules that add up the series of many bridges
  statsd-bridge preset list | show NAME  list the built-in presets, or print one of them
  statsd-bridge top                      show what uses most of a running bridge
  statsd-bridge tail PATTERN             show lines as they arrive at a running bridge
  statsd-bridge capture -o FILE          write them to a file, for replay
  statsd-bridge doctor [ADDRESS]...      send probes, and say why any do not arrive";

/// The forms of flags, at the end of the program's help.
const FORMS: &str = "\
Every flag has an environment variable: STATSD_BRIDGE_ and the flag's name in capitals, with dots and dashes as underscores \
(STATSD_BRIDGE_STATSD_LISTEN_UDP). A flag overrides its variable. An unknown variable logs a warning.
A repeatable flag and its variable also accept a list: A,B. Write a comma within an item as \\,. An empty value, \"\", is an empty list.
--FLAG switches a BOOL flag on, --no-FLAG switches it off.";

/// Parses the bridge's flags. The result names the flags whose values come from environment variables.
/// Also returns all flags in force.
pub(super) fn parse_args(arguments: impl IntoIterator<Item = OsString>) -> Result<(Args, FlagNames, Vec<FlagValue>), EarlyExit> {
    let mut command = command();
    let arguments = arguments.into_iter().map(|argument| without_negation(argument, &command));
    let arguments: Vec<OsString> = arguments.collect();
    let flags: Vec<(String, String)> = ids_and_flags(command.get_arguments());
    let matches = command.try_get_matches_from_mut(&arguments).map_err(|error| early_exit(&error, &arguments))?;
    let names = flag_names(&matches, flags);
    let values = in_force(&matches, &command);
    Ok((Args::from_arg_matches(&matches).map_err(|error| early_exit(&error, &arguments))?, names, values))
}

/// clap's identifier and the name of each flag.
pub(super) fn ids_and_flags<'a>(args: impl Iterator<Item = &'a Arg>) -> Vec<(String, String)> {
    args.filter_map(|arg| Some((arg.get_id().to_string(), arg.get_long()?.to_owned()))).collect()
}

fn flag_names(matches: &ArgMatches, flags: Vec<(String, String)>) -> FlagNames {
    let from_environment = |id: &str| matches.value_source(id) == Some(ValueSource::EnvVariable);
    FlagNames::new(flags.into_iter().filter(|(id, _)| from_environment(id)).map(|(_, flag)| flag))
}

/// The names of the flags that have an environment variable, without dashes.
pub(super) fn flags_with_variable() -> Vec<String> {
    command().get_arguments().filter(|arg| arg.get_env().is_some()).filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
}

/// The clap command of the bridge, with environment variables and `--no-` forms.
pub(super) fn command() -> Command {
    Args::command().version(version()).after_help(format!("{TOOLS}\n\n{FORMS}")).mut_args(|arg| {
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
        // The end of the help explains the variables once.
        arg.env(variable(&flag)).hide_env(true)
    })
}

/// Replaces `--no-FLAG` of a BOOL flag by `--FLAG=false`.
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
    use crate::program::cli::args::all;

    fn args(arguments: &[&str]) -> Result<Args, EarlyExit> {
        parse_args(std::iter::once("statsd-bridge").chain(arguments.iter().copied()).map(OsString::from)).map(|(args, ..)| args)
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
    fn a_bool_flag_has_four_forms_and_the_last_occurrence_counts() {
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
    fn repeatable_flags_add_up_and_other_flags_take_their_last_occurrence() {
        let typed = args(&["--statsd.listen-udp=:1", "--statsd.listen-udp", "[::1]:2, 127.0.0.1:3"]).unwrap();
        assert!(all(&typed.listening.listen_udp).eq([":1", "[::1]:2", "127.0.0.1:3"]));
        let typed = args(&["--label=a=b,c=d", r"--label=e=f\,g", "--statsd.mapping-config=x.yml,y.yml", "--preset=", "--label="]).unwrap();
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(all(&typed.mapping.label).eq(&[label("a", "b"), label("c", "d"), label("e", "f,g")]));
        assert!(all(&typed.mapping.mapping_config).eq(["x.yml", "y.yml"].map(std::path::Path::new)));
        assert!(all(&args(&["--preset=", "--statsd.mapping-config="]).unwrap().mapping.preset).next().is_none());
        assert_eq!(args(&["--limits.series=1", "--limits.series=2"]).unwrap().limits.series, 2);
    }
}
