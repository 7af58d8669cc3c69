//! The command lines of the tools: `check`, `explain`, `replay`, `push`, `rules` and `preset` as the first argument.
//!
//! The bridge's flags that change the result of a line work here too, with their environment variables. The same code parses them.
//! Must not run a tool.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};

use super::conversion;
use super::early_exit::{EarlyExit, early_exit};
use super::flags::{command, ids_and_flags, parse_args, without_negation};
use super::rules_args::{RulesArgs, RulesWanted};
use crate::options::Options;
use crate::program::push::PushOptions;
use crate::program::rulebook::Sources;
use crate::program::settings::Settings;

/// The headings of the flags that tools share with the bridge.
const SHARED: [&str; 4] = ["Wire", "Mapping", "Limits", "Compatibility"];

/// A shared flag under another heading. It decides which names rules may use.
const SHARED_FLAG: &str = "web.process-metrics";

/// A tool and its arguments.
#[derive(Debug, Clone)]
pub enum Tool {
    /// `check`.
    Check {
        /// The rules to check.
        sources: Sources,
        /// The options of the bridge that would use the rules.
        options: Box<Options>,
        /// The format of the output.
        format: AnswerFormat,
        /// Whether warnings cause exit code 1.
        strict: bool,
    },
    /// `explain`.
    Explain(Box<Explain>),
    /// `replay`.
    Replay(Box<Replay>),
    /// `push --once`.
    PushOnce(Box<PushOnce>),
    /// `rules`.
    Rules(Box<RulesWanted>),
    /// `preset list`.
    PresetList,
    /// `preset show`.
    PresetShow(String),
}

/// The arguments of `explain`.
#[derive(Debug, Clone)]
pub struct Explain {
    /// The lines to explain.
    pub lines: Vec<String>,
    /// The rules.
    pub sources: Sources,
    /// The options of the bridge.
    pub options: Options,
    /// The format of the output.
    pub format: AnswerFormat,
    /// Show all rules that were tried.
    pub all: bool,
}

/// The arguments of `replay`.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Files of lines, or network captures; `-` is stdin.
    pub captures: Vec<PathBuf>,
    /// The rules.
    pub sources: Sources,
    /// The old rules to compare with.
    pub against: Option<Sources>,
    /// The options of the bridge.
    pub options: Options,
    /// The format of the output.
    pub format: AnswerFormat,
    /// Include self-metrics.
    pub own: bool,
    /// Show all differences and all unmapped names.
    pub all: bool,
    /// Only UDP datagrams to this port.
    pub port: Option<u16>,
}

/// The arguments of `push --once`.
#[derive(Debug, Clone)]
pub struct PushOnce {
    /// Files of lines; `-` is stdin.
    pub files: Vec<PathBuf>,
    /// The rules.
    pub sources: Sources,
    /// The options of the bridge.
    pub options: Options,
    /// The receivers.
    pub push: PushOptions,
}

/// The format of a tool's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AnswerFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// Check mapping files.
///
/// Exit code 0: no problems, or notes only; 1: errors; 3: warnings.
#[derive(Debug, Parser)]
#[command(name = "statsd-bridge check", bin_name = "statsd-bridge check", max_term_width = 120)]
struct CheckArgs {
    /// Mapping files, or folders of mapping files.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Exit with 1 if there are warnings.
    #[arg(long)]
    strict: bool,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "text")]
    format: AnswerFormat,
}

/// Show how lines become series, and why.
///
/// The output has the parsed line, the rules that were tried, and the exposition.
#[derive(Debug, Parser)]
#[command(name = "statsd-bridge explain", bin_name = "statsd-bridge explain", max_term_width = 120)]
struct ExplainArgs {
    /// Lines as clients send them, such as 'app.requests:1|c|#env:prod'.
    ///
    /// One bridge receives all lines, in this order.
    #[arg(value_name = "LINE", required = true)]
    lines: Vec<String>,
    /// Mapping file, or folder of mapping files; repeatable.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Show all rules that were tried, not only the nearest 20.
    #[arg(long)]
    all: bool,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "text")]
    format: AnswerFormat,
}

/// Print the exposition of a capture.
///
/// The exposition is written to stdout. Totals and unmapped names are written to stderr.
///
/// Exit code 0: success; 1: a file is unusable, or the output cannot be written; 3: --against finds a difference.
#[derive(Debug, Parser)]
#[command(name = "statsd-bridge replay", bin_name = "statsd-bridge replay", max_term_width = 120)]
struct ReplayArgs {
    /// Files of lines, or network captures (pcap, pcapng); - for stdin.
    ///
    /// The UDP datagrams of a network capture are read.
    #[arg(value_name = "CAPTURE", required = true)]
    captures: Vec<PathBuf>,
    /// Mapping file, or folder of mapping files; repeatable.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Mapping file to compare with; "" for no rules.
    ///
    /// The output is the difference instead of the exposition.
    #[arg(long, value_name = "OLD", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    against: Vec<PathBuf>,
    /// Include self-metrics.
    #[arg(long)]
    own: bool,
    /// Show all differences and all unmapped names, not only the first 20.
    #[arg(long)]
    all: bool,
    /// UDP port of the datagrams to read from a network capture.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "text")]
    format: AnswerFormat,
}

/// Push the series of lines once, for batch jobs.
///
/// All lines are recorded first. Then their series are sent to each --push.url and each target of --push.config.file, and sent again
/// until the receiver has decided or --push.timeout is over. `up` and self-metrics are not sent.
///
/// Exit code 0: every sample was written; 1: not every sample, with the receiver's answer on stderr.
#[derive(Debug, Parser)]
#[command(name = "statsd-bridge push", bin_name = "statsd-bridge push", max_term_width = 120)]
struct PushArgs {
    /// Push once and exit. To push at intervals, run the bridge with --push.url.
    #[arg(long, required = true)]
    once: bool,
    /// Files of lines; - for stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// List or print the built-in presets.
#[derive(Debug, Parser)]
#[command(name = "statsd-bridge preset", bin_name = "statsd-bridge preset", max_term_width = 120)]
enum PresetArgs {
    /// List the names of all presets.
    List,
    /// Print the mapping file of a preset.
    Show {
        /// A name that `list` prints.
        name: String,
    },
}

/// Parses the command line of a tool; `None` if the first argument is not a tool.
pub(super) fn parse(arguments: &[OsString]) -> Option<Result<Tool, EarlyExit>> {
    let (_, rest) = arguments.split_first()?;
    Some(match rest.first()?.to_str()? {
        "check" => check(rest),
        "explain" => explain(rest),
        "replay" => replay(rest),
        "preset" => preset(rest),
        "push" => push(rest),
        "rules" => rules(rest),
        _ => return None,
    })
}

fn check(arguments: &[OsString]) -> Result<Tool, EarlyExit> {
    let (args, settings) = read::<CheckArgs>(arguments)?;
    let sources = with_files(settings.mapping, args.files);
    if sources.paths.is_empty() && sources.presets.is_empty() {
        return Err(EarlyExit::Usage("check: expected a mapping file, or a preset with --preset".to_owned()));
    }
    Ok(Tool::Check { sources, options: Box::new(settings.bridge), format: args.format, strict: args.strict })
}

fn explain(arguments: &[OsString]) -> Result<Tool, EarlyExit> {
    let (args, settings) = read::<ExplainArgs>(arguments)?;
    let sources = with_files(settings.mapping, args.config);
    Ok(Tool::Explain(Box::new(Explain { lines: args.lines, sources, options: settings.bridge, format: args.format, all: args.all })))
}

fn replay(arguments: &[OsString]) -> Result<Tool, EarlyExit> {
    let (args, settings) = read::<ReplayArgs>(arguments)?;
    let named = |path: &PathBuf| !path.as_os_str().is_empty();
    let (labels, names) = (settings.mapping.labels.clone(), settings.mapping.names);
    let against = (!args.against.is_empty()).then(|| Sources {
        paths: args.against.into_iter().filter(named).collect(),
        presets: Vec::new(),
        labels,
        names,
    });
    Ok(Tool::Replay(Box::new(Replay {
        captures: args.captures,
        sources: with_files(settings.mapping, args.config),
        against,
        options: settings.bridge,
        format: args.format,
        own: args.own,
        all: args.all,
        port: args.port,
    })))
}

fn push(arguments: &[OsString]) -> Result<Tool, EarlyExit> {
    let (PushArgs { files, once: _ }, settings) = read_with::<PushArgs>(arguments, &[&SHARED[..], &["Push"]].concat())?;
    Ok(Tool::PushOnce(Box::new(PushOnce { files, sources: settings.mapping, options: settings.bridge, push: settings.push })))
}

fn rules(arguments: &[OsString]) -> Result<Tool, EarlyExit> {
    let (mut args, settings) = read::<RulesArgs>(arguments)?;
    let sources = with_files(settings.mapping, std::mem::take(&mut args.files));
    if sources.paths.is_empty() && sources.presets.is_empty() {
        return Err(EarlyExit::Usage("rules: expected a mapping file, or a preset with --preset".to_owned()));
    }
    Ok(Tool::Rules(Box::new(RulesWanted { sources, options: settings.bridge, form: args.form() })))
}

fn preset(arguments: &[OsString]) -> Result<Tool, EarlyExit> {
    if arguments.len() == 1 {
        return Err(EarlyExit::Usage("preset: expected list, or show NAME".to_owned()));
    }
    match PresetArgs::try_parse_from(arguments).map_err(|error| early_exit(&error, arguments))? {
        PresetArgs::List => Ok(Tool::PresetList),
        PresetArgs::Show { name } => Ok(Tool::PresetShow(name)),
    }
}

/// Files in the tool's arguments replace those of the bridge's flags and variables.
fn with_files(sources: Sources, files: Vec<PathBuf>) -> Sources {
    if files.is_empty() { sources } else { Sources { paths: files, ..sources } }
}

/// Parses the tool's own arguments, and the settings from the shared flags.
fn read<T: CommandFactory + FromArgMatches>(arguments: &[OsString]) -> Result<(T, Settings), EarlyExit> {
    read_with(arguments, &SHARED)
}

/// Parses the tool's own arguments, and the settings from the flags under these headings.
fn read_with<T: CommandFactory + FromArgMatches>(arguments: &[OsString], headings: &[&str]) -> Result<(T, Settings), EarlyExit> {
    let bridge = command();
    let shared: Vec<Arg> = bridge.get_arguments().filter(|arg| is_shared(arg, headings)).cloned().collect();
    let ids = ids_and_flags(shared.iter());
    let tool = T::command().args_override_self(true).args(shared.into_iter().map(|arg| arg.hide(true))).after_help(format!(
        "The bridge's flags under {}, and --web.process-metrics, also apply: see statsd-bridge --help.",
        listed(headings)
    ));
    let given = arguments.iter().cloned().map(|argument| without_negation(argument, &bridge));
    let matches = tool.try_get_matches_from(given).map_err(|error| early_exit(&error, arguments))?;
    let own = T::from_arg_matches(&matches).map_err(|error| early_exit(&error, arguments))?;
    let (args, names, _) = parse_args(shared_arguments(&matches, &ids))?;
    let settings = conversion::settings(&args, &names).map_err(EarlyExit::Usage)?;
    Ok((own, settings))
}

/// The names in a sentence: `A, B and C`.
fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.join(""),
    }
}

fn is_shared(arg: &Arg, headings: &[&str]) -> bool {
    let is_shared = arg.get_help_heading().is_some_and(|heading| headings.contains(&heading)) || arg.get_long() == Some(SHARED_FLAG);
    is_shared && arg.get_action().takes_values()
}

/// The shared flags as typed, as arguments for the bridge's own parser, which also reads the environment.
fn shared_arguments(matches: &ArgMatches, ids: &[(String, String)]) -> Vec<OsString> {
    let mut flags = vec![OsString::from("statsd-bridge")];
    for (id, long) in ids.iter().filter(|(id, _)| matches.value_source(id) == Some(ValueSource::CommandLine)) {
        for value in matches.get_raw(id).into_iter().flatten() {
            flags.push([OsStr::new("--"), OsStr::new(long), OsStr::new("="), value].into_iter().collect());
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Buckets, Observer, Prefix};

    fn tool(arguments: &[&str]) -> Result<Tool, EarlyExit> {
        let arguments: Vec<OsString> = std::iter::once(&"statsd-bridge").chain(arguments).map(OsString::from).collect();
        parse(&arguments).expect("a tool")
    }

    #[test]
    fn the_commands_are_sound() {
        for command in [CheckArgs::command(), ExplainArgs::command(), ReplayArgs::command(), PresetArgs::command(), PushArgs::command()] {
            command.debug_assert();
        }
    }

    #[test]
    fn tools_accept_shared_flags() {
        let asked = ["explain", "a:1|c", "x:1|c", "--config=m.yml", "--compat=statsd_exporter", "--no-statsd.parse-influxdb-tags"];
        let more =
            ["--statsd.observer-type=histogram", "--statsd.histogram-buckets=1,2", "--label", "a=b", "--label=c=d", "--limits.tags=7"];
        let Ok(Tool::Explain(explain)) = tool(&[&asked[..], &more].concat()) else { panic!("explain") };
        assert_eq!(explain.lines, ["a:1|c", "x:1|c"]);
        assert_eq!((explain.options.prefix, explain.options.limits.tags), (Prefix::Exporter, 7));
        assert!(!explain.options.dialect.influxdb_tags && explain.options.dialect.librato_tags);
        assert_eq!(explain.options.observer, Observer::histogram(Buckets::new([1.0, 2.0]).unwrap()));
        assert_eq!(explain.sources.paths, [PathBuf::from("m.yml")]);
        assert_eq!(explain.sources.labels, [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())]);
    }

    #[test]
    fn wrong_usage_is_one_clear_line() {
        for (arguments, expected) in [
            (&["check"][..], "check: expected a mapping file"),
            (&["check", "a.yml", "--format=xml"], "invalid value 'xml' for '--format <FORMAT>'"),
            (&["check", "a.yml", "--statsd.listen-udp=:1"], "unexpected argument '--statsd.listen-udp'"),
            (&["rules"], "rules: expected a mapping file"),
            (&["rules", "a.yml", "--window=5"], "invalid value '5' for '--window <DURATION>'"),
            (&["explain"], "the following required arguments were not provided"),
            (&["preset", "show"], "the following required arguments were not provided"),
        ] {
            let Err(EarlyExit::Usage(line)) = tool(arguments) else { panic!("{arguments:?}") };
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        }
        assert!(matches!(tool(&["replay", "--help"]), Err(EarlyExit::Help(text)) if text.contains("--against")));
    }
}
