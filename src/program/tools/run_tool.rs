//! Runs a tool and prints its answer: the answer itself to stdout, everything about it to stderr.
//!
//! The only tool code that prints. Must not know how an answer is found.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::check;
use super::explain::Explainer;
use super::preset;
use super::replay::{self, Difference, Replayer, Skipped};
use crate::program::cli::{AnswerFormat, Explain, Replay, Tool};
use crate::program::rulebook::{Rulebook, Sources};

/// A file cannot be used.
const FAILED: u8 = 1;
/// Two pages differ.
const DIFFERENT: u8 = 3;
/// Rows and names that are shown unless all are asked for.
const SHOWN: usize = 20;
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);

/// Runs a tool; returns the exit code. That nobody reads the answer is no error.
pub(crate) fn run_tool(tool: &Tool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let done = match tool {
        Tool::Check { sources, options, format, strict } => {
            let report = check(sources, options);
            match format {
                AnswerFormat::Json => write_json(&report.to_json(), out),
                AnswerFormat::Text => write_text(&format!("{}{}\n", report.remarks_text(), report.summary()), out),
            }
            Ok(report.exit_code(*strict))
        }
        Tool::Explain(asked) => explain(asked, out),
        Tool::Replay(asked) => replay(asked, out, err),
        Tool::PresetList => {
            write_text(&preset::list(), out);
            Ok(0)
        }
        Tool::PresetShow(name) => preset::show(name).map(|text| {
            write_text(text, out);
            0
        }),
    };
    done.unwrap_or_else(|why| {
        let _ = writeln!(err, "statsd-bridge: {why}");
        FAILED
    })
}

fn explain(asked: &Explain, out: &mut dyn Write) -> Result<u8, String> {
    let mut explainer = Explainer::new(read(&asked.sources)?.rules, asked.options.clone());
    let explanations: Vec<_> = asked.lines.iter().flat_map(|line| line.split('\n')).map(|line| explainer.explain(line)).collect();
    match asked.format {
        AnswerFormat::Json => write_json(&Value::Array(explanations.iter().map(super::explain::Explanation::to_json).collect()), out),
        AnswerFormat::Text => {
            let texts: Vec<String> = explanations.iter().map(|explanation| explanation.to_text(asked.all)).collect();
            write_text(&texts.join("\n"), out);
        }
    }
    Ok(0)
}

fn replay(asked: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, String> {
    let mut replayers = Vec::new();
    for sources in asked.against.iter().chain([&asked.sources]) {
        replayers.push(Replayer::new(read(sources)?.rules, asked.options.clone()));
    }
    let mut skipped = Skipped::default();
    let mut progress = Progress::new();
    for capture in &asked.captures {
        let fed = replay::replay(capture, asked.port, &mut replayers, &mut skipped, &mut |bytes| progress.add(bytes, err));
        progress.clear(err);
        fed?;
    }
    let pages: Vec<String> = replayers.iter().map(|replayer| replayer.page(asked.own)).collect();
    let difference = if let [old, new] = pages.as_slice() { Some(Difference::between(old, new)) } else { None };
    let (Some(page), Some(replayer)) = (pages.last(), replayers.last()) else { return Ok(FAILED) };
    let most = if asked.all { usize::MAX } else { SHOWN };
    match (asked.format, &difference) {
        (AnswerFormat::Json, _) => {
            let mut answer = replay::to_json(replayer);
            if let Value::Object(fields) = &mut answer {
                fields.insert("page".to_owned(), json!(page));
                fields.insert("difference".to_owned(), difference.as_ref().map_or(Value::Null, Difference::to_json));
                let Skipped { other_packets, fragments, cut } = skipped;
                fields.insert("skipped".to_owned(), json!({ "other_packets": other_packets, "fragments": fragments, "cut": cut }));
            }
            write_json(&answer, out);
        }
        (AnswerFormat::Text, None) => write_text(page, out),
        (AnswerFormat::Text, Some(difference)) => write_text(&difference.to_text(most), out),
    }
    if asked.format == AnswerFormat::Text {
        // Not before the page, should both go to the same place.
        let _ = out.flush();
        write_text(&replay::sums_text(&replayer.accounting(), &skipped), err);
        write_text(&replay::rule_use_text(&replayer.rule_use(), most), err);
    }
    Ok(if difference.is_some_and(|difference| !difference.families.is_empty()) { DIFFERENT } else { 0 })
}

fn read(sources: &Sources) -> Result<Rulebook, String> {
    sources.read().map_err(|mistakes| format!("the mapping files cannot be used:\n{mistakes}"))
}

/// Says on a terminal how far it is, once it takes long.
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
            let _ = write!(err, "\r{} MB, {} s", self.bytes / 1_000_000, self.since.elapsed().as_secs());
            let _ = err.flush();
        }
    }

    fn clear(&mut self, err: &mut dyn Write) {
        if std::mem::take(&mut self.is_dirty) {
            let _ = write!(err, "\r{:40}\r", "");
        }
    }
}

fn write_text(text: &str, out: &mut dyn Write) {
    let _ = out.write_all(text.as_bytes());
}

fn write_json(value: &Value, out: &mut dyn Write) {
    let _ = serde_json::to_writer_pretty(&mut *out, value);
    let _ = writeln!(out);
}
