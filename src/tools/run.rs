//! The edge: tools run, and their answers written. What goes to stdout is the answer; what goes to stderr is about it.

use std::io::{self, Write};

use serde_json::Value;

use super::check::check;
use super::preset;
use crate::cli::{Format, Tool};

/// Wrong usage or a file that cannot be used.
const FAILED: u8 = 1;

/// Runs a tool; returns the exit code. That nobody reads the answer is no error.
pub fn run(tool: &Tool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match tool {
        Tool::Check { sources, options, format, strict } => {
            let report = check(sources, options);
            let _ = match format {
                Format::Json => write_json(&report.to_json(), out),
                Format::Text => writeln!(out, "{}{}", report.remarks_text(), report.summary()),
            };
            report.exit_code(*strict)
        }
        Tool::PresetList => write_or_fail(Ok(&preset::list()), out, err),
        Tool::PresetShow(name) => write_or_fail(preset::show(name), out, err),
        Tool::Explain(_) | Tool::Replay(_) => FAILED,
    }
}

fn write_or_fail(text: Result<&str, String>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match text {
        Ok(text) => {
            let _ = out.write_all(text.as_bytes());
            0
        }
        Err(why) => fail(&why, err),
    }
}

fn fail(why: &str, err: &mut dyn Write) -> u8 {
    let _ = writeln!(err, "statsd-bridge: {why}");
    FAILED
}

fn write_json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
