//! Why the command line leaves the program nothing to do: help, version, or wrong usage in one line.
//!
//! Must not know any flag, and must not print.

use clap::error::ErrorKind;

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum EarlyExit {
    /// Help or version was asked for: the text, for stdout.
    Help(String),
    /// Wrong usage: one line, for stderr.
    Usage(String),
}

/// clap's message in one line, without its usage; help and version as they are.
pub(super) fn early_exit(error: clap::Error) -> EarlyExit {
    let text = error.to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return EarlyExit::Help(text);
    }
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let line = words.join("; ");
    EarlyExit::Usage(line.strip_prefix("error: ").unwrap_or(&line).to_owned())
}
