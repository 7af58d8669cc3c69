//! The counts of a worker between two flushes: plain numbers, no atomics.

use crate::ingest::protocol::SampleError;

/// Counts of one batch. [`Telemetry::flush`](super::Telemetry::flush) adds them to the self-metrics.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Lines, empty ones included.
    pub lines: u64,
    /// Empty lines.
    pub lines_empty: u64,
    /// Lines with at least one sample.
    pub lines_parsed: u64,
    /// DogStatsD events.
    pub events: u64,
    /// DogStatsD service checks.
    pub service_checks: u64,
    /// Samples, rejected ones included.
    pub samples: u64,
    /// Samples by their binding. Mapped samples are counted at 1 and 3, samples with tags at 2 and 3: one increment for a
    /// sample gives three metrics.
    pub bound: [u64; 4],
    /// Tags skipped.
    pub tag_errors: u64,
    /// Fields skipped.
    pub unknown_fields: u64,
    /// Samples that a rule dropped. They do not count as mapped.
    pub dropped: u64,
    /// Unmapped samples whose line was rejected. They do not count as unmapped.
    pub unbound: u64,
    /// Labels renamed to `exported_*`.
    pub labels_renamed: u64,
    /// Exemplars kept.
    pub exemplars: u64,
    /// Exemplars rejected: the label is too long, or too many series have exemplars.
    pub exemplars_rejected: u64,
    /// Bindings added, minus bindings removed.
    pub bindings: i64,
    /// Bindings removed because the table was full.
    pub bindings_cleared: u64,
    /// By [`SampleError`].
    pub errors: [u64; SampleError::ALL.len()],
    /// By [`Recorded`].
    pub recorded: [u64; Recorded::ALL.len()],
    /// By [`SampleRejection`].
    pub rejected: [u64; SampleRejection::ALL.len()],
}

impl Tally {
    /// Samples with at least one tag.
    pub(crate) fn tagged(&self) -> u64 {
        let [_, _, unmapped, mapped] = self.bound;
        unmapped + mapped
    }

    /// Samples that a rule matched and did not drop.
    pub(crate) fn mapped(&self) -> u64 {
        let [_, untagged, _, tagged] = self.bound;
        (untagged + tagged).saturating_sub(self.dropped)
    }

    /// Samples that no rule matched and whose line was not rejected.
    pub(crate) fn unmapped(&self) -> u64 {
        let [untagged, _, tagged, _] = self.bound;
        (untagged + tagged).saturating_sub(self.unbound)
    }
}

/// The type of a recorded sample. The names are the values of statsd_exporter's label `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// Added to a counter.
    Counter,
    /// Set or changed a gauge.
    Gauge,
    /// Observed by a histogram or summary.
    Observer,
    /// Put into a set.
    Set,
}

impl Recorded {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 4] = [Self::Counter, Self::Gauge, Self::Observer, Self::Set];

    /// The value of the label `type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Observer => "observer",
            Self::Set => "set",
        }
    }
}

/// Why a well-formed sample is rejected. The names are the values of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleRejection {
    /// The value of a counter is negative.
    NegativeCounter,
    /// The name is empty, or no character of it is allowed.
    EmptyName,
    /// The name belongs to the self-metrics.
    OwnName,
    /// Prometheus generates a metric of this name.
    PrometheusName,
    /// The family has another type, or a line of it would have the name of another family.
    Conflict,
    /// The value of the series would become infinite.
    ValueOverflow,
    /// One sample would add more than the limit.
    ValueTooLarge,
    /// The name is longer than the limit.
    NameTooLong,
    /// The tags are longer than the limit.
    TagsTooLong,
    /// The sample has more tags than the limit.
    TooManyTags,
    /// The family is new, and the limit of families is reached.
    FamilyLimit,
    /// The series is new and cannot be folded, and the limit of series is reached.
    SeriesLimit,
    /// The series is new and cannot be folded, and the family has reached its limit of series.
    FamilySeriesLimit,
    /// The series is new and cannot be folded, and a label has reached its limit of values.
    LabelValueLimit,
    /// The series is new and cannot be folded, and the family has reached its limit of labels.
    FamilyLabelLimit,
    /// The series is new and cannot be folded, and the series have reached the limit of bytes.
    SeriesBytesLimit,
    /// The series is new, and its sender exceeds its limit of new series per second.
    SourceSeriesLimit,
}

impl SampleRejection {
    /// The reason for a sample that would add `amount`, which exceeds the limit.
    pub(crate) fn of_large(amount: f64) -> Self {
        if amount.is_finite() { Self::ValueTooLarge } else { Self::ValueOverflow }
    }

    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 17] = [
        Self::NegativeCounter,
        Self::EmptyName,
        Self::OwnName,
        Self::PrometheusName,
        Self::Conflict,
        Self::ValueOverflow,
        Self::ValueTooLarge,
        Self::NameTooLong,
        Self::TagsTooLong,
        Self::TooManyTags,
        Self::FamilyLimit,
        Self::SeriesLimit,
        Self::FamilySeriesLimit,
        Self::LabelValueLimit,
        Self::FamilyLabelLimit,
        Self::SeriesBytesLimit,
        Self::SourceSeriesLimit,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NegativeCounter => "illegal_negative_counter",
            Self::EmptyName => "empty_metric_name",
            Self::OwnName => "own_metric_name",
            Self::PrometheusName => "prometheus_metric_name",
            Self::Conflict => "conflict",
            Self::ValueOverflow => "value_overflow",
            Self::ValueTooLarge => "value_too_large",
            Self::NameTooLong => "name_too_long",
            Self::TagsTooLong => "tags_too_long",
            Self::TooManyTags => "too_many_tags",
            Self::FamilyLimit => "family_limit",
            Self::SeriesLimit => "series_limit",
            Self::FamilySeriesLimit => "family_series_limit",
            Self::LabelValueLimit => "label_value_limit",
            Self::FamilyLabelLimit => "family_label_limit",
            Self::SeriesBytesLimit => "series_bytes_limit",
            Self::SourceSeriesLimit => "source_series_limit",
        }
    }
}
