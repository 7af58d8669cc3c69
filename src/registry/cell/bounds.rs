//! What all cells of a family of histograms share: the bounds of classic buckets, and how native ones are kept.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::options::NativeOptions;

/// Ascending finite upper bounds, behind a pointer of one word: a binding that leads to a histogram then fits a cache line.
///
/// Beside them, whether cells are to keep native buckets too: they cost memory, so they may begin only when somebody asks.
#[derive(Debug)]
pub struct Bounds {
    bounds: Box<[f64]>,
    /// `None`: never.
    native: Option<NativeOptions>,
    /// Only ever goes up.
    is_native_wanted: AtomicBool,
    /// For cells without native buckets, whatever is wanted: made where memory is short.
    classic_only: OnceLock<Arc<Self>>,
}

impl Bounds {
    /// These bounds, for all cells of a family; with `native`, native buckets once they are wanted.
    pub fn shared(bounds: &[f64], native: Option<NativeOptions>) -> Arc<Self> {
        let (bounds, is_native_wanted, classic_only) = (bounds.into(), AtomicBool::new(false), OnceLock::new());
        Arc::new(Self { bounds, native, is_native_wanted, classic_only })
    }

    /// The same bounds for cells that are to stay without native buckets.
    pub(crate) fn classic_only(&self) -> &Arc<Self> {
        self.classic_only.get_or_init(|| Self::shared(&self.bounds, None))
    }

    /// How native buckets are kept, if they may be.
    pub fn native(&self) -> Option<&NativeOptions> {
        self.native.as_ref()
    }

    /// Whether cells are to keep native buckets.
    #[inline(always)]
    pub fn is_native_wanted(&self) -> bool {
        self.is_native_wanted.load(Relaxed)
    }

    /// From now on cells are to keep native buckets, if they may.
    pub fn want_native(&self) {
        self.is_native_wanted.store(self.native.is_some(), Relaxed);
    }
}

/// What somebody asked for; whether native buckets are kept already does not count.
impl PartialEq for Bounds {
    fn eq(&self, other: &Self) -> bool {
        self.bounds == other.bounds && self.native == other.native
    }
}

impl std::ops::Deref for Bounds {
    type Target = [f64];

    #[inline(always)]
    fn deref(&self) -> &[f64] {
        &self.bounds
    }
}
