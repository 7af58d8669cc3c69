//! The options of a bridge: dialect, limits, default observer, prefix of the self-metrics.
//!
//! Plain values with their defaults. A value that could be wrong has a type whose constructor checks it: [`Buckets`], [`Quantiles`],
//! [`NativeOptions`], [`SampleValueLimit`], [`TagKey`]. Every value of the other fields is valid.

mod ascending;
mod buckets;
mod dialect;
mod limits;
mod native;
mod observer;
mod origin;
mod quantiles;
mod sources;
mod tag_key;

#[cfg(test)]
pub(crate) use self::buckets::DEFAULT_BOUNDS;
pub use self::buckets::{Buckets, BucketsError};
pub use self::dialect::{Dialect, PackedValues};
pub use self::limits::{Limits, Overflow, SampleValueLimit, SampleValueLimitError};
pub(crate) use self::native::NATIVE_BUCKETS_MAX;
pub use self::native::{NativeChoice, NativeHistograms, NativeOptions, NativeOptionsError, NativeWhen};
pub use self::observer::{Observer, SummaryOptions};
pub use self::origin::{OriginLabel, OriginLabelError, OriginValue};
pub use self::quantiles::{Quantiles, QuantilesError};
pub use self::sources::SourceOptions;
pub use self::tag_key::{TagKey, TagKeyError};
pub use crate::name::NameValidation;
use crate::time::Timestamp;

/// The options for [`Bridge::new`](crate::Bridge::new). The defaults suit a program that serves `/metrics`.
///
/// ```
/// use statsd_bridge::Options;
///
/// let options = Options::default().with(|options| {
///     options.limits.series = 20_000;
///     options.ttl.gauge_ms = Some(600_000);
/// });
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Tag styles and fields that the parser accepts. Default: every tag style.
    pub dialect: Dialect,
    /// Limits on everything that a sender can grow. Default: see [`Limits`].
    pub limits: Limits,
    /// The type of timers, histograms and distributions, unless a rule sets it. Default: histograms with [`Buckets::default`].
    pub observer: Observer,
    /// Which histograms have native buckets beside the classic ones. Default: all, once a scrape asks for protobuf.
    pub native: NativeHistograms,
    /// The time after which a series without samples expires, unless a rule sets it. Default: series never expire.
    pub ttl: Ttl,
    /// Grace period in milliseconds: a counter, histogram or summary that returns within it after it expired continues from its old
    /// value. Default: 0, no grace period.
    pub grace_ms: u64,
    /// `Some`: expositions show a new counter as 0 until one exposition was delivered whole, and for this many milliseconds after it,
    /// so that every scraper sees the 0. Default: `None`, a new counter has its value at once.
    pub counters_start_at_zero: Option<u64>,
    /// Which scrapers get OpenMetrics. Default: [`OpenMetrics::Auto`].
    pub openmetrics: OpenMetrics,
    /// Whether OpenMetrics expositions have a `_created` line for each counter, histogram and summary. Default: no.
    pub created_lines: bool,
    /// When the bridge started: the created timestamp of its self-metrics in protobuf and in `_created` lines. Default: `None`, they have
    /// no created timestamp.
    pub started: Option<Timestamp>,
    /// The prefix of the self-metrics' names. Default: `statsd_bridge_`.
    pub prefix: Prefix,
    /// Whether expositions leave out the `process_*` metrics of this process. Samples may then have these names. Default: no.
    pub without_process_metrics: bool,
    /// Whether names of counters get the suffix `_total` if they lack it, unless a rule sets this. Default: no.
    pub counters_total_suffix: bool,
    /// The effect of a signed value on a gauge, unless a rule sets it. Default: [`SignedGauges::Change`].
    pub signed_gauges: SignedGauges,
    /// Whether expositions show with each gauge `x` a gauge `x_last_set_timestamp_seconds`: the time of the last sample, in seconds since
    /// 1970. Default: no.
    pub gauges_set_time: bool,
    /// Whether samples may have names that Prometheus writes itself, such as `up`: see
    /// [`is_prometheus_name`](crate::name::is_prometheus_name). Default: no, such samples are rejected.
    pub prometheus_names: bool,
    /// Which names of families and labels are valid. Default: [`NameValidation::Legacy`].
    pub names: NameValidation,
    /// The key of the DogStatsD tag that links a sample to a trace. The tag becomes an exemplar instead of a label. Default: `None`.
    pub exemplar_tag: Option<TagKey>,
    /// What is counted by sender. Default: nothing.
    pub sources: SourceOptions,
    /// The label that shows who sent the samples of a series. Default: none.
    pub origin_label: Option<OriginLabel>,
}

impl Options {
    /// Applies `change` to these options and returns them.
    pub fn with<R>(mut self, change: impl FnOnce(&mut Self) -> R) -> Self {
        change(&mut self);
        self
    }
}

/// Which scrapers get OpenMetrics, of those whose `Accept` header asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OpenMetrics {
    /// Scrapers that do not accept the text format. If the configuration has something that the text format cannot show (exemplars,
    /// `_created` lines, rules with units): all scrapers that ask for OpenMetrics.
    #[default]
    Auto,
    /// All scrapers that ask for OpenMetrics.
    Always,
    /// No scraper.
    Never,
}

/// The effect of a gauge's sample with a sign: `level:-5|g`, `level:+5|g`.
///
/// The line looks the same in both dialects: etsy's StatsD changes the gauge, and DogStatsD clients set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SignedGauges {
    /// The sample changes the gauge by this amount, as in etsy's StatsD.
    #[default]
    Change,
    /// The sample sets the gauge, as DogStatsD clients expect.
    Absolute,
}

/// The time without samples after which a series expires, by kind, in milliseconds; 0: never. Every number is valid. `None` selects
/// the next level: a rule has the ttl of the mapping file's `defaults`, `defaults` have the ttl of [`Options::ttl`], and there
/// `None` means never.
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

/// The prefix of the self-metrics. Samples whose names start with it are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Prefix {
    /// `statsd_bridge_`.
    #[default]
    Bridge,
    /// `statsd_exporter_`, for a bridge that replaces statsd_exporter.
    Exporter,
}

impl Prefix {
    /// The text of the prefix, with its last underscore.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "statsd_bridge_",
            Self::Exporter => "statsd_exporter_",
        }
    }
}
