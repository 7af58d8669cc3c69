//! The stamp of a cell: the time of the last write, or a tombstone, in one word.
//!
//! A writer that finds the tombstone does not write. A writer that checked before the tombstone was set overwrites it with its time, and
//! the cell stays alive. So if the tombstone is still there when every such call has ended, the cell was not written, and can be removed.

use std::sync::atomic::Ordering::Relaxed;

use super::AtomicU64;

/// The tombstone. No time has this value.
const TOMBSTONE: u64 = u64::MAX;

/// The word of a cell with the milliseconds of its last write, or the tombstone.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a>(&'a AtomicU64);

impl<'a> Stamp<'a> {
    /// The stamp in this word.
    #[inline(always)]
    pub(super) fn new(word: &'a AtomicU64) -> Self {
        Self(word)
    }

    /// Notes a write that follows. Returns false if the cell has a tombstone and must not be written.
    #[inline(always)]
    pub fn touch(self, millis: u64) -> bool {
        if self.0.load(Relaxed) == TOMBSTONE {
            return false;
        }
        self.0.store(millis, Relaxed);
        true
    }

    /// Milliseconds of the last write; `None` for a tombstone.
    pub fn last(self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|millis| *millis != TOMBSTONE)
    }

    /// Sets the tombstone if the cell was last written at `last`.
    pub fn expire(self, last: u64) -> bool {
        self.0.compare_exchange(last, TOMBSTONE, Relaxed, Relaxed).is_ok()
    }

    /// Replaces the tombstone with a time. Does nothing without a tombstone.
    pub fn revive(self, millis: u64) {
        let _ = self.0.compare_exchange(TOMBSTONE, millis, Relaxed, Relaxed);
    }

    /// Sets the tombstone regardless of the last write, for a series that is removed at once.
    pub fn expire_now(self) {
        self.0.store(TOMBSTONE, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_missed_the_tombstone_removes_it() {
        let word = AtomicU64::new(5);
        let stamp = Stamp::new(&word);
        assert!(!stamp.expire(4), "written since");
        assert!(stamp.expire(5));
        assert!(!stamp.touch(9) && stamp.last().is_none());
        stamp.revive(10);
        assert!(stamp.touch(11));
        assert_eq!(stamp.last(), Some(11));
        stamp.revive(1);
        assert_eq!(stamp.last(), Some(11), "only a tombstone is replaced");
    }
}
