//! Time as the core knows it: a number that is handed in, on a timeline that never goes back; and how far the wall clock is from it.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Milliseconds since the Unix epoch, on the caller's timeline. Whoever drives the core makes it from a clock that never goes back; if the
/// wall clock is set meanwhile, [`Bridge::set_wall_offset`](crate::Bridge::set_wall_offset) says by how much the two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this; 0 where it is not earlier.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many milliseconds later, or earlier; not before 0.
    pub(crate) const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add_signed(millis))
    }
}

/// How many milliseconds the wall clock is ahead of the timeline. What leaves the bridge or outlives it is said in wall time: created
/// timestamps, exemplars, snapshots. All that is measured in between, such as a ttl, stays on the timeline.
#[derive(Debug, Default)]
pub(crate) struct WallOffset(AtomicI64);

impl WallOffset {
    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Relaxed);
    }

    pub(crate) fn millis(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// The wall time of a moment on the timeline, as far as is known now.
    pub(crate) fn of(&self, time: Timestamp) -> Timestamp {
        time.shifted(self.millis())
    }
}
