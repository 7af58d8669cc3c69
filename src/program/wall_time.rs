//! Timestamps as wall time, for JSON.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::clock;
use crate::time::Timestamp;

/// Converts a timestamp to wall time: milliseconds since the epoch, and RFC 3339 unless the year is beyond 9999.
pub(in crate::program) fn time_of(time: Timestamp) -> (u64, Option<String>) {
    let time = clock::to_wall(time);
    (time.as_millis(), rfc3339(time))
}

/// A time that is wall time already, in RFC 3339; `None` if the year is beyond 9999.
pub(in crate::program) fn rfc3339(time: Timestamp) -> Option<String> {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.as_millis()) * 1_000_000).ok();
    date.and_then(|date| date.format(&Rfc3339).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_both_forms() {
        let text = |millis| time_of(Timestamp::from_millis(millis));
        assert_eq!(text(1_700_000_000_123), (1_700_000_000_123, Some("2023-11-14T22:13:20.123Z".to_owned())));
        assert_eq!(text(0).1.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text(u64::MAX).1.as_deref(), Some("9999-12-31T23:59:59.999Z"), "the last time there is");
    }
}
