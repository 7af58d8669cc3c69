//! A gauge: a value that samples set or change by an amount. All workers share its cell.

use std::sync::atomic::Ordering::Relaxed;

use super::{AtomicU64, Stamp};

/// The value of a gauge.
#[derive(Debug, Default)]
pub struct GaugeCell {
    bits: AtomicU64,
    stamp: AtomicU64,
}

impl GaugeCell {
    /// Sets the value. Returns false, and changes nothing, if it is not finite.
    #[inline(always)]
    pub fn set(&self, value: f64) -> bool {
        if value.is_finite() {
            self.bits.store(value.to_bits(), Relaxed);
        }
        value.is_finite()
    }

    /// Adds to the value. Returns false, and changes nothing, if the result would not be finite.
    #[inline]
    pub fn change(&self, by: f64) -> bool {
        let changed = |bits| Some(f64::from_bits(bits) + by).filter(|v| v.is_finite()).map(f64::to_bits);
        self.bits.fetch_update(Relaxed, Relaxed, changed).is_ok()
    }

    /// The time of the last write, or the tombstone.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    /// The current value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_and_changed_from_any_thread() {
        let cell = GaugeCell::default();
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..1000).for_each(|_| assert!(cell.change(1.0))));
            }
        });
        assert_eq!(cell.get(), 4000.0);
        assert!(cell.set(-1e308) && !cell.set(f64::INFINITY));
        assert!(!cell.change(-1e308));
        assert_eq!(cell.get(), -1e308);
    }
}
