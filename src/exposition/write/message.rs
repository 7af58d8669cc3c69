//! One batch: the bytes of its series.

use super::gone::GoneSeries;

/// What a batch contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WriteCounts {
    /// Floats, with zeros and stale markers: what a receiver states as `Samples-Written`.
    pub(crate) samples: usize,
    /// Histograms, with empty ones and stale markers: `Histograms-Written`.
    pub(crate) histograms: usize,
    /// `Exemplars-Written`.
    pub(crate) exemplars: usize,
    /// Series.
    pub(crate) series: usize,
    /// The stale markers among samples and histograms.
    pub(crate) markers: usize,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WriteBatch {
    /// The protobuf message, not compressed.
    pub(crate) body: Vec<u8>,
    pub(crate) counts: WriteCounts,
    /// The series whose stale markers are in the batch, in its order.
    pub(crate) gone: Vec<GoneSeries>,
}
