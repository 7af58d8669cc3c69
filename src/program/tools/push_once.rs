//! `push --once`: records the lines of files, and pushes their series once, for batch jobs. Must not print.

use tokio::runtime::Builder;

use super::capture::{self, CapturePiece, Skipped};
use crate::bridge::{Accounting, Bridge};
use crate::ingest::protocol::SampleError;
use crate::mapping::Rules;
use crate::options::Options;
use crate::program::cli::PushOnce;
use crate::program::clock;
use crate::program::net::error_text;
use crate::program::push::{self, PushTarget, Pushers, TargetReport};
use crate::telemetry::PushResult;

/// What became of the series.
pub(super) struct Pushed {
    pub(super) sums: Accounting,
    /// The name of each target, and its state at the end.
    pub(super) targets: Vec<(String, TargetReport)>,
}

/// Pushes once to all targets. The error is one line.
pub(super) fn push_once(args: &PushOnce, rules: Rules) -> Result<Pushed, String> {
    let file = push::check_config(&args.push).map_err(|error| error.to_string())?;
    let in_file = file.map(|loaded| loaded.config).unwrap_or_default();
    let targets: Vec<PushTarget> = args.push.targets.iter().cloned().chain(in_file).map(PushTarget::of_job).collect();
    if targets.is_empty() {
        return Err("push: no receiver; set --push.url, --push.otlp or --push.config.file".to_owned());
    }
    let bridge = Bridge::of_program(Options { started: Some(clock::now()), ..args.options.clone() });
    bridge.replace_rules(rules);
    record(args, &bridge)?;
    let sums = bridge.accounting();
    if sums.recorded == 0 {
        let (lines, samples) = (sums.lines_rejected, sums.samples_rejected);
        return Err(format!("push: no sample was recorded; rejected: {lines} lines, {samples} samples"));
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|error| error_text(&error))?;
    let sent = runtime.block_on(Pushers::once(&targets, &bridge)).map_err(|error| error.to_string())?;
    Ok(Pushed { sums, targets: sent.iter().map(|target| (target.options.name.clone(), target.report())).collect() })
}

fn record(args: &PushOnce, bridge: &Bridge) -> Result<(), String> {
    let mut worker = bridge.worker();
    for path in &args.files {
        capture::read(path, None, &mut Skipped::default(), &mut |piece| match piece {
            CapturePiece::Lines(lines) => worker.ingest(lines, clock::now()),
            CapturePiece::TooLong => worker.reject_line(SampleError::LineTooLong),
            CapturePiece::Cut => worker.reject_line(SampleError::TruncatedLine),
        })?;
    }
    Ok(())
}

impl Pushed {
    /// Whether every receiver has taken every sample.
    pub(super) fn is_complete(&self) -> bool {
        self.targets.iter().all(|(_, report)| is_complete(report))
    }

    /// One line for each target.
    pub(super) fn to_text(&self) -> String {
        self.targets.iter().map(|(name, report)| format!("{name}: {}\n", outcome(report))).collect()
    }
}

fn count(report: &TargetReport, result: PushResult) -> u64 {
    report.status.settled.get(result as usize).copied().unwrap_or_default()
}

fn is_complete(report: &TargetReport) -> bool {
    let taken = count(report, PushResult::Written) + count(report, PushResult::Deduplicated);
    taken > 0 && taken + count(report, PushResult::DroppedFallback) == report.status.made
}

fn outcome(report: &TargetReport) -> String {
    let [written, deduplicated, rejected] =
        [PushResult::Written, PushResult::Deduplicated, PushResult::Rejected].map(|result| count(report, result));
    if is_complete(report) {
        return match deduplicated {
            0 => format!("{written} samples written"),
            _ => format!("{written} samples written, {deduplicated} deduplicated"),
        };
    }
    let last = report.status.last_rejection.as_ref().filter(|_| rejected > 0).or(report.status.last.as_ref());
    let said = last.map_or_else(
        || "no answer".to_owned(),
        |last| match last.status {
            Some(status) => format!("{status} {}", last.text),
            None => last.text.clone(),
        },
    );
    let missing = report.status.made.saturating_sub(written + deduplicated + count(report, PushResult::DroppedFallback));
    format!("{written} samples written, {missing} not: {}", said.trim_end())
}
