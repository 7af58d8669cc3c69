//! Limits on everything that a sender can grow.

use std::fmt;

/// Limits on everything that a sender can grow. Every number is valid, 0 and the largest included. The program has a flag for each
/// limit, and the self-metrics show when one is hit.
///
/// ```
/// use statsd_bridge::options::Limits;
///
/// let limits = Limits::default().with(|limits| limits.series = 20_000);
/// assert_eq!((limits.series, limits.families), (20_000, 10_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Series in all families. Default: 200,000.
    pub series: usize,
    /// Families, that is distinct metric names. Default: 10,000.
    pub families: usize,
    /// Series of one family. Default: 10,000.
    pub series_per_family: usize,
    /// Distinct values of one label in one family. Default: 5,000.
    pub values_per_label: usize,
    /// Distinct label names in one family. Default: 256.
    pub labels_per_family: usize,
    /// Bytes of all series, with cells, bindings, exemplars and series in their grace period. One eighth is reserved for new families
    /// and overflow series. Default: 128 MiB.
    pub series_bytes: usize,
    /// Bytes of one line, without its newline. Default: 65,535.
    pub line_bytes: usize,
    /// Bytes of one name as sent, with tags in the name. Default: 1,024.
    pub name_bytes: usize,
    /// Bytes of the tags of one line as sent. Default: 8,192.
    pub tags_bytes: usize,
    /// Tags of one line. Default: 128.
    pub tags: usize,
    /// The treatment of samples of new series at a limit of their family. Default: [`Overflow::DropLabel`].
    pub overflow: Overflow,
    /// Expired series whose values are kept for their grace period. Default: 50,000.
    pub resting_series: usize,
    /// Series that may have exemplars. Default: 10,000.
    pub exemplar_series: usize,
    /// DogStatsD events that are kept for reports. Default: 1,000.
    pub events: usize,
    /// Bytes of these events. Default: 1 MiB.
    pub event_bytes: usize,
    /// The largest change by one sample. Default: 1e15.
    pub sample_value: SampleValueLimit,
}

impl Limits {
    /// These limits, changed by `change`.
    pub fn with<R>(mut self, change: impl FnOnce(&mut Self) -> R) -> Self {
        change(&mut self);
        self
    }
}

/// The largest change by one sample, after its rate: to a counter, to the count or the sum of an observer, or to a gauge by a signed
/// value. A gauge may be set to any finite number.
///
/// An f64 has 53 bits, so one sample far above the others would hide them for good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleValueLimit(f64);

impl SampleValueLimit {
    /// No limit.
    pub const NONE: Self = Self(f64::INFINITY);

    /// This limit; infinity for none.
    ///
    /// # Errors
    ///
    /// [`SampleValueLimitError`] for NaN and for a number not above 0, under which every sample would be rejected.
    pub fn new(limit: f64) -> Result<Self, SampleValueLimitError> {
        if limit > 0.0 { Ok(Self(limit)) } else { Err(SampleValueLimitError { limit }) }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// 1e15.
impl Default for SampleValueLimit {
    fn default() -> Self {
        Self(1e15)
    }
}

/// A number that cannot be a [`SampleValueLimit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleValueLimitError {
    limit: f64,
}

impl fmt::Display for SampleValueLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the largest sample value {} is not above 0", self.limit)
    }
}

impl std::error::Error for SampleValueLimitError {}

/// The treatment of samples of new series at a limit of their family. Gauges are always rejected: the last value of many series has
/// no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// They are folded into one overflow series of the family, all of whose labels have the value `_overflow_`.
    Fold,
    /// They are folded into a series with the sample's labels, except that the label with the most values has the value
    /// `_overflow_`. If there is no room for that series, they are folded as with [`Fold`](Self::Fold). A family may have a
    /// sixteenth of its limit of such series, and at least 16, in addition to that limit.
    #[default]
    DropLabel,
    /// They are rejected.
    Reject,
}

impl Overflow {
    /// The name in flags, mapping files and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fold => "fold",
            Self::DropLabel => "drop_label",
            Self::Reject => "refuse",
        }
    }

    /// The effect on new series, for log messages.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Fold => "new series are folded into the family's overflow series",
            Self::DropLabel => "new series are folded into those that have _overflow_ for this label",
            Self::Reject => "new series are rejected",
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
            events: 1_000,
            event_bytes: 1 << 20,
            sample_value: SampleValueLimit::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_rejects_everything_is_rejected() {
        for bad in [0.0, -0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert!(SampleValueLimit::new(bad).is_err(), "{bad}");
        }
        assert_eq!(SampleValueLimit::new(f64::INFINITY), Ok(SampleValueLimit::NONE));
        assert_eq!(SampleValueLimit::new(1e15), Ok(SampleValueLimit::default()));
    }
}
