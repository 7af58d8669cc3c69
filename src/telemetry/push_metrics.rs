//! The metrics of one push target. Its samples add up: made = the sum of all results + those in the queue.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use super::described::{count_at, described_counters, described_gauge};
use crate::options::Prefix;

/// What became of samples, or of exemplars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushResult {
    /// The receiver wrote them.
    Written,
    /// The receiver rejected them for good.
    Rejected,
    /// The receiver takes the samples of another replica.
    Deduplicated,
    /// Too old.
    DroppedAge,
    /// The queue was full.
    DroppedFull,
    /// Encoded for remote write 2.0, which the receiver does not know; the values are sent as 1.0.
    DroppedFallback,
    /// Not sent before the end of the program, or of the target at a reload.
    DroppedEnd,
}

impl PushResult {
    /// The values of the label, in the order of the variants.
    pub(crate) const NAMES: [&'static str; 7] =
        ["written", "rejected", "deduplicated", "dropped_age", "dropped_full", "dropped_fallback", "dropped_end"];
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushOutcome {
    Success,
    /// An answer that rejects the request or a part of it.
    Rejected,
    /// An answer after which the request is sent again.
    Retryable,
    /// No answer.
    NoAnswer,
}

impl PushOutcome {
    const NAMES: [&'static str; 4] = ["success", "rejected", "retryable", "no_answer"];
}

/// Why there was no cycle although one was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushSkip {
    /// The wall clock was set back, before the last cycle.
    Clock,
    /// The cycle before took longer than the interval.
    Slow,
}

impl PushSkip {
    const NAMES: [&'static str; 2] = ["clock", "slow"];
}

/// Reloads of the push configuration file.
pub(crate) struct PushReloads {
    /// Failed, successful.
    reloads: [Counter; 2],
    last_successful: Gauge,
}

impl PushReloads {
    /// Notes that the file was read at the start.
    pub(crate) fn started(&self) {
        self.last_successful.set(1.0);
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, is_good: bool) {
        count_at(&self.reloads, usize::from(is_good));
        self.last_successful.set(f64::from(u8::from(is_good)));
    }
}

/// Registers the metrics of reloads under the recorder in force.
pub(super) fn push_reloads(p: Prefix) -> PushReloads {
    let help = ("push_config_reloads_total", "Reloads of the push configuration file, by outcome.");
    PushReloads {
        reloads: described_counters(p, help, "outcome", ["failure", "success"]),
        last_successful: described_gauge(
            p,
            "push_config_last_reload_successful",
            "1 if the last read of the push configuration file succeeded, otherwise 0.",
        ),
    }
}

/// The handles of the metrics of one target.
pub(crate) struct PushMetrics {
    pub(crate) cycles: Counter,
    skipped: [Counter; 2],
    pub(crate) made: Counter,
    samples: [Counter; 7],
    exemplars: [Counter; 7],
    requests: [Counter; 4],
    pub(crate) retries: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) markers_lost: Counter,
    pub(crate) queue_bytes: Gauge,
    pub(crate) queue_samples: Gauge,
    pub(crate) queue_age: Gauge,
    pub(crate) last_success: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) clock_wait: Gauge,
    pub(crate) version: Gauge,
}

impl PushMetrics {
    /// Counts what became of a request's content.
    pub(crate) fn settle(&self, result: PushResult, samples: u64, exemplars: u64) {
        self.samples.get(result as usize).into_iter().for_each(|counter| counter.increment(samples));
        self.exemplars.get(result as usize).into_iter().for_each(|counter| counter.increment(exemplars));
    }

    /// Counts a request.
    pub(crate) fn request(&self, outcome: PushOutcome) {
        count_at(&self.requests, outcome as usize);
    }

    /// Counts a cycle that was not made.
    pub(crate) fn skip(&self, reason: PushSkip) {
        count_at(&self.skipped, reason as usize);
    }
}

/// Registers the metrics of a target under the recorder in force.
pub(super) fn push_metrics(p: Prefix, target: &str) -> PushMetrics {
    let full = |name: &str| format!("{}{name}", p.as_str());
    let counter = |name: &str, help: &'static str| {
        describe_counter!(full(name), help);
        counter!(full(name), "target" => target.to_owned())
    };
    let gauge = |name: &str, help: &'static str| {
        describe_gauge!(full(name), help);
        gauge!(full(name), "target" => target.to_owned())
    };
    PushMetrics {
        cycles: counter("push_cycles_total", "Cycles made for a push target."),
        skipped: labelled(
            (p, target),
            ("push_cycles_skipped_total", "Cycles that were due for a push target and not made, by reason."),
            "reason",
            PushSkip::NAMES,
        ),
        made: counter("push_samples_made_total", "Samples made for a push target: floats and histograms; with OTLP, points."),
        samples: labelled(
            (p, target),
            ("push_samples_total", "Samples for a push target, by what became of them."),
            "result",
            PushResult::NAMES,
        ),
        exemplars: labelled(
            (p, target),
            ("push_exemplars_total", "Exemplars for a push target, by what became of them."),
            "result",
            PushResult::NAMES,
        ),
        requests: labelled((p, target), ("push_requests_total", "Requests to a push target, by outcome."), "outcome", PushOutcome::NAMES),
        retries: counter("push_retries_total", "Requests to a push target that were sent again after a failure."),
        sent_bytes: counter("push_sent_bytes_total", "Bytes of compressed requests sent to a push target."),
        markers_lost: counter(
            "push_markers_lost_total",
            "Stale markers of series that are gone, lost because there were too many to keep.",
        ),
        queue_bytes: gauge("push_queue_bytes", "Bytes that wait for a push target, with the request that is being sent."),
        queue_samples: gauge("push_queue_samples", "Samples that wait for a push target, with those that are being sent."),
        queue_age: gauge("push_queue_age_seconds", "Age of the oldest request that waits for a push target; 0 if none waits."),
        last_success: gauge("push_last_success_timestamp_seconds", "When a push target last accepted a request; 0 if it never did."),
        lag: gauge("push_lag_seconds", "Time since the newest cycle that a push target accepted; 0 if it never did."),
        clock_wait: gauge(
            "push_clock_wait_seconds",
            "Time until the wall clock, which was set back, passes the newest cycle of a push target; 0 otherwise.",
        ),
        version: gauge("push_protocol_version", "Version of remote write that a push target is sent: 1 or 2; 0 with OTLP."),
    }
}

/// A counter of a target for each value of a label.
fn labelled<const N: usize>(
    (p, target): (Prefix, &str),
    (name, help): (&'static str, &'static str),
    label: &'static str,
    values: [&'static str; N],
) -> [Counter; N] {
    let full = format!("{}{name}", p.as_str());
    describe_counter!(full.clone(), help);
    values.map(|value| counter!(full.clone(), label => value, "target" => target.to_owned()))
}
