//! What the core can be told: dialect, limits, default observer, prefix of the own metrics.
//!
//! Plain values with their defaults; where they come from (flags, environment, another program) is not known here.

use std::sync::Arc;

pub use crate::name::NameValidation;
use crate::registry::cell::{SCHEMA_MAX, SCHEMA_MIN, ZERO_THRESHOLD, schema_of};
use crate::time::Timestamp;

/// Everything that [`Bridge::new`](crate::bridge::Bridge::new) wants to know.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which tag styles and fields of the wire are understood.
    pub dialect: Dialect,
    /// What a sender may grow, and how far.
    pub limits: Limits,
    /// What timers, histograms and distributions become.
    pub observer: Observer,
    /// Which histograms have native buckets beside the classic ones, and from when on.
    pub native: NativeHistograms,
    /// How long series live unseen, where no rule says otherwise; for ever by default.
    pub ttl: Ttl,
    /// How long a counter, histogram or summary that expired may take to come back and go on from its old value, in
    /// milliseconds; 0 for not at all.
    pub grace_ms: u64,
    /// Whether expositions show a new counter at 0 first, until one of them was delivered whole, and then for so many milliseconds,
    /// so that every scraper sees the 0; `None` for not at all.
    pub counters_start_at_zero: Option<u64>,
    /// Who gets OpenMetrics.
    pub openmetrics: OpenMetrics,
    /// Whether OpenMetrics pages say of each counter, histogram and summary when its counting began.
    pub created_lines: bool,
    /// When the bridge began, and with it the counting of its self-metrics, as protobuf and created lines say it; `None`: they do not.
    pub started: Option<Timestamp>,
    /// Which names the bridge's own metrics have.
    pub prefix: Prefix,
    /// Whether the page is without the `process_*` of the bridge's own process; the names are then free for others.
    pub without_process_metrics: bool,
    /// Whether counters get the ending `_total` where their names lack it, where no rule says otherwise.
    pub counters_total_suffix: bool,
    /// What a signed value does to a gauge, where no rule says otherwise.
    pub signed_gauges: SignedGauges,
    /// Whether names that Prometheus writes itself are taken, such as `up`: see
    /// [`is_prometheus_name`](crate::name::is_prometheus_name).
    pub prometheus_names: bool,
    /// Which names and label names there are.
    pub names: NameValidation,
    /// The key of the DogStatsD tag that is no label but links a sample to a trace, as it is sent; `None` for none. Not empty,
    /// and without any of `: , | #`: else there is none.
    pub exemplar_tag: Option<Arc<str>>,
}

/// Who gets OpenMetrics of those who ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenMetrics {
    /// Whoever accepts no text; and where the configuration has something that text cannot show (exemplars, created lines, rules with
    /// units), whoever asks for it.
    #[default]
    Auto,
    /// Whoever asks for it.
    Always,
    /// Nobody.
    Never,
}

/// Tag styles and fields of the wire, each with its own switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// `name:1|c|#key:value`.
    pub dogstatsd_tags: bool,
    /// `name,key=value:1|c`.
    pub influxdb_tags: bool,
    /// `name#key=value:1|c`.
    pub librato_tags: bool,
    /// `name[key=value]:1|c`.
    pub signalfx_tags: bool,
    /// `name;key=value:1|c`.
    pub graphite_tags: bool,
    /// A DogStatsD tag without a value becomes `key="true"`, if it is a label name; off: it counts as a tag error and is skipped.
    pub bare_tags: bool,
    /// The field `c:ID` becomes the label `container_id`; off: it is skipped.
    pub container_id: bool,
    /// Which kinds may have packed values, `name:1:2:3|ms`.
    pub packed_values: PackedValues,
    /// Lines are read as statsd_exporter reads them, where the bridge's own reading differs: blanks at the ends belong to the
    /// line, the first colon ends a name, brackets and delimiters of tags end a name whatever they hold, InfluxDB's escapes mean nothing, a
    /// DogStatsD tag has its value behind a colon only, and a line that is
    /// not UTF-8 is rejected.
    pub exporter_rules: bool,
}

/// Which kinds may have packed values: numbers with colons between them, of one name and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PackedValues {
    /// None: numbers before the last one belong to the name.
    Never,
    /// Timers, histograms and distributions; lines of other kinds are rejected.
    Observers,
    /// All but sets.
    #[default]
    All,
}

impl Dialect {
    /// How statsd_exporter reads lines.
    pub const STATSD_EXPORTER: Self = Self {
        dogstatsd_tags: true,
        influxdb_tags: true,
        librato_tags: true,
        signalfx_tags: true,
        graphite_tags: false,
        bare_tags: false,
        container_id: true,
        packed_values: PackedValues::Observers,
        exporter_rules: true,
    };
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            dogstatsd_tags: true,
            influxdb_tags: true,
            librato_tags: true,
            signalfx_tags: true,
            graphite_tags: true,
            bare_tags: true,
            container_id: false,
            packed_values: PackedValues::All,
            exporter_rules: false,
        }
    }
}

/// What a sender may grow, and how far. Every limit has a flag of its name and a metric when it is hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Series in all.
    pub series: usize,
    /// Families, which is distinct metric names.
    pub families: usize,
    /// Series of one family.
    pub series_per_family: usize,
    /// Distinct values of one label in one family.
    pub values_per_label: usize,
    /// Distinct label names in one family.
    pub labels_per_family: usize,
    /// Bytes that all series take, with their cells as they grow, and what is kept for them: bindings, exemplars, those that rest. An eighth
    /// of it is for new families and their overflow series only.
    pub series_bytes: usize,
    /// Bytes of one line, its newline not counted.
    pub line_bytes: usize,
    /// Bytes of one name as sent, name tags included.
    pub name_bytes: usize,
    /// Bytes of the tags of one line as sent.
    pub tags_bytes: usize,
    /// Tags of one line.
    pub tags: usize,
    /// What becomes of samples of new series at a limit of their family.
    pub overflow: Overflow,
    /// Expired series whose values are kept for the case that they come back.
    pub resting_series: usize,
    /// Series that may have exemplars.
    pub exemplar_series: usize,
    /// How much one sample may add, after its rate: to a counter, to the count or the sum of an observer, or as the change of a gauge.
    /// One sample far above the others would hide them for good: an f64 has 53 bits. A gauge may be set to any finite number. Infinite for no limit.
    pub sample_value: f64,
}

/// What becomes of samples of new series at a limit of their family. Gauges are always refused: the last of many says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Into one overflow series of the family, all of whose labels have the value `_overflow_`.
    Fold,
    /// Into the series whose labels are the sample's but for the label that explodes, which has the value `_overflow_`; where
    /// there is no room for that series either, folded. A family may have a sixteenth of its limit of such series, and at least 16,
    /// beside that limit.
    #[default]
    DropLabel,
    /// Nowhere.
    Refuse,
}

impl Overflow {
    /// Its name in flags, mapping files and metrics; the metric says `drop_label`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fold => "fold",
            Self::DropLabel => "drop_label",
            Self::Refuse => "refuse",
        }
    }

    /// What happens to new series, for a log.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Fold => "new series are folded into the family's overflow series",
            Self::DropLabel => "new series are folded into those that have _overflow_ for this label",
            Self::Refuse => "new series are refused",
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 200_000,
            families: 10_000,
            series_per_family: 10_000,
            values_per_label: 5_000,
            labels_per_family: 256,
            series_bytes: 128 << 20,
            line_bytes: 65_535,
            name_bytes: 1_024,
            tags_bytes: 8_192,
            tags: 128,
            overflow: Overflow::DropLabel,
            resting_series: 50_000,
            exemplar_series: 10_000,
            sample_value: 1e15,
        }
    }
}

/// What a gauge's sample with a sign in front does: `level:-5|g`, `level:+5|g`.
///
/// The line is the same in both dialects: etsy's StatsD changes the gauge, the clients of DogStatsD set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignedGauges {
    /// It changes the gauge by this amount, as in etsy's StatsD.
    #[default]
    Change,
    /// It sets the gauge, as the clients of DogStatsD mean it.
    Absolute,
}

/// What timers (`ms`), histograms (`h`) and distributions (`d`) become.
#[derive(Debug, Clone, PartialEq)]
pub enum Observer {
    /// A histogram with these ascending upper bounds; the bucket `+Inf` is implied.
    Histogram {
        /// Upper bounds, ascending, finite.
        bounds: Arc<[f64]>,
        /// What is said of native buckets; the rest is as [`Options::native`] has it.
        native: NativeChoice,
    },
    /// A summary over a sliding window.
    Summary(SummaryOptions),
}

/// Upper bounds of a histogram's buckets where nothing else is asked for, in seconds.
pub const DEFAULT_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Default for Observer {
    fn default() -> Self {
        Self::Histogram { bounds: Arc::from(DEFAULT_BOUNDS), native: NativeChoice::default() }
    }
}

/// Which histograms have native buckets, and from when on. Only protobuf can show them, and they cost memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativeHistograms {
    /// From when on.
    pub when: NativeWhen,
    /// How they are kept, where a rule says nothing else. `None`: only where a rule gives a factor.
    pub options: Option<NativeOptions>,
}

impl Default for NativeHistograms {
    fn default() -> Self {
        Self { when: NativeWhen::default(), options: Some(NativeOptions::default()) }
    }
}

/// From when on histograms keep native buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NativeWhen {
    /// Never, whatever a rule says.
    Never,
    /// From when somebody first asks for a page that can show them.
    #[default]
    Asked,
    /// From the first sample.
    Always,
}

/// How native buckets are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct NativeOptions {
    /// The resolution to begin with: from -4 to 8, each bucket `2^(2^-schema)` times as wide as the one before. 3 by default.
    pub schema: i8,
    /// Buckets populated at most, the zero bucket not counted; 160 by default. Beyond it the resolution is halved.
    pub max_buckets: u32,
    /// Values up to here, of either sign, are in the zero bucket; 2^-128 by default.
    pub zero_threshold: f64,
    /// Rather than halving, a histogram whose last reset is so many milliseconds ago begins anew; 0, the default, for never.
    pub min_reset_ms: u64,
    /// Rather than halving, the zero bucket widens up to here; 0, the default, for not at all.
    pub max_zero_threshold: f64,
}

/// The most buckets that a flag or a rule may ask for.
pub const NATIVE_BUCKETS_MAX: u32 = 512;

/// How much wider than the one before a native bucket is at most, where nothing else is asked for.
pub const NATIVE_FACTOR: f64 = 1.1;

impl NativeOptions {
    pub(crate) const DEFAULT: Self =
        Self { schema: 3, max_buckets: 160, zero_threshold: ZERO_THRESHOLD, min_reset_ms: 0, max_zero_threshold: 0.0 };
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl NativeOptions {
    /// Whether a flag, a rule or a program that uses the library can have asked for them.
    pub(crate) fn is_legal(&self) -> bool {
        let is_threshold = |threshold: f64| threshold.is_finite() && threshold >= 0.0;
        (SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) && is_threshold(self.zero_threshold) && is_threshold(self.max_zero_threshold)
    }
}

/// What a rule says of native buckets; `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NativeChoice {
    /// How much wider than the one before a bucket is at most; not above 1 for no native buckets.
    pub factor: Option<f64>,
    /// Buckets populated at most.
    pub max_buckets: Option<u32>,
}

impl NativeHistograms {
    /// What holds where a rule says `choice`; `None` for no native buckets.
    pub fn options(&self, choice: NativeChoice) -> Option<NativeOptions> {
        let base = self.options.filter(|_| self.when != NativeWhen::Never);
        let mut options = match choice.factor {
            Some(factor) if self.when != NativeWhen::Never => NativeOptions { schema: schema_of(factor)?, ..base.unwrap_or_default() },
            _ => base?,
        };
        options.max_buckets = choice.max_buckets.unwrap_or(options.max_buckets).clamp(1, NATIVE_BUCKETS_MAX);
        Some(options)
    }
}

/// Quantiles and window of a summary.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOptions {
    /// Ascending, each within 0 to 1.
    pub quantiles: Arc<[f64]>,
    /// Length of the sliding window in milliseconds.
    pub max_age_ms: u64,
    /// How many steps the window slides in.
    pub age_buckets: u32,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { quantiles: Arc::from([0.5, 0.9, 0.99]), max_age_ms: 600_000, age_buckets: 5 }
    }
}

/// How long a series lives unseen, by kind, in milliseconds; 0: for ever; `None`: as the level above says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ttl {
    /// Counters.
    pub counter_ms: Option<u64>,
    /// Gauges.
    pub gauge_ms: Option<u64>,
    /// Histograms and summaries.
    pub observer_ms: Option<u64>,
    /// Sets.
    pub set_ms: Option<u64>,
}

/// The prefix of the bridge's own metrics; names that start with it are refused from the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefix {
    /// `statsd_bridge_`.
    #[default]
    Bridge,
    /// `statsd_exporter_`, as the program has that the bridge replaces.
    Exporter,
}

impl Prefix {
    /// The text of the prefix, its last underscore included.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "statsd_bridge_",
            Self::Exporter => "statsd_exporter_",
        }
    }
}
