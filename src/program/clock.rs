//! The program's clock: wall time that never goes back. The core has no clock; its callers ask this one and pass the time on.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// The time of now: wall time that never goes back. It is read once, then advanced by the monotonic clock.
pub(crate) fn now() -> Timestamp {
    at(Instant::now())
}

/// The time of an instant that was read already, on the clock of [`now`].
pub(crate) fn at(instant: Instant) -> Timestamp {
    static ANCHOR: LazyLock<(Instant, Duration)> =
        LazyLock::new(|| (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));
    let (start, since_epoch) = *ANCHOR;
    let millis = since_epoch.saturating_add(instant.saturating_duration_since(start)).as_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
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
}
