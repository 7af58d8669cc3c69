//! What a worker counts between two flushes: plain numbers, no atomics.

use crate::ingest::protocol::SampleError;

/// Counts of one batch. [`Telemetry::flush`](super::Telemetry::flush) adds them to the own metrics.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Lines, empty ones included.
    pub lines: u64,
    /// Empty lines.
    pub lines_empty: u64,
    /// Lines that held at least one sample.
    pub lines_parsed: u64,
    /// DogStatsD events.
    pub events: u64,
    /// DogStatsD service checks.
    pub service_checks: u64,
    /// Samples, refused ones included.
    pub samples: u64,
    /// Samples by what their binding says: those that a rule mapped at the odd places, those with tags at 2 and 3. One count for a
    /// sample, where three are shown.
    pub bound: [u64; 4],
    /// Tags skipped.
    pub tag_errors: u64,
    /// Fields skipped.
    pub unknown_fields: u64,
    /// Mapped ones that a rule dropped: they do not count as mapped.
    pub dropped: u64,
    /// Unmapped ones whose line was refused: they do not count as unmapped.
    pub unbound: u64,
    /// Labels renamed to `exported_*`.
    pub labels_renamed: u64,
    /// Exemplars kept.
    pub exemplars: u64,
    /// Exemplars not kept: the label too long, or too many series that have some.
    pub exemplars_refused: u64,
    /// Bindings that came, less those that went.
    pub bindings: i64,
    /// Bindings given up for new ones because the table was full.
    pub bindings_cleared: u64,
    /// By [`SampleError`].
    pub errors: [u64; SampleError::ALL.len()],
    /// By [`Recorded`].
    pub recorded: [u64; Recorded::ALL.len()],
    /// By [`Refusal`].
    pub refused: [u64; Refusal::ALL.len()],
}

impl Tally {
    /// Samples with at least one tag.
    pub(crate) fn tagged(&self) -> u64 {
        let [_, _, unmapped, mapped] = self.bound;
        unmapped + mapped
    }

    /// Samples that a rule mapped, and did not drop.
    pub(crate) fn mapped(&self) -> u64 {
        let [_, untagged, _, tagged] = self.bound;
        (untagged + tagged).saturating_sub(self.dropped)
    }

    /// Samples that no rule matched, and whose lines were not refused.
    pub(crate) fn unmapped(&self) -> u64 {
        let [untagged, _, tagged, _] = self.bound;
        (untagged + tagged).saturating_sub(self.unbound)
    }
}

/// What a recorded sample became. The names are those of statsd_exporter's label `type`.
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

/// Why a well-formed sample is refused. The names are values of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A counter never goes down.
    NegativeCounter,
    /// Nothing is left of the name.
    EmptyName,
    /// The name belongs to a metric of the bridge itself.
    OwnName,
    /// Prometheus writes a metric of this name itself.
    PrometheusName,
    /// The family has another type, or its lines would be mistaken for those of another family.
    Conflict,
    /// The value would have become infinite.
    ValueOverflow,
    /// One sample would have added more than the limit.
    ValueTooLarge,
    /// The name is longer than the limit.
    NameTooLong,
    /// The tags are longer than the limit.
    TagsTooLong,
    /// More tags than the limit.
    TooManyTags,
    /// A new family, and there are as many as the limit.
    FamilyLimit,
    /// A new gauge, or where all are to be rejected, and there are as many series as the limit.
    SeriesLimit,
    /// A new gauge in a family that has as many series as the limit.
    FamilySeriesLimit,
    /// A new gauge with a new value of a label that has as many values as the limit.
    LabelValueLimit,
    /// A new gauge with a new label in a family that has as many labels as the limit.
    FamilyLabelLimit,
    /// A new gauge or a new family's first series, and series take as many bytes as the limit.
    SeriesBytesLimit,
}

impl Refusal {
    /// Why a sample is refused that would add `amount`, which is above the limit.
    pub(crate) fn of_large(amount: f64) -> Self {
        if amount.is_finite() { Self::ValueTooLarge } else { Self::ValueOverflow }
    }

    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 16] = [
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
        }
    }
}
