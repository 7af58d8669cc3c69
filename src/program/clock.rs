//! The program's clock: a monotonic timeline, and the offset of the wall clock from it. The core has no clock; its callers read this
//! clock and pass the time as an argument.
//!
//! The timeline starts at the wall time of the program's start. It includes the time in which the machine sleeps, and does not change when
//! the wall clock is set.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::bridge::Bridge;
use crate::time::Timestamp;

/// Smaller changes of the offset are ignored, so that a slewed clock, or the time between two readings, does not change times that were
/// exposed.
const OFFSET_TOLERANCE_MS: u64 = 500;

/// A change of the offset of at least this size is logged: the clock was set.
const STEP_MS: u64 = 2_000;

static ANCHOR: LazyLock<Anchor> = LazyLock::new(Anchor::read);
static SUSPENDED_MS: AtomicU64 = AtomicU64::new(0);
static WALL_OFFSET_MS: AtomicI64 = AtomicI64::new(0);

/// The readings of the clocks at the start.
struct Anchor {
    instant: Instant,
    since_boot: Duration,
    since_epoch: Duration,
}

impl Anchor {
    fn read() -> Self {
        Self { since_boot: since_boot(), instant: Instant::now(), since_epoch: since_epoch() }
    }
}

/// The current time on the timeline.
pub(crate) fn now() -> Timestamp {
    at(Instant::now())
}

/// The time of an instant on the timeline.
pub(crate) fn at(instant: Instant) -> Timestamp {
    let awake = ANCHOR.since_epoch.saturating_add(instant.saturating_duration_since(ANCHOR.instant));
    Timestamp::from_millis(millis(awake).saturating_add(SUSPENDED_MS.load(Relaxed)))
}

/// Converts a time of the timeline to wall time.
pub(crate) fn to_wall(time: Timestamp) -> Timestamp {
    time.shifted(WALL_OFFSET_MS.load(Relaxed))
}

/// Reads all clocks again, and sets the bridge's offset of the wall clock. Call it about once a second and before a snapshot.
pub(crate) fn refresh(bridge: &Bridge) {
    // The boot clock is read first, so that the time between the two readings does not count as sleep.
    let since_boot = since_boot().saturating_sub(ANCHOR.since_boot);
    let suspended_ms = millis(since_boot.saturating_sub(ANCHOR.instant.elapsed()));
    SUSPENDED_MS.fetch_max(suspended_ms, Relaxed);
    let (old_ms, seen_ms) = (WALL_OFFSET_MS.load(Relaxed), ahead_ms(since_epoch(), now()));
    if let Some(offset_ms) = changed(old_ms, seen_ms) {
        WALL_OFFSET_MS.store(offset_ms, Relaxed);
        if offset_ms.abs_diff(old_ms) >= STEP_MS {
            tracing::info!(seconds = (offset_ms - old_ms) as f64 / 1000.0, "the wall clock was set; ttls and durations do not change");
        }
    }
    bridge.set_wall_offset(WALL_OFFSET_MS.load(Relaxed));
}

/// The new offset, if it differs from `old_ms` by more than the tolerance.
fn changed(old_ms: i64, seen_ms: i64) -> Option<i64> {
    (seen_ms.abs_diff(old_ms) > OFFSET_TOLERANCE_MS).then_some(seen_ms)
}

/// The offset of the wall clock from the timeline.
fn ahead_ms(since_epoch: Duration, now: Timestamp) -> i64 {
    let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    signed(millis(since_epoch)) - signed(now.as_millis())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The wall time. A wall clock before 1970 counts as 1970.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time since the machine started, including sleep.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_else(|_| {
        debug_assert!(false, "the boot clock is negative: {time:?}");
        Duration::ZERO
    })
}

/// Other systems lack this clock. Their timeline stops while the machine sleeps, and the wall clock appears to be set at wake-up.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn since_boot() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_follows_the_monotonic_clock() {
        let instant = Instant::now() + Duration::from_secs(60);
        let later = at(instant + Duration::from_millis(1500));
        assert!((1499..=1501).contains(&later.millis_since(at(instant))));
        let known = Timestamp::from_millis(1_700_000_000_000);
        assert!(now() > known, "the unit is milliseconds");
    }

    #[test]
    fn only_a_clock_that_was_set_changes_the_offset() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let seen = |millis| ahead_ms(Duration::from_millis(millis), now);
        assert_eq!([seen(1_700_000_000_400), seen(1_700_172_800_000), seen(0)], [400, 172_800_000, -1_700_000_000_000]);
        assert_eq!([changed(0, 500), changed(0, -500), changed(7_000, 7_499)], [None; 3]);
        assert_eq!([changed(0, 501), changed(0, -172_800_000), changed(7_000, 0)], [Some(501), Some(-172_800_000), Some(0)]);
    }
}
