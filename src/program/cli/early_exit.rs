//! Why the command line leaves the program nothing to do: help, version, or wrong usage in one line.
//!
//! Must not know any flag, and must not print.

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};

use crate::mapping::config::nearest::nearest;
use crate::program::flag_names::variable;

/// All that the first argument may ask for.
const SUBCOMMANDS: [&str; 7] = ["check", "demo", "explain", "healthcheck", "preset", "replay", "top"];

/// Those of them that have flags of their own, and so must stand in front of them.
const TOOLS: [&str; 5] = ["check", "explain", "preset", "replay", "top"];

/// What clap calls the subcommand of the bridge itself.
const TASK: &str = "[TASK]";

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum EarlyExit {
    /// Help or version was asked for: the text, for stdout.
    Help(String),
    /// Wrong usage: one line, for stderr.
    Usage(String),
}

/// clap's message about these arguments in one line, without its usage; help and version as they are.
pub(super) fn early_exit(error: &clap::Error, arguments: &[OsString]) -> EarlyExit {
    let text = error.to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return EarlyExit::Help(text);
    }
    if let Some(line) = misplaced(error, arguments).or_else(|| stray_subcommand(error)) {
        return EarlyExit::Usage(line);
    }
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let line = words.join("; ").replace(":; ", ": ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    EarlyExit::Usage(of_variable(error, arguments, line).unwrap_or_else(|| line.to_owned()))
}

/// What the error says of its argument, such as `--log.level <LEVEL>`.
fn context(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    error.get(kind).and_then(|value| if let clap::error::ContextValue::String(text) = value { Some(&**text) } else { None })
}

/// The line with the variable in place of the flag, where the flag was not typed and the variable is set.
fn of_variable(error: &clap::Error, arguments: &[OsString], line: &str) -> Option<String> {
    let shown = context(error, ContextKind::InvalidArg)?;
    let flag = shown.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let is_typed = |argument: &OsString| {
        let rest = argument.to_str().and_then(|text| text.strip_prefix("--")?.strip_prefix(flag));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let variable = variable(flag);
    let is_set = std::env::var_os(&variable).is_some();
    (is_set && !arguments.iter().any(is_typed)).then(|| line.replace(&format!("'{shown}'"), &variable))
}

/// A tool that stands behind a flag.
fn misplaced(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    // A word that is no flag and has no place: the tool itself, or what stands behind it.
    let is_stray = match error.kind() {
        ErrorKind::InvalidValue => context(error, ContextKind::InvalidArg) == Some(TASK),
        ErrorKind::UnknownArgument => !context(error, ContextKind::InvalidArg)?.starts_with('-'),
        _ => false,
    };
    let tool = arguments.get(2..)?.iter().find_map(|argument| TOOLS.into_iter().find(|tool| argument == tool))?;
    is_stray.then(|| format!("{tool} must be the first argument, in front of all flags"))
}

/// A subcommand behind flags that is none.
fn stray_subcommand(error: &clap::Error) -> Option<String> {
    let is_task = error.kind() == ErrorKind::InvalidValue && context(error, ContextKind::InvalidArg) == Some(TASK);
    is_task.then(|| context(error, ContextKind::InvalidValue)).flatten().map(no_subcommand)
}

/// A first argument that is neither a flag nor a subcommand, whatever stands behind it.
pub(super) fn unknown_subcommand(arguments: &[OsString]) -> Option<EarlyExit> {
    let first = arguments.get(1)?.to_string_lossy();
    let is_known = first.starts_with('-') || SUBCOMMANDS.contains(&&*first);
    (!is_known).then(|| EarlyExit::Usage(no_subcommand(&first)))
}

fn no_subcommand(given: &str) -> String {
    let meant = match given {
        "help" | "version" => Some(format!("--{given}")),
        _ => nearest(given, SUBCOMMANDS.into_iter()).map(str::to_owned),
    };
    let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("there is no subcommand {given:?}{meant} (there are {}; without one the bridge runs)", SUBCOMMANDS.join(", "))
}
