//! time: timestamps on a timeline that never goes back, and the offset of the wall clock from it. The core reads no clock: callers pass
//! the time as an argument.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Milliseconds since the Unix epoch, on the caller's timeline: from 1970 to the end of the year 9999, [`MAX`](Self::MAX).
///
/// Take it from a clock that never goes back. If the wall clock is set while the program runs, pass the difference to
/// [`Bridge::set_wall_offset`](crate::Bridge::set_wall_offset).
/// A program that does not handle changes of the wall clock can use `Timestamp::from(SystemTime::now())`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last millisecond of the year 9999, the largest protobuf timestamp.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Makes a timestamp from milliseconds since the Unix epoch. A number above [`MAX`](Self::MAX) becomes `MAX`.
    pub const fn from_millis(millis: u64) -> Self {
        // Cells use larger numbers as marks, and the sum of a time and a duration must not overflow.
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this time; 0 if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Adds `millis`, which may be negative. The result is limited to the range from 0 to [`MAX`](Self::MAX).
    pub(crate) const fn shifted(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add_signed(millis))
    }
}

/// A time before 1970 becomes 0, and a time after the year 9999 becomes [`Timestamp::MAX`].
impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let millis = time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// The offset of the wall clock from the timeline, in milliseconds; positive if the wall clock is ahead. Created timestamps, exemplars
/// and snapshots use wall time, because other programs or a later process read them. Durations, such as a ttl, use the timeline.
#[derive(Debug, Default)]
pub(crate) struct WallOffset(AtomicI64);

impl WallOffset {
    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Relaxed);
    }

    pub(crate) fn millis(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// Converts a time on the timeline to wall time with the current offset.
    pub(crate) fn of(&self, time: Timestamp) -> Timestamp {
        time.shifted(self.millis())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn times_end_with_the_year_9999() {
        for millis in [Timestamp::MAX.as_millis() + 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(Timestamp::from_millis(millis), Timestamp::MAX);
        }
        assert_eq!(Timestamp::MAX.shifted(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(5).shifted(i64::MIN), Timestamp::from_millis(0));
    }

    #[test]
    fn the_system_clock_is_within_the_bounds() {
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(7)), Timestamp::from_millis(7));
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), Timestamp::from_millis(0));
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)), Timestamp::MAX);
    }
}
