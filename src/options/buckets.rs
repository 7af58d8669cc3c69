//! Bounds of classic buckets, checked when they are made.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::ascending::{AscendingError, ascending};

/// The default bounds, in seconds.
pub(crate) const DEFAULT_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds of a histogram's classic buckets: finite numbers in ascending order, at most [`MAX`](Self::MAX). The bucket `+Inf` is
/// implied; without any bound it is the only bucket. Cheap to clone.
///
/// The default is 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 and 10, made for seconds.
///
/// ```
/// use statsd_bridge::options::{Buckets, BucketsError};
///
/// assert_eq!(*Buckets::new([0.1, 1.0, 10.0])?, [0.1, 1.0, 10.0]);
/// assert_eq!(Buckets::new([1.0, 0.5]), Err(BucketsError::NotAscending { bound: 0.5, after: 1.0 }));
/// # Ok::<(), BucketsError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets(Arc<[f64]>);

impl Buckets {
    /// The largest number of bounds. Each series holds one number for each bound.
    pub const MAX: usize = 10_000;

    /// Buckets with these upper bounds.
    ///
    /// # Errors
    ///
    /// [`BucketsError`] for a bound that is not finite or not above the one before it, and for too many bounds.
    pub fn new(bounds: impl IntoIterator<Item = f64>) -> Result<Self, BucketsError> {
        ascending(bounds, Self::MAX, f64::is_finite).map(Self).map_err(|error| match error {
            AscendingError::NotAllowed(bound) => BucketsError::NotFinite { bound },
            AscendingError::NotAscending { number: bound, after } => BucketsError::NotAscending { bound, after },
            AscendingError::TooMany => BucketsError::TooMany,
        })
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self(Arc::new(DEFAULT_BOUNDS))
    }
}

/// The upper bounds, ascending.
impl Deref for Buckets {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0
    }
}

/// Why numbers cannot be the bounds of [`Buckets`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BucketsError {
    /// A bound is NaN or infinite.
    NotFinite {
        /// That bound.
        bound: f64,
    },
    /// A bound is not above the one before it.
    NotAscending {
        /// That bound.
        bound: f64,
        /// The bound before it.
        after: f64,
    },
    /// There are more than [`Buckets::MAX`] bounds.
    TooMany,
}

impl fmt::Display for BucketsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { bound } if *bound == f64::INFINITY => f.write_str("the bucket +Inf is implied; leave it out"),
            Self::NotFinite { bound } => write!(f, "the bucket bound {bound} is not a finite number"),
            Self::NotAscending { bound, after } => {
                write!(f, "bucket bounds must ascend, but {after} is followed by {bound}; sort them and write each once")
            }
            Self::TooMany => write!(f, "there are more than {} bucket bounds", Buckets::MAX),
        }
    }
}

impl std::error::Error for BucketsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_make_an_invalid_exposition_are_rejected() {
        for bad in [&[1.0, 1.0][..], &[2.0, 1.0], &[0.0, -0.0], &[f64::NAN], &[1.0, f64::INFINITY], &[f64::NEG_INFINITY, 1.0]] {
            assert!(Buckets::new(bad.iter().copied()).is_err(), "{bad:?}");
        }
        assert!(Buckets::new((0..10_000).map(f64::from)).is_ok());
        assert_eq!(Buckets::new((0..10_001).map(f64::from)), Err(BucketsError::TooMany));
        assert_eq!(Buckets::new((0..).map(f64::from)), Err(BucketsError::TooMany), "an endless iterator ends");
    }

    #[test]
    fn good_bounds_stay_as_they_are() {
        assert_eq!(*Buckets::new([-1.0, 0.5]).unwrap(), [-1.0, 0.5]);
        assert!(Buckets::new([]).unwrap().is_empty() && Buckets::new([-0.0]).unwrap()[0].is_sign_positive());
        assert_eq!(Buckets::new(DEFAULT_BOUNDS), Ok(Buckets::default()));
    }
}
