//! The flags in force, from what clap parsed: value, default and origin. Must not know the settings that are built from flags.

use std::any::TypeId;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::program::flag_values::{FlagValue, Origin, without_secrets};

/// All flags that have an environment variable, in the order of the help.
pub(super) fn in_force(matches: &ArgMatches, command: &Command) -> Vec<FlagValue> {
    let is_compatible = matches.value_source("compat").is_some();
    let flags = command.get_arguments().filter(|arg| arg.get_env().is_some());
    flags.filter_map(|arg| Some(flag(matches, arg, arg.get_long()?, is_compatible))).collect()
}

/// Whether a flag has a BOOL.
pub(super) fn takes_bool(arg: &Arg) -> bool {
    arg.get_action().takes_values() && arg.get_value_parser().type_id() == TypeId::of::<bool>()
}

fn flag(matches: &ArgMatches, arg: &Arg, name: &str, is_compatible: bool) -> FlagValue {
    let id = arg.get_id().as_str();
    let source = matches.value_source(id).filter(|source| *source != ValueSource::DefaultValue);
    let default = default_of(arg);
    let of_compat = if is_compatible { after(&help(arg), "With --compat, the default is ") } else { None };
    let (value, origin) = match (source, of_compat) {
        (Some(ValueSource::EnvVariable), _) => (given(matches, arg, id), Origin::Environment),
        (Some(_), _) => (given(matches, arg, id), Origin::CommandLine),
        (None, Some(value)) if value != default => (value, Origin::Compat),
        (None, _) => (default.clone(), Origin::Default),
    };
    FlagValue {
        flag: name.to_owned(),
        heading: arg.get_help_heading().unwrap_or_default().to_owned(),
        help: arg.get_help().map(|help| help.to_string()).unwrap_or_default(),
        value: without_secrets(name, &value),
        default: without_secrets(name, &default),
        origin,
        note: String::new(),
    }
}

/// The value as given. Those of a BOOL flag have one form.
fn given(matches: &ArgMatches, arg: &Arg, id: &str) -> String {
    if takes_bool(arg) {
        return matches.get_one::<bool>(id).map(ToString::to_string).unwrap_or_default();
    }
    let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
    values.collect::<Vec<_>>().join(",")
}

/// The default that clap has, or that the help states for a flag whose default depends on others.
fn default_of(arg: &Arg) -> String {
    let known = arg.get_default_values();
    if !known.is_empty() {
        return known.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
    }
    let help = help(arg);
    let in_brackets = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']')).map(|(value, _)| value.to_owned());
    in_brackets.or_else(|| after(&help, "Default: ")).unwrap_or_default()
}

fn help(arg: &Arg) -> String {
    arg.get_long_help().or_else(|| arg.get_help()).map(|help| help.to_string()).unwrap_or_default()
}

/// What the help says after these words, until the end of the sentence or a semicolon.
fn after(help: &str, words: &str) -> Option<String> {
    let (_, rest) = help.split_once(words)?;
    let end = rest.char_indices().find(|(at, c)| {
        let next = rest.get(at + 1..).and_then(|rest| rest.chars().next());
        *c == ';' || *c == '.' && next.is_none_or(char::is_whitespace)
    });
    Some(rest.get(..end.map_or(rest.len(), |(at, _)| at)).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::cli::flags::{command, parse_args};

    fn values(arguments: &[&str]) -> Vec<FlagValue> {
        parse_args(std::iter::once("statsd-bridge").chain(arguments.iter().copied()).map(Into::into)).expect("valid").2
    }

    fn of<'a>(values: &'a [FlagValue], flag: &str) -> &'a FlagValue {
        values.iter().find(|value| value.flag == flag).unwrap_or_else(|| panic!("{flag}"))
    }

    #[test]
    fn each_flag_has_its_value_and_origin() {
        let values = values(&[
            "--no-statsd.parse-influxdb-tags",
            "--limits.series=5",
            "--limits.series=7",
            "--statsd.listen-udp=:1",
            "--statsd.listen-udp=:2,:3",
            "--push.url=http://h/w?token=s3cret",
            "--push.header=X-Scope-OrgID=s3cret",
        ]);
        for (flag, value, default, origin) in [
            ("statsd.parse-influxdb-tags", "false", "true", Origin::CommandLine),
            ("statsd.parse-graphite-tags", "true", "true", Origin::Default),
            ("limits.series", "7", "200000", Origin::CommandLine),
            ("statsd.listen-udp", ":1,:2,:3", ":9125", Origin::CommandLine),
            ("push.url", "http://h/w?<secret>", "", Origin::CommandLine),
            ("push.header", "<secret>", "", Origin::CommandLine),
            ("push.interval", "15s", "15s", Origin::Default),
            (
                "statsd.histogram-buckets",
                "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10",
                "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10",
                Origin::Default,
            ),
            ("limits.sample-value", "1e15", "1e15", Origin::Default),
            ("udp.nap", "200us to 1ms", "200us to 1ms", Origin::Default),
        ] {
            let found = of(&values, flag);
            assert_eq!((&*found.value, &*found.default, found.origin), (value, default, origin), "{flag}");
            assert!(!found.heading.is_empty() && !found.help.is_empty(), "{flag}");
        }
        assert_eq!(of(&values, "limits.series").set_by(), "--limits.series");
        assert_eq!(values.len(), command().get_arguments().filter(|arg| arg.get_env().is_some()).count());
    }

    #[test]
    fn compat_changes_defaults() {
        let values = values(&["--compat=statsd_exporter", "--statsd.bare-tags"]);
        for (flag, value) in [
            ("statsd.parse-graphite-tags", "false"),
            ("statsd.container-id", "true"),
            ("statsd.parse-meters", "false"),
            ("statsd.parse-key-values", "false"),
            ("statsd.parse-service-checks", "false"),
            ("statsd.parse-events", "false"),
            ("statsd.observer-type", "summary"),
            ("limits.sample-value", "inf"),
            ("web.openmetrics", "never"),
        ] {
            assert_eq!((&*of(&values, flag).value, of(&values, flag).origin), (value, Origin::Compat), "{flag}");
        }
        assert_eq!((&*of(&values, "statsd.bare-tags").value, of(&values, "statsd.bare-tags").origin), ("true", Origin::CommandLine));
    }
}
