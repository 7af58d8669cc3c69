//! A counter: a sum that never goes down.

use std::sync::atomic::Ordering::Relaxed;

use super::{AtomicU64, Stamp};

/// One worker's part of a counter.
#[derive(Debug, Default)]
pub struct CounterCell {
    bits: AtomicU64,
    stamp: AtomicU64,
}

impl CounterCell {
    /// Adds `amount`, which is finite and not negative. Returns false, and changes nothing, if the sum would not be finite.
    ///
    /// Only the cell's one writer may call this, because load and store are two steps.
    #[inline(always)]
    pub fn add(&self, amount: f64) -> bool {
        let sum = f64::from_bits(self.bits.load(Relaxed)) + amount;
        if sum.is_finite() {
            self.bits.store(sum.to_bits(), Relaxed);
        }
        sum.is_finite()
    }

    /// The time of the last write, or the tombstone.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp::new(&self.stamp)
    }

    /// The sum so far.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_adds_and_never_becomes_infinite() {
        let cell = CounterCell::default();
        assert!(cell.add(1.5) && cell.add(0.0) && cell.add(1e308));
        assert!(!cell.add(1e308));
        assert_eq!(cell.get(), 1e308 + 1.5);
    }
}
