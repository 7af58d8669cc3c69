//! The identity of a series whose stale marker was sent.

/// A series that is gone, as a receiver knows it but without the labels of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoneSeries {
    /// The name of the series, as `x_bucket`.
    pub(super) name: Box<str>,
    /// Its own labels as text, sorted, with `le` or `quantile`, without labels of empty value.
    pub(super) labels: Box<str>,
    /// The number of its type in metadata.
    pub(super) kind: u8,
    /// Whether its samples were histograms and not floats.
    pub(super) is_histogram: bool,
}

impl GoneSeries {
    /// Its memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.labels.len() + 32
    }
}
