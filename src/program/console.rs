//! Prints one line for whoever started the program, and gives the exit code that goes with it. Must not know what the line
//! means.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// To stdout. That nobody reads it is no reason to end.
pub(super) fn say(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// To stdout, at the start of a program that goes on. Where nobody reads stdout, it goes on after this time.
pub(super) fn say_within(text: String, at_most: Duration) {
    let (said, done) = mpsc::channel();
    let saying = thread::Builder::new().spawn(move || {
        say(&text);
        let _ = said.send(());
    });
    if saying.is_ok() {
        let _ = done.recv_timeout(at_most);
    }
}

/// To stderr: the program goes on.
pub(super) fn warn(what: &str) {
    let _ = writeln!(io::stderr(), "statsd-bridge: warning: {what}");
}

/// To stderr, after the name of the program.
pub(super) fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "statsd-bridge: {why}");
    ExitCode::from(code)
}
