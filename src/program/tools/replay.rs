//! `replay`: ingests a capture with a real bridge, for its exposition or the difference between the expositions of two sets of rules.
//!
//! The time does not advance, so nothing expires and the exposition has all series of the capture. Both sets of rules are used in one pass,
//! so that stdin works too. Must not print.

mod difference;

use std::path::Path;

use serde_json::{Value, json};

pub(crate) use self::difference::Difference;
pub(crate) use super::capture::Skipped;
use super::capture::{self, CapturePiece};
use crate::bridge::Accounting;
use crate::bridge::Bridge;
use crate::bridge::RuleUse;
use crate::ingest::pipeline::Worker;
use crate::ingest::protocol::SampleError;
use crate::mapping::Rules;
use crate::options::Options;
use crate::time::Timestamp;

/// The time of all samples. Its value does not matter.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A bridge that ingests captures.
pub(crate) struct Replayer {
    bridge: Bridge,
    worker: Worker,
}

impl Replayer {
    /// Creates a bridge with these rules.
    pub(crate) fn new(rules: Rules, options: Options) -> Self {
        let bridge = Bridge::new(options);
        bridge.replace_rules(rules);
        Self { worker: bridge.worker(), bridge }
    }

    /// The exposition, with self-metrics if `with_self_metrics`.
    pub(crate) fn exposition(&self, with_self_metrics: bool) -> String {
        let mut exposition = Vec::new();
        self.bridge.render(NOW, &mut exposition);
        let exposition = String::from_utf8_lossy(&exposition).into_owned();
        if with_self_metrics { exposition } else { without_self_metrics(&exposition, &self.bridge) }
    }

    /// The numbers of lines and samples.
    pub(crate) fn accounting(&self) -> Accounting {
        self.bridge.accounting()
    }

    /// The numbers of samples by rule and by unmapped name.
    pub(crate) fn rule_use(&self) -> RuleUse {
        self.bridge.rule_use()
    }

    fn feed(&mut self, piece: &CapturePiece<'_>) {
        match piece {
            CapturePiece::Lines(lines) => self.worker.ingest(lines, NOW),
            CapturePiece::TooLong => self.worker.reject_line(SampleError::LineTooLong),
            CapturePiece::Cut => self.worker.reject_line(SampleError::TruncatedLine),
        }
    }
}

/// Ingests a capture with all `replayers`. `progress` receives the number of bytes of each piece.
///
/// # Errors
///
/// One line that names the file, if it cannot be read.
pub(crate) fn replay(
    path: &Path,
    port: Option<u16>,
    replayers: &mut [&mut Replayer],
    skipped: &mut Skipped,
    progress: &mut dyn FnMut(usize),
) -> Result<(), String> {
    capture::read(path, port, skipped, &mut |piece| {
        replayers.iter_mut().for_each(|replayer| replayer.feed(&piece));
        if let CapturePiece::Lines(lines) = piece {
            progress(lines.len());
        }
    })
}

/// The exposition without self-metrics.
fn without_self_metrics(exposition: &str, bridge: &Bridge) -> String {
    let mut out = String::with_capacity(exposition.len());
    let mut is_own = false;
    for line in exposition.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            is_own = bridge.owns_name(rest.split_once(' ').map_or(rest, |(name, _)| name));
        }
        if !is_own {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The numbers of lines and samples as text.
pub(crate) fn sums_text(sums: &Accounting, skipped: &Skipped) -> String {
    let mut text = format!(
        "{} lines: {} parsed, {} rejected, {} empty, {} events and service checks\n{} samples: {} recorded, {} dropped by rules, {} rejected\n",
        sums.lines,
        sums.lines_parsed,
        sums.lines_rejected,
        sums.lines_empty,
        sums.events_and_checks,
        sums.samples,
        sums.recorded,
        sums.dropped,
        sums.samples_rejected,
    );
    for (count, what) in [
        (skipped.other_packets, "packets that are not UDP or have another port"),
        (skipped.fragments, "fragments of datagrams, which are not reassembled"),
        (skipped.cut, "datagrams that the capture contains only in part"),
    ] {
        if count > 0 {
            text.push_str(&format!("skipped: {count} {what}\n"));
        }
    }
    text
}

/// Unmapped names and the number of unused rules as text, with at most `limit` names. Empty without rules.
pub(crate) fn rule_use_text(used: &RuleUse, limit: usize) -> String {
    let mut text = String::new();
    if !used.unmapped.is_empty() {
        text.push_str("unmapped names, most samples first:\n");
        let width = used.unmapped.first().map_or(1, |(_, samples)| samples.to_string().len());
        used.unmapped.iter().take(limit).for_each(|(name, samples)| text.push_str(&format!("  {samples:>width$}  {name}\n")));
        let further: u64 = used.unmapped.iter().skip(limit).map(|(_, samples)| samples).sum();
        if further + used.unmapped_others > 0 {
            text.push_str(&format!("  {:>width$}  samples of other names\n", further + used.unmapped_others));
        }
    }
    let unused: Vec<_> = used.rules.iter().filter(|rule| rule.samples == 0).collect();
    if !unused.is_empty() {
        text.push_str(&format!("{} of {} rules matched nothing\n", unused.len(), used.rules.len()));
    }
    text
}

/// The fields of the JSON output: numbers of lines and samples, unmapped names, and rules.
pub(crate) fn to_json(replayer: &Replayer) -> Value {
    let (sums, used) = (replayer.accounting(), replayer.rule_use());
    let rules = used.rules.iter().enumerate().map(|(at, rule)| {
        json!({ "rule": at + 1, "position": rule.position.to_string(), "match": rule.pattern, "name": rule.name, "samples": rule.samples })
    });
    json!({
        "accounting": {
            "lines": sums.lines, "lines_parsed": sums.lines_parsed, "lines_refused": sums.lines_rejected, "lines_empty": sums.lines_empty,
            "events_and_checks": sums.events_and_checks, "samples": sums.samples, "recorded": sums.recorded, "dropped": sums.dropped,
            "samples_refused": sums.samples_rejected,
        },
        "rules": rules.collect::<Vec<_>>(),
        "unmapped": used.unmapped.iter().map(|(name, samples)| json!({ "name": name, "samples": samples })).collect::<Vec<_>>(),
        "unmapped_others": used.unmapped_others,
    })
}
