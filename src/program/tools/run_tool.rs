//! Runs a tool and prints its output: the result to stdout, messages about it to stderr.
//!
//! No other code of the tools prints. Must not know how a result is computed.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::check;
use super::explain::Explainer;
use super::preset;
use super::push_once::push_once;
use super::replay::{self, Difference, Replayer, Skipped};
use super::rules::rules;
use crate::program::cli::{AnswerFormat, Explain, PushOnce, Replay, Tool};
use crate::program::net::error_text;
use crate::program::rulebook::{Rulebook, Sources};

/// Exit code if a file is unusable, or the output cannot be written.
const FAILED: u8 = 1;
/// Exit code if two expositions differ.
const DIFFERENT: u8 = 3;
/// Limit of shown rows and names without `--all`.
const SHOWN: usize = 20;
/// Interval between updates of the progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// Runs a tool. Returns the exit code. A reader that closes the pipe is not an error.
pub(crate) fn run_tool(tool: &Tool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let done = match tool {
        Tool::Check { sources, options, format, strict } => {
            let report = check(sources, options);
            match format {
                AnswerFormat::Json => write_json(&report.to_json(), out),
                AnswerFormat::Text => write_text(&format!("{}{}\n", report.remarks_text(), report.summary()), out),
            }
            .map(|()| report.exit_code(*strict))
        }
        Tool::Explain(args) => explain(args, out),
        Tool::Replay(args) => replay(args, out, err),
        Tool::PushOnce(args) => push(args, out, err),
        Tool::Rules(wanted) => rules(wanted).and_then(|written| {
            drop(write_text(&written.warnings, err));
            write_text(&written.text, out).map(|()| 0)
        }),
        Tool::PresetList => write_text(&preset::list(), out).map(|()| 0),
        Tool::PresetShow(name) => preset::show(name).and_then(|text| write_text(text, out)).map(|()| 0),
    };
    done.unwrap_or_else(|why| {
        // Errors on stderr are ignored.
        drop(writeln!(err, "statsd-bridge: {why}"));
        FAILED
    })
}

fn explain(args: &Explain, out: &mut dyn Write) -> Result<u8, String> {
    let mut explainer = Explainer::new(read(&args.sources)?.rules, args.options.clone());
    let explanations: Vec<_> = args.lines.iter().flat_map(|line| line.split('\n')).map(|line| explainer.explain(line)).collect();
    match args.format {
        AnswerFormat::Json => write_json(&Value::Array(explanations.iter().map(super::explain::Explanation::to_json).collect()), out)?,
        AnswerFormat::Text => {
            let texts: Vec<String> = explanations.iter().map(|explanation| explanation.to_text(args.all)).collect();
            write_text(&texts.join("\n"), out)?;
        }
    }
    Ok(0)
}

fn replay(args: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, String> {
    let replayer = |sources: &Sources| read(sources).map(|book| Replayer::new(book.rules, args.options.clone()));
    let mut old = args.against.as_ref().map(replayer).transpose()?;
    let mut new = replayer(&args.sources)?;
    let mut skipped = Skipped::default();
    let mut progress = Progress::new();
    for capture in &args.captures {
        let mut replayers: Vec<&mut Replayer> = old.iter_mut().chain([&mut new]).collect();
        let done = replay::replay(capture, args.port, &mut replayers, &mut skipped, &mut |bytes| progress.add(bytes, err));
        progress.clear(err);
        done?;
    }
    let exposition = new.exposition(args.own);
    let difference = old.map(|old| Difference::between(&old.exposition(args.own), &exposition));
    let limit = if args.all { usize::MAX } else { SHOWN };
    match (args.format, &difference) {
        (AnswerFormat::Json, _) => {
            let mut output = replay::to_json(&new);
            let Skipped { other_packets, fragments, cut } = skipped;
            output["page"] = json!(exposition);
            output["difference"] = difference.as_ref().map_or(Value::Null, Difference::to_json);
            output["skipped"] = json!({ "other_packets": other_packets, "fragments": fragments, "cut": cut });
            write_json(&output, out)?;
        }
        (AnswerFormat::Text, None) => write_text(&exposition, out)?,
        (AnswerFormat::Text, Some(difference)) => write_text(&difference.to_text(limit), out)?,
    }
    if args.format == AnswerFormat::Text {
        // Written after the exposition, because stdout and stderr may be the same file. Errors on stderr are ignored.
        drop(write_text(&replay::sums_text(&new.accounting(), &skipped), err));
        drop(write_text(&replay::rule_use_text(&new.rule_use(), limit), err));
    }
    Ok(if difference.is_some_and(|difference| !difference.families.is_empty()) { DIFFERENT } else { 0 })
}

fn push(args: &PushOnce, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, String> {
    let pushed = push_once(args, read(&args.sources)?.rules)?;
    drop(write_text(&replay::sums_text(&pushed.sums, &Skipped::default()), err));
    if pushed.is_complete() {
        return write_text(&pushed.to_text(), out).map(|()| 0);
    }
    drop(write_text(&pushed.to_text(), err));
    Ok(FAILED)
}

fn read(sources: &Sources) -> Result<Rulebook, String> {
    sources.read().map_err(|mistakes| format!("the mapping files have errors:\n{mistakes}"))
}

/// Shows the progress of a long replay on a terminal.
struct Progress {
    is_shown: bool,
    since: Instant,
    bytes: u64,
    last: Instant,
    is_dirty: bool,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { is_shown: io::stderr().is_terminal(), since: now, bytes: 0, last: now, is_dirty: false }
    }

    fn add(&mut self, bytes: usize, err: &mut dyn Write) {
        self.bytes += bytes as u64;
        if self.is_shown && self.last.elapsed() >= PROGRESS {
            self.last = Instant::now();
            self.is_dirty = true;
            drop(write!(err, "\r{} MB, {} s", self.bytes / 1_000_000, self.since.elapsed().as_secs()));
            drop(err.flush());
        }
    }

    fn clear(&mut self, err: &mut dyn Write) {
        if std::mem::take(&mut self.is_dirty) {
            drop(write!(err, "\r{:40}\r", ""));
        }
    }
}

fn write_text(text: &str, out: &mut dyn Write) -> Result<(), String> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write the output: {}", error_text(&error))),
        _ => Ok(()),
    }
}

fn write_json(value: &Value, out: &mut dyn Write) -> Result<(), String> {
    write_text(&format!("{value:#}\n"), out)
}
