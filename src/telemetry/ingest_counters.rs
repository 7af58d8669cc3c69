//! Counters of lines, samples, bindings and series.

use metrics::{Counter, Gauge};

use super::described::{described_counter, described_counters, described_gauge};
use super::tally::{Recorded, SampleRejection, Tally};
use crate::ingest::protocol::SampleError;
use crate::options::Prefix;

/// The counters that worker threads flush their tallies to.
pub(super) struct IngestCounters {
    lines: Counter,
    lines_empty: Counter,
    lines_parsed: Counter,
    events: Counter,
    service_checks: Counter,
    samples: Counter,
    tags: Counter,
    tag_errors: Counter,
    unknown_fields: Counter,
    unmapped: Counter,
    mapped: Counter,
    dropped: Counter,
    labels_renamed: Counter,
    exemplars: Counter,
    exemplars_rejected: Counter,
    bindings_cleared: Counter,
    pub(super) events_kept: Gauge,
    pub(super) events_kept_bytes: Gauge,
    pub(super) events_evicted: Counter,
    pub(super) expired: Counter,
    pub(super) deleted: Counter,
    bindings: Gauge,
    errors: [Counter; SampleError::ALL.len()],
    recorded: [Counter; Recorded::ALL.len()],
    rejected: [Counter; SampleRejection::ALL.len()],
}

impl IngestCounters {
    /// Adds the counts of a batch.
    pub(super) fn add(&self, tally: &Tally) {
        let add = |counter: &Counter, n: u64| {
            if n > 0 {
                counter.increment(n);
            }
        };
        add(&self.lines_empty, tally.lines_empty);
        add(&self.lines_parsed, tally.lines_parsed);
        add(&self.events, tally.events);
        add(&self.service_checks, tally.service_checks);
        add(&self.samples, tally.samples);
        add(&self.tags, tally.tagged());
        add(&self.tag_errors, tally.tag_errors);
        add(&self.unknown_fields, tally.unknown_fields);
        add(&self.unmapped, tally.unmapped());
        add(&self.mapped, tally.mapped());
        add(&self.dropped, tally.dropped);
        add(&self.labels_renamed, tally.labels_renamed);
        add(&self.exemplars, tally.exemplars);
        add(&self.exemplars_rejected, tally.exemplars_rejected);
        add(&self.bindings_cleared, tally.bindings_cleared);
        if tally.bindings != 0 {
            self.bindings.increment(tally.bindings as f64);
        }
        self.errors.iter().zip(tally.errors).for_each(|(counter, n)| add(counter, n));
        self.recorded.iter().zip(tally.recorded).for_each(|(counter, n)| add(counter, n));
        self.rejected.iter().zip(tally.rejected).for_each(|(counter, n)| add(counter, n));
        // Last: a reader that sees a line here also sees what became of it.
        add(&self.lines, tally.lines);
    }
}

pub(super) fn ingest_counters(p: Prefix) -> IngestCounters {
    let counter = |name, help| described_counter(p, name, help);
    let actions = ("events_actions_total", "Samples that a mapping rule matched, by the rule's action.");
    let [mapped, dropped] = described_counters(p, actions, "action", ["map", "drop"]);
    IngestCounters {
        lines: counter("lines_total", "Lines received, empty ones included."),
        lines_empty: counter("lines_empty_total", "Empty lines."),
        lines_parsed: counter("lines_parsed_total", "Lines with at least one sample, recorded or rejected."),
        events: counter("dogstatsd_events_total", "DogStatsD events received."),
        service_checks: counter("dogstatsd_service_checks_total", "DogStatsD service checks received."),
        events_kept: described_gauge(p, "dogstatsd_events_kept", "DogStatsD events kept for /api/v1/events."),
        events_kept_bytes: described_gauge(p, "dogstatsd_events_kept_bytes", "Bytes of the DogStatsD events kept for /api/v1/events."),
        events_evicted: counter(
            "dogstatsd_events_evicted_total",
            "DogStatsD events that made room for newer ones, or were larger than all that may be kept. They are counted as others.",
        ),
        samples: counter("samples_total", "Samples received, rejected ones included."),
        tags: counter("tags_total", "Samples with at least one tag."),
        tag_errors: counter("tag_errors_total", "Tags skipped because the key or the value is missing."),
        unknown_fields: counter("unknown_fields_total", "Unknown fields of lines, which are skipped."),
        unmapped: counter("events_unmapped_total", "Samples that no mapping rule matched."),
        mapped,
        dropped,
        labels_renamed: counter(
            "labels_renamed_total",
            "Labels renamed to exported_* because their name is reserved, counted once for each new identity.",
        ),
        exemplars: counter("exemplars_total", "Exemplars kept. Each replaces the previous one of its bucket."),
        exemplars_rejected: counter(
            "exemplars_refused_total",
            "Exemplars rejected because their label is too long or too many series have exemplars. Their samples are recorded.",
        ),
        bindings_cleared: counter("routes_cleared_total", "Bindings removed from a worker's full table. Series are not affected."),
        expired: counter("series_expired_total", "Series that expired: no sample came for their ttl."),
        deleted: counter("series_deleted_total", "Series deleted on request."),
        bindings: described_gauge(p, "routes", "Bindings of all workers. A binding maps the bytes of a name, type and tags to a series."),
        errors: described_counters(
            p,
            ("sample_errors_total", "Lines and samples rejected by the grammar, by reason."),
            "reason",
            SampleError::ALL.map(SampleError::as_str),
        ),
        recorded: described_counters(
            p,
            ("events_total", "Samples recorded, by type. A packed line holds several samples."),
            "type",
            Recorded::ALL.map(Recorded::as_str),
        ),
        rejected: described_counters(
            p,
            ("events_error_total", "Well-formed samples rejected, by reason."),
            "reason",
            SampleRejection::ALL.map(SampleRejection::as_str),
        ),
    }
}
