//! The program's clock: a timeline that never goes back, and how far the wall clock is ahead of it. The core has no clock; its callers ask
//! this one and pass the time on.
//!
//! The timeline begins at the wall time of the start. It goes on while the machine sleeps, and does not care when the wall clock is set.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::bridge::Bridge;
use crate::time::Timestamp;

/// How far the offset may be off. Clocks that are slewed, and the time between two readings, are not to move times that somebody has seen.
const OFFSET_SLACK_MS: u64 = 500;

/// From here on a change of the offset is no slewing but a clock that was set, or a machine that slept.
const STEP_MS: u64 = 2_000;

static ANCHOR: LazyLock<Anchor> = LazyLock::new(Anchor::here);
static SUSPENDED_MS: AtomicU64 = AtomicU64::new(0);
static WALL_OFFSET_MS: AtomicI64 = AtomicI64::new(0);

/// What the clocks said at the start.
struct Anchor {
    instant: Instant,
    since_boot: Duration,
    since_epoch: Duration,
}

impl Anchor {
    fn here() -> Self {
        Self { since_boot: since_boot(), instant: Instant::now(), since_epoch: since_epoch() }
    }
}

/// The time of now, on the timeline.
pub(crate) fn now() -> Timestamp {
    at(Instant::now())
}

/// The time of an instant that was read already, on the timeline.
pub(crate) fn at(instant: Instant) -> Timestamp {
    let awake = ANCHOR.since_epoch.saturating_add(instant.saturating_duration_since(ANCHOR.instant));
    Timestamp::from_millis(millis(awake).saturating_add(SUSPENDED_MS.load(Relaxed)))
}

/// A time of the timeline as the wall clock has it.
pub(crate) fn to_wall(time: Timestamp) -> Timestamp {
    time.shifted(WALL_OFFSET_MS.load(Relaxed))
}

/// Reads all clocks anew, and tells the bridge how far the wall clock is ahead of the timeline. To be called about once a second, and
/// before a snapshot.
pub(crate) fn refresh(bridge: &Bridge) {
    // In this order: the time between two readings is not taken for sleep.
    let since_boot = since_boot().saturating_sub(ANCHOR.since_boot);
    let suspended_ms = millis(since_boot.saturating_sub(ANCHOR.instant.elapsed()));
    SUSPENDED_MS.fetch_max(suspended_ms, Relaxed);
    let (old_ms, seen_ms) = (WALL_OFFSET_MS.load(Relaxed), ahead_ms(since_epoch(), now()));
    if let Some(offset_ms) = changed(old_ms, seen_ms) {
        WALL_OFFSET_MS.store(offset_ms, Relaxed);
        if offset_ms.abs_diff(old_ms) >= STEP_MS {
            tracing::info!(seconds = (offset_ms - old_ms) as f64 / 1000.0, "the wall clock was set; what is measured goes on as before");
        }
    }
    bridge.set_wall_offset(WALL_OFFSET_MS.load(Relaxed));
}

/// The offset in the place of `old_ms`, if the one that was seen differs from it by more than slewing does.
fn changed(old_ms: i64, seen_ms: i64) -> Option<i64> {
    (seen_ms.abs_diff(old_ms) > OFFSET_SLACK_MS).then_some(seen_ms)
}

/// How far a wall clock is ahead of the timeline.
fn ahead_ms(since_epoch: Duration, now: Timestamp) -> i64 {
    let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    signed(millis(since_epoch)) - signed(now.as_millis())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A wall clock before 1970 counts as 1970.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Time since the machine was booted, sleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Other systems have no such clock of this name: their timeline stands still while the machine sleeps, and the wall clock seems to have
/// been set when it wakes up.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn since_boot() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_the_monotonic_one() {
        let instant = Instant::now() + Duration::from_secs(60);
        let later = at(instant + Duration::from_millis(1500));
        assert!((1499..=1501).contains(&later.millis_since(at(instant))));
        let known = Timestamp::from_millis(1_700_000_000_000);
        assert!(now() > known, "milliseconds since 1970, not seconds");
    }

    #[test]
    fn only_a_clock_that_was_set_moves_the_offset() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let seen = |millis| ahead_ms(Duration::from_millis(millis), now);
        assert_eq!([seen(1_700_000_000_400), seen(1_700_172_800_000), seen(0)], [400, 172_800_000, -1_700_000_000_000]);
        assert_eq!([changed(0, 500), changed(0, -500), changed(7_000, 7_499)], [None; 3]);
        assert_eq!([changed(0, 501), changed(0, -172_800_000), changed(7_000, 0)], [Some(501), Some(-172_800_000), Some(0)]);
    }
}
