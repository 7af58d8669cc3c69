//! Native buckets of histograms.

use std::fmt;

use crate::registry::cell::{SCHEMA_MAX, SCHEMA_MIN, ZERO_THRESHOLD, schema_of};

/// The largest number of native buckets of a series that options, a rule or a flag may ask for.
pub(crate) const NATIVE_BUCKETS_MAX: u32 = 512;

/// Which histograms have native buckets, and since when. Only protobuf shows native buckets, and they cost memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativeHistograms {
    /// When histograms start to keep them. Default: [`NativeWhen::Asked`].
    pub when: NativeWhen,
    /// The options of native buckets, unless a rule sets them. `None`: only histograms whose rule sets a factor have native
    /// buckets.
    pub options: Option<NativeOptions>,
}

impl Default for NativeHistograms {
    fn default() -> Self {
        Self { when: NativeWhen::default(), options: Some(NativeOptions::default()) }
    }
}

/// When histograms start to keep native buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NativeWhen {
    /// Never, regardless of rules.
    Never,
    /// With the first request for an exposition in protobuf.
    #[default]
    Asked,
    /// With the first sample.
    Always,
}

/// How native buckets are kept.
///
/// ```
/// use statsd_bridge::options::NativeOptions;
///
/// let fine = NativeOptions::default().with_factor(1.02)?.with_max_buckets(320)?;
/// # let _ = fine;
/// # Ok::<(), statsd_bridge::options::NativeOptionsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct NativeOptions {
    /// The resolution to start with: from -4 to 8, each bucket `2^(2^-schema)` times as wide as the one before.
    pub(crate) schema: i8,
    /// Maximum number of populated buckets, without the zero bucket. Above it, the resolution is halved.
    pub(crate) max_buckets: u32,
    /// Values up to this magnitude are in the zero bucket.
    pub(crate) zero_threshold: f64,
    /// A histogram whose last reset is this many milliseconds ago is reset instead of halved; 0 for never.
    pub(crate) min_reset_ms: u64,
    /// The magnitude up to which the zero bucket is widened before the resolution is halved; 0 for no widening.
    pub(crate) max_zero_threshold: f64,
}

impl NativeOptions {
    pub(crate) const DEFAULT: Self =
        Self { schema: 3, max_buckets: 160, zero_threshold: ZERO_THRESHOLD, min_reset_ms: 0, max_zero_threshold: 0.0 };

    /// The resolution: the largest ratio between the upper bounds of two adjacent buckets. The bridge takes the coarsest resolution of
    /// Prometheus that is at least as fine: 1.1, the default, gives the ratio 1.09.
    ///
    /// # Errors
    ///
    /// For a factor that is NaN or not above 1.
    pub fn with_factor(self, factor: f64) -> Result<Self, NativeOptionsError> {
        let schema = schema_of(factor).ok_or(NativeOptionsError::Factor { factor })?;
        Ok(Self { schema, ..self })
    }

    /// The largest number of populated buckets of a series, the zero bucket not counted. Beyond it the resolution is halved. Default: 160.
    ///
    /// # Errors
    ///
    /// For 0, and for more than 512.
    pub fn with_max_buckets(self, max_buckets: u32) -> Result<Self, NativeOptionsError> {
        if !(1..=NATIVE_BUCKETS_MAX).contains(&max_buckets) {
            return Err(NativeOptionsError::MaxBuckets { max_buckets });
        }
        Ok(Self { max_buckets, ..self })
    }

    /// The width of the zero bucket: it counts values whose magnitude is at most this. Default: 2^-128.
    ///
    /// # Errors
    ///
    /// For a number below 0 and for one that is not finite.
    pub fn with_zero_threshold(self, threshold: f64) -> Result<Self, NativeOptionsError> {
        Ok(Self { zero_threshold: checked_threshold(threshold)?, ..self })
    }

    /// The width up to which the zero bucket grows before the resolution is halved. Default: 0, the zero bucket never grows.
    ///
    /// # Errors
    ///
    /// For a number below 0 and for one that is not finite.
    pub fn with_max_zero_threshold(self, threshold: f64) -> Result<Self, NativeOptionsError> {
        Ok(Self { max_zero_threshold: checked_threshold(threshold)?, ..self })
    }

    /// Instead of halving its resolution, a histogram starts again at 0 if its last reset is this many milliseconds ago. Default: 0,
    /// never.
    pub fn with_min_reset_ms(self, min_reset_ms: u64) -> Self {
        Self { min_reset_ms, ..self }
    }

    /// Whether the constructors allow these options. Options from a state file were not made by the constructors.
    pub(crate) fn is_legal(&self) -> bool {
        let is_threshold = |threshold| checked_threshold(threshold).is_ok();
        (SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) && is_threshold(self.zero_threshold) && is_threshold(self.max_zero_threshold)
    }
}

fn checked_threshold(threshold: f64) -> Result<f64, NativeOptionsError> {
    if threshold.is_finite() && threshold >= 0.0 { Ok(threshold) } else { Err(NativeOptionsError::ZeroThreshold { threshold }) }
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a number cannot be one of the [`NativeOptions`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum NativeOptionsError {
    /// A factor is NaN or not above 1.
    Factor {
        /// That factor.
        factor: f64,
    },
    /// A number of buckets is 0 or more than 512.
    MaxBuckets {
        /// That number.
        max_buckets: u32,
    },
    /// The width of a zero bucket is below 0 or not finite.
    ZeroThreshold {
        /// That width.
        threshold: f64,
    },
}

impl fmt::Display for NativeOptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor { factor } => write!(f, "the native bucket factor {factor} is not above 1"),
            Self::MaxBuckets { max_buckets } => {
                write!(f, "the number of native buckets {max_buckets} is not within 1 to {NATIVE_BUCKETS_MAX}")
            }
            Self::ZeroThreshold { threshold } => write!(f, "the zero threshold {threshold} is not a finite number of at least 0"),
        }
    }
}

impl std::error::Error for NativeOptionsError {}

/// Native-histogram overrides of a rule; `None` for no override.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NativeChoice {
    /// The largest ratio between the upper bounds of two adjacent buckets; NaN, and a number not above 1, for no native buckets.
    pub factor: Option<f64>,
    /// The largest number of populated buckets. 0 counts as 1, and more than 512 as 512.
    pub max_buckets: Option<u32>,
}

impl NativeHistograms {
    /// The options of a family with these overrides; `None` for no native buckets.
    pub(crate) fn options(&self, choice: NativeChoice) -> Option<NativeOptions> {
        let base = self.options.filter(|_| self.when != NativeWhen::Never);
        let mut options = match choice.factor {
            Some(factor) if self.when != NativeWhen::Never => NativeOptions { schema: schema_of(factor)?, ..base.unwrap_or_default() },
            _ => base?,
        };
        options.max_buckets = choice.max_buckets.unwrap_or(options.max_buckets).clamp(1, NATIVE_BUCKETS_MAX);
        Some(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_that_a_histogram_can_have_are_accepted() {
        let default = NativeOptions::default();
        for factor in [1.0, 0.0, -2.0, f64::NAN, f64::NEG_INFINITY] {
            assert!(default.with_factor(factor).is_err(), "{factor}");
        }
        assert_eq!(default.with_factor(1.1), Ok(default));
        assert!(default.with_max_buckets(0).is_err() && default.with_max_buckets(513).is_err() && default.with_max_buckets(512).is_ok());
        for threshold in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(default.with_zero_threshold(threshold).is_err() && default.with_max_zero_threshold(threshold).is_err(), "{threshold}");
        }
        let all = default.with_zero_threshold(0.0).unwrap().with_max_zero_threshold(f64::MAX).unwrap().with_min_reset_ms(u64::MAX);
        assert!(all.is_legal());
    }
}
