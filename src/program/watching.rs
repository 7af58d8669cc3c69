//! `statsd-bridge tail` and `statsd-bridge capture`: lines as they arrive at a running bridge, shown or written to a file.
//!
//! ```text
//! stream   asks the bridge for lines
//! shown    a line as text
//!   document  the JSON of a line
//! ```
//! Accesses the bridge only through its HTTP API.

mod document;
mod shown;
mod stream;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use self::stream::{Counts, LineStream, Message};
use crate::program::cli::{AnswerFormat, Capture, LineFilter, Reach, Tail, Watching};
use crate::program::console;
use crate::program::reaching::client;

/// The exit code if the bridge cannot be asked, ends the stream, or the output cannot be written.
const FAILED: u8 = 1;

/// Runs a subcommand; returns the exit code.
pub(super) fn run(watching: &Watching) -> u8 {
    let done = match watching {
        Watching::Tail(asked) => tail(asked),
        Watching::Capture(asked) => capture(asked),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

/// Prints to stderr. If that fails too, only the exit code remains.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "statsd-bridge: {text}");
}

fn open(reach: &Reach, filter: &LineFilter, rate: u32) -> Result<LineStream, String> {
    LineStream::open(&client(reach)?, filter, rate)
}

fn tail(asked: &Tail) -> Result<(), String> {
    let mut stream = open(&asked.reach, &asked.filter, asked.rate)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let has_colour = io::stdout().is_terminal() && console::has_colour();
    let end = asked.time.map(|time| Instant::now() + time);
    let (mut left, mut told) = (asked.count.unwrap_or(u64::MAX), Counts::default());
    while left > 0 && end.is_none_or(|end| Instant::now() < end) {
        match stream.next()? {
            Message::Line(line) => {
                left -= 1;
                let text = match asked.format {
                    AnswerFormat::Json => line.to_string(),
                    AnswerFormat::Text => shown::line(&line, has_colour),
                };
                if is_closed(writeln!(out, "{text}"))? {
                    return Ok(());
                }
            }
            // They follow the lines of a moment, or show that there were none.
            Message::Counts(counts) => {
                if is_closed(out.flush())? {
                    return Ok(());
                }
                if counts.hidden() > told.hidden() {
                    complain(&counts.to_string());
                }
                told = counts;
            }
        }
    }
    is_closed(out.flush()).map(|_| ())
}

/// Whether the reader of a pipe, such as `head`, has exited; an error if the output cannot be written otherwise.
fn is_closed(written: io::Result<()>) -> Result<bool, String> {
    match written {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(format!("cannot write the output: {error}")),
    }
}

fn capture(asked: &Capture) -> Result<(), String> {
    let mut stream = open(&asked.reach, &asked.filter, asked.rate)?;
    let named = |error: io::Error| format!("{}: {error}", asked.output.display());
    let mut out: Box<dyn Write> = if asked.output == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        Box::new(BufWriter::new(OpenOptions::new().write(true).create_new(true).open(&asked.output).map_err(named)?))
    };
    let end = Instant::now() + asked.time;
    // The stream sends the counts after the lines that they include, at least each second.
    let counts = loop {
        match stream.next()? {
            Message::Line(line) => {
                out.write_all(&stream::bytes(&line)?).and_then(|()| out.write_all(b"\n")).map_err(named)?;
            }
            Message::Counts(counts) => {
                // What was captured remains if the program is ended.
                out.flush().map_err(named)?;
                if Instant::now() + Duration::from_millis(100) >= end {
                    break counts;
                }
            }
        }
    };
    complain(&format!("{}: {counts}", asked.output.display()));
    Ok(())
}
