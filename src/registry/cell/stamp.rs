//! The stamp of a cell: the time of the last write, or the mark of a retired cell, in one word.
//!
//! A writer that finds the mark does not write. A writer that looked before the mark was set overwrites it with its time, and the
//! cell stays alive. So if the mark is still there after every writer has looked again, the cell was not written, and can be
//! removed.

use std::sync::atomic::Ordering::Relaxed;

use super::AtomicU64;

/// The mark of a retired cell. No time has this value.
const RETIRED: u64 = u64::MAX;

/// The word of a cell with the milliseconds of its last write, or the mark.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a>(&'a AtomicU64);

impl<'a> Stamp<'a> {
    /// The stamp in this word.
    #[inline(always)]
    pub(super) fn new(word: &'a AtomicU64) -> Self {
        Self(word)
    }

    /// Notes a write that follows. Returns false if the cell is retired and must not be written.
    #[inline(always)]
    pub fn touch(self, millis: u64) -> bool {
        if self.0.load(Relaxed) == RETIRED {
            return false;
        }
        self.0.store(millis, Relaxed);
        true
    }

    /// Milliseconds of the last write; `None` if retired.
    pub fn last(self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|millis| *millis != RETIRED)
    }

    /// Retires the cell if it was last written at `last`.
    pub fn retire(self, last: u64) -> bool {
        self.0.compare_exchange(last, RETIRED, Relaxed, Relaxed).is_ok()
    }

    /// Replaces the mark with a time. Does nothing if the cell is not retired.
    pub fn revive(self, millis: u64) {
        let _ = self.0.compare_exchange(RETIRED, millis, Relaxed, Relaxed);
    }

    /// Retires the cell whenever it was last written, for a series that is removed at once.
    pub fn retire_now(self) {
        self.0.store(RETIRED, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_did_not_see_the_mark_takes_it_off() {
        let word = AtomicU64::new(5);
        let stamp = Stamp::new(&word);
        assert!(!stamp.retire(4), "written since");
        assert!(stamp.retire(5));
        assert!(!stamp.touch(9) && stamp.last().is_none());
        stamp.revive(10);
        assert!(stamp.touch(11));
        assert_eq!(stamp.last(), Some(11));
        stamp.revive(1);
        assert_eq!(stamp.last(), Some(11), "only the mark is taken off");
    }
}
