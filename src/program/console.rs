//! Prints lines to stdout and stderr, and returns their exit codes; and whether colours are wanted. Must not know what a line means.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Prints to stdout. Errors on stdout are ignored.
pub(super) fn say(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// Prints to stdout within a time limit, so that a full pipe does not stop the program.
pub(super) fn say_within(text: String, timeout: Duration) {
    let (printed, done) = mpsc::channel::<()>();
    let printing = thread::Builder::new().spawn(move || {
        say(&text);
        drop(printed);
    });
    match printing {
        // The program continues when the text is printed, and after a timeout.
        Ok(_) => drop(done.recv_timeout(timeout)),
        Err(error) => tracing::warn!(%error, "the first lines cannot be printed: no thread"),
    }
}

/// Prints a warning to stderr. Errors on stderr are ignored.
pub(super) fn warn(what: &str) {
    let _ = writeln!(io::stderr(), "statsd-bridge: warning: {what}");
}

/// Prints an error to stderr and returns its exit code. Errors on stderr are ignored.
pub(super) fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "statsd-bridge: {why}");
    ExitCode::from(code)
}

/// Whether colours are wanted: `NO_COLOR` is not set, or empty (<https://no-color.org>).
pub(super) fn has_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
