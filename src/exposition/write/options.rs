//! What one target is sent.

use crate::selector::Selector;

/// Labels of the target that are attributes of the resource in OTLP.
pub(crate) const IDENTITY: [(&str, &str); 2] = [("job", "service.name"), ("instance", "service.instance.id")];

/// The version of the protocol, which decides the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WriteVersion {
    /// `prometheus.WriteRequest`. Names are escaped as for old scrapers. Metadata is sent in requests of its own.
    V1,
    /// `io.prometheus.write.v2.Request`. Names are sent as they are.
    V2,
}

/// The form of histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum HistogramForm {
    /// A series of floats for each bucket, the sum and the count.
    #[default]
    Classic,
    /// Families with native buckets as native histograms, the others in the classic form. Makes histograms keep native buckets from the
    /// first cycle on.
    Native,
    /// Native histograms with custom buckets, those of the classic form. 2.0 only: with 1.0 it is the classic form.
    Nhcb,
}

/// What one target is sent. Immutable: a memory belongs to one set of options, so begin a new memory when the version, the labels, the form
/// of histograms or the selectors change. Otherwise the series that are no longer sent get no stale markers, or get wrong ones.
#[derive(Debug)]
pub(crate) struct WriteOptions {
    pub(crate) version: WriteVersion,
    pub(crate) histograms: HistogramForm,
    /// Labels of the target: `job`, `instance`, `cluster`. A series' own label of such a name becomes `exported_NAME`, as in a scrape,
    /// and an own `exported_NAME` becomes `exported_exported_NAME`.
    /// Labels without a name or value, and `__name__`, are left out; of equal names, the last one is kept.
    pub(crate) labels: Vec<(String, String)>,
    /// Attributes of the resource in OTLP, beside `service.name` and `service.instance.id`, which are the labels `job` and `instance`.
    pub(crate) resource: Vec<(String, String)>,
    /// At most this many samples, floats and histograms together, in one batch; at least 2.
    pub(crate) batch_samples: usize,
    /// About this many bytes in one batch, before compression.
    pub(crate) batch_bytes: usize,
    /// Whether exemplars are sent: each once, in the cycle after its receipt.
    pub(crate) exemplars: bool,
    /// Whether the self-metrics are sent.
    pub(crate) self_metrics: bool,
    /// Whether the first value of a new counter follows a 0 at the time of the previous cycle.
    pub(crate) zero_samples: bool,
    /// Whether start timestamps are also in field 6 of `TimeSeries`, where they were before 2.0-rc.4.
    pub(crate) legacy_created: bool,
    /// Series that are sent; all if empty. A selector matches the family's name and the labels of a series as the bridge has them, without
    /// escaping and without labels of the target. `up` needs no selector.
    pub(crate) include: Vec<Selector>,
    /// Series that are not sent although `include` selects them.
    pub(crate) exclude: Vec<Selector>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            version: WriteVersion::V2,
            histograms: HistogramForm::default(),
            labels: Vec::new(),
            resource: Vec::new(),
            batch_samples: 2_000,
            batch_bytes: 1 << 20,
            exemplars: true,
            self_metrics: true,
            zero_samples: true,
            legacy_created: false,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}
