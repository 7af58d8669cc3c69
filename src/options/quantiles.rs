//! Quantiles of summaries, checked when they are made.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::ascending::{AscendingError, ascending};

/// Quantiles of a summary: numbers from 0 to 1 in ascending order, at most [`MAX`](Self::MAX). A summary without quantiles has its count
/// and sum only. Cheap to clone.
///
/// The default is 0.5, 0.9 and 0.99.
///
/// ```
/// use statsd_bridge::options::{Quantiles, QuantilesError};
///
/// assert_eq!(*Quantiles::new([0.5, 0.999])?, [0.5, 0.999]);
/// assert_eq!(Quantiles::new([2.0]), Err(QuantilesError::OutOfRange { quantile: 2.0 }));
/// # Ok::<(), QuantilesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles(Arc<[f64]>);

impl Quantiles {
    /// The largest number of quantiles.
    pub const MAX: usize = 10_000;

    /// These quantiles.
    ///
    /// # Errors
    ///
    /// [`QuantilesError`] for a number outside 0 to 1 or not above the one before it, and for too many numbers.
    pub fn new(quantiles: impl IntoIterator<Item = f64>) -> Result<Self, QuantilesError> {
        ascending(quantiles, Self::MAX, |quantile| (0.0..=1.0).contains(&quantile)).map(Self).map_err(|error| match error {
            AscendingError::NotAllowed(quantile) => QuantilesError::OutOfRange { quantile },
            AscendingError::NotAscending { number: quantile, after } => QuantilesError::NotAscending { quantile, after },
            AscendingError::TooMany => QuantilesError::TooMany,
        })
    }

    /// No quantiles.
    pub fn none() -> Self {
        Self(Arc::default())
    }
}

impl Default for Quantiles {
    fn default() -> Self {
        Self(Arc::new([0.5, 0.9, 0.99]))
    }
}

/// The quantiles, ascending.
impl Deref for Quantiles {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0
    }
}

/// Why numbers cannot be [`Quantiles`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum QuantilesError {
    /// A number is not within 0 to 1.
    OutOfRange {
        /// That number.
        quantile: f64,
    },
    /// A quantile is not above the one before it.
    NotAscending {
        /// That quantile.
        quantile: f64,
        /// The quantile before it.
        after: f64,
    },
    /// There are more than [`Quantiles::MAX`].
    TooMany,
}

impl fmt::Display for QuantilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { quantile } => write!(f, "the quantile {quantile} is not within 0 to 1; write a fraction such as 0.99"),
            Self::NotAscending { quantile, after } => {
                write!(f, "quantiles must ascend, but {after} is followed by {quantile}; sort them and write each once")
            }
            Self::TooMany => write!(f, "there are more than {} quantiles", Quantiles::MAX),
        }
    }
}

impl std::error::Error for QuantilesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_that_make_an_invalid_exposition_are_rejected() {
        for bad in [&[2.0][..], &[-0.1], &[f64::NAN], &[f64::INFINITY], &[0.5, 0.5], &[0.9, 0.5], &[0.0, -0.0]] {
            assert!(Quantiles::new(bad.iter().copied()).is_err(), "{bad:?}");
        }
        assert_eq!(Quantiles::new((0..=10_000).map(|n| f64::from(n) / 1e4)), Err(QuantilesError::TooMany));
        assert_eq!(*Quantiles::new([0.0, 1.0]).unwrap(), [0.0, 1.0]);
        assert_eq!(Quantiles::new([]), Ok(Quantiles::none()));
    }
}
