//! Command lines that run nothing: help, version, and wrong usage in one line.
//!
//! Must not know any flag. Must not print.

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};

use crate::mapping::config::nearest::nearest;
use crate::program::flag_names::variable;
use crate::program::flag_values::without_secrets;

/// All subcommands.
const SUBCOMMANDS: [&str; 12] =
    ["capture", "check", "demo", "doctor", "explain", "healthcheck", "preset", "push", "replay", "rules", "tail", "top"];

/// The subcommands with their own flags. They must be the first argument.
const TOOLS: [&str; 10] = ["capture", "check", "doctor", "explain", "preset", "push", "replay", "rules", "tail", "top"];

/// clap's name for the argument that selects `demo` or `healthcheck`.
const TASK: &str = "[TASK]";

/// The reason to exit without running anything.
#[derive(Debug, PartialEq, Eq)]
pub enum EarlyExit {
    /// The user asked for help or version. The text is for stdout.
    Help(String),
    /// Wrong usage. The line is for stderr.
    Usage(String),
}

/// Shortens clap's error message to one line without the usage. Help and version are not changed.
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
    let line = hide_secrets(error, line);
    EarlyExit::Usage(name_variable(error, arguments, &line).unwrap_or(line))
}

/// The line without the secrets of the wrong value: standard error often ends in a log that others read.
fn hide_secrets(error: &clap::Error, line: &str) -> String {
    let (Some(flag), Some(value)) = (flag_of(error), context(error, ContextKind::InvalidValue)) else { return line.to_owned() };
    line.replace(&format!("'{value}'"), &format!("'{}'", without_secrets(flag, value)))
}

/// The flag of a wrong value, without its dashes.
fn flag_of(error: &clap::Error) -> Option<&str> {
    context(error, ContextKind::InvalidArg)?.strip_prefix("--")?.split([' ', '=', '[']).next()
}

/// A text of the error's context, such as `--log.level <LEVEL>`.
fn context(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    error.get(kind).and_then(|value| if let clap::error::ContextValue::String(text) = value { Some(&**text) } else { None })
}

/// The line with the environment variable in place of the flag, if the value comes from the variable.
fn name_variable(error: &clap::Error, arguments: &[OsString], line: &str) -> Option<String> {
    let (shown, flag) = (context(error, ContextKind::InvalidArg)?, flag_of(error)?);
    let is_typed = |argument: &OsString| {
        let rest = argument.to_str().and_then(|text| text.strip_prefix("--")?.strip_prefix(flag));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let variable = variable(flag);
    let is_set = std::env::var_os(&variable).is_some();
    (is_set && !arguments.iter().any(is_typed)).then(|| line.replace(&format!("'{shown}'"), &variable))
}

/// The error for a tool that is not the first argument.
fn misplaced(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    // clap rejects the tool's name, or an argument after it, as a word without a flag.
    let is_stray = match error.kind() {
        ErrorKind::InvalidValue => context(error, ContextKind::InvalidArg) == Some(TASK),
        ErrorKind::UnknownArgument => !context(error, ContextKind::InvalidArg)?.starts_with('-'),
        _ => false,
    };
    let tool = arguments.get(2..)?.iter().find_map(|argument| TOOLS.into_iter().find(|tool| argument == tool))?;
    is_stray.then(|| format!("{tool} must be the first argument, before all flags"))
}

/// The error for an unknown subcommand after flags.
fn stray_subcommand(error: &clap::Error) -> Option<String> {
    let is_task = error.kind() == ErrorKind::InvalidValue && context(error, ContextKind::InvalidArg) == Some(TASK);
    is_task.then(|| context(error, ContextKind::InvalidValue)).flatten().map(unknown_subcommand_line)
}

/// The error for a first argument that is neither a flag nor a subcommand.
pub(super) fn unknown_subcommand(arguments: &[OsString]) -> Option<EarlyExit> {
    let first = arguments.get(1)?.to_string_lossy();
    let is_known = first.starts_with('-') || SUBCOMMANDS.contains(&&*first);
    (!is_known).then(|| EarlyExit::Usage(unknown_subcommand_line(&first)))
}

fn unknown_subcommand_line(given: &str) -> String {
    let meant = match given {
        "help" | "version" => Some(format!("--{given}")),
        _ => nearest(given, SUBCOMMANDS.into_iter()).map(str::to_owned),
    };
    let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("unknown subcommand {given:?}{meant} (subcommands: {}; without one the bridge runs)", SUBCOMMANDS.join(", "))
}
