//! `replay`: a capture through the real pipeline to its exposition, or the difference between the expositions of two
//! configurations.
//!
//! Time stands still, so nothing expires and every series of the capture is shown. Two configurations are fed in one pass, so
//! that stdin can be compared too. Must not print.

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

/// Any time does.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A bridge that captures are fed to.
pub(crate) struct Replayer {
    bridge: Bridge,
    worker: Worker,
}

impl Replayer {
    /// A bridge with these rules.
    pub(crate) fn new(rules: Rules, options: Options) -> Self {
        let bridge = Bridge::new(options);
        bridge.replace_rules(rules);
        Self { worker: bridge.worker(), bridge }
    }

    /// The page: families of the wire, and the own ones with `own`.
    pub(crate) fn page(&self, own: bool) -> String {
        let mut page = Vec::new();
        self.bridge.render(NOW, &mut page);
        let page = String::from_utf8_lossy(&page).into_owned();
        if own { page } else { without_own(&page, &self.bridge) }
    }

    /// Sums of lines and samples.
    pub(crate) fn accounting(&self) -> Accounting {
        self.bridge.accounting()
    }

    /// Samples by rule and by unmapped name.
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

/// Feeds a capture to all of `replayers`. `progress` is told the bytes of lines so far.
///
/// # Errors
///
/// A line that names the file, if it cannot be read.
pub(crate) fn replay(
    path: &Path,
    port: Option<u16>,
    replayers: &mut [Replayer],
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

/// A page's families of the wire.
fn without_own(page: &str, bridge: &Bridge) -> String {
    let mut out = String::with_capacity(page.len());
    let mut is_own = false;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            is_own = bridge.owns_name(rest.split(' ').next().unwrap_or_default());
        }
        if !is_own {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The sums as one line for people.
pub(crate) fn sums_text(sums: &Accounting, skipped: &Skipped) -> String {
    let mut text = format!(
        "{} lines: {} parsed, {} refused, {} empty, {} events and service checks\n{} samples: {} recorded, {} dropped by rules, {} refused\n",
        sums.lines,
        sums.lines_parsed,
        sums.lines_refused,
        sums.lines_empty,
        sums.events_and_checks,
        sums.samples,
        sums.recorded,
        sums.dropped,
        sums.samples_refused,
    );
    for (count, what) in [
        (skipped.other_packets, "packets that are no UDP, or go to another port"),
        (skipped.fragments, "fragments of datagrams, which are not put together"),
        (skipped.cut, "datagrams of which the capture holds only the start"),
    ] {
        if count > 0 {
            text.push_str(&format!("skipped: {count} {what}\n"));
        }
    }
    text
}

/// Unmapped names and rules that were never used, for people; at most `most` of each. Empty without rules.
pub(crate) fn rule_use_text(used: &RuleUse, most: usize) -> String {
    let mut text = String::new();
    if !used.unmapped.is_empty() {
        text.push_str("names that no rule matches, most samples first:\n");
        let width = used.unmapped.first().map_or(1, |(_, samples)| samples.to_string().len());
        used.unmapped.iter().take(most).for_each(|(name, samples)| text.push_str(&format!("  {samples:>width$}  {name}\n")));
        let further: u64 = used.unmapped.iter().skip(most).map(|(_, samples)| samples).sum();
        if further + used.unmapped_others > 0 {
            text.push_str(&format!("  {:>width$}  samples of further names\n", further + used.unmapped_others));
        }
    }
    let unused: Vec<_> = used.rules.iter().filter(|rule| rule.samples == 0).collect();
    if !unused.is_empty() {
        text.push_str(&format!("{} of {} rules matched nothing\n", unused.len(), used.rules.len()));
    }
    text
}

/// Sums, unmapped names and rules, for programs.
pub(crate) fn to_json(replayer: &Replayer) -> Value {
    let (sums, used) = (replayer.accounting(), replayer.rule_use());
    let rules = used.rules.iter().enumerate().map(|(at, rule)| {
        json!({ "rule": at + 1, "position": rule.position.to_string(), "match": rule.pattern, "name": rule.name, "samples": rule.samples })
    });
    json!({
        "accounting": {
            "lines": sums.lines, "lines_parsed": sums.lines_parsed, "lines_refused": sums.lines_refused, "lines_empty": sums.lines_empty,
            "events_and_checks": sums.events_and_checks, "samples": sums.samples, "recorded": sums.recorded, "dropped": sums.dropped,
            "samples_refused": sums.samples_refused,
        },
        "rules": rules.collect::<Vec<_>>(),
        "unmapped": used.unmapped.iter().map(|(name, samples)| json!({ "name": name, "samples": samples })).collect::<Vec<_>>(),
        "unmapped_others": used.unmapped_others,
    })
}
