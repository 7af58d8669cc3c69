//! The part that all cells of a histogram family share: the bounds of classic buckets, and the options of native buckets.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::options::NativeOptions;

/// Ascending finite upper bounds. The pointer to them is one word, so that a binding of a histogram fits a cache line.
///
/// Also determines whether cells keep native buckets. These cost memory, so they may start only when a scraper asks for them.
#[derive(Debug)]
pub struct Bounds {
    bounds: Box<[f64]>,
    /// `None` if cells never have native buckets.
    native: Option<NativeOptions>,
    /// Never becomes false again.
    is_native_wanted: AtomicBool,
    /// The same bounds for cells that stay without native buckets, because memory is short.
    classic_only: OnceLock<Arc<Self>>,
}

impl Bounds {
    /// Bounds for all cells of a family. With `native`, cells have native buckets once they are wanted.
    pub fn shared(bounds: &[f64], native: Option<NativeOptions>) -> Arc<Self> {
        let (bounds, is_native_wanted, classic_only) = (bounds.into(), AtomicBool::new(false), OnceLock::new());
        Arc::new(Self { bounds, native, is_native_wanted, classic_only })
    }

    /// The same bounds for cells that stay without native buckets.
    pub(crate) fn classic_only(&self) -> &Arc<Self> {
        self.classic_only.get_or_init(|| Self::shared(&self.bounds, None))
    }

    /// The options of native buckets, if cells may have them.
    pub fn native(&self) -> Option<&NativeOptions> {
        self.native.as_ref()
    }

    /// Whether native buckets are wanted.
    #[inline(always)]
    pub fn is_native_wanted(&self) -> bool {
        self.is_native_wanted.load(Relaxed)
    }

    /// Makes cells keep native buckets from now on, if they may have them.
    pub fn want_native(&self) {
        self.is_native_wanted.store(self.native.is_some(), Relaxed);
    }
}

/// Compares the configuration, not whether native buckets are wanted yet.
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
