//! Guesses the unit of bucket bounds: seconds or milliseconds. Knows no rules.

/// Multiples of minutes in seconds, which are usual for long times.
const CLOCK: [f64; 15] =
    [60.0, 120.0, 180.0, 240.0, 900.0, 1200.0, 1800.0, 3600.0, 5400.0, 7200.0, 10_800.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0];

/// Whether bounds are unusual as seconds and usual as milliseconds: hundreds and thousands, none below 1, no minutes or hours.
pub(super) fn look_like_milliseconds(bounds: &[f64]) -> bool {
    let (Some(least), Some(most)) = (bounds.first(), bounds.last()) else { return false };
    if bounds.iter().any(|bound| CLOCK.contains(bound)) || *least < 1.0 {
        return false;
    }
    let hundreds = bounds.iter().filter(|bound| **bound >= 100.0).count();
    *least >= 100.0 || *least >= 5.0 && *most >= 1000.0 || hundreds >= 3 && *most >= 500.0
}

/// Whether bounds are usual as seconds, and too small as milliseconds.
pub(super) fn look_like_seconds(bounds: &[f64]) -> bool {
    let (Some(least), Some(most)) = (bounds.first(), bounds.last()) else { return false };
    *least > 0.0 && *least < 0.1 && *most <= 120.0
}

/// Whether values in bytes are above all bounds.
pub(super) fn are_too_small_for_bytes(bounds: &[f64]) -> bool {
    bounds.first().is_some_and(|least| *least < 1.0) && bounds.last().is_some_and(|most| *most <= 300.0)
}

/// The bounds times `factor`, as a YAML list.
pub(super) fn times(bounds: &[f64], factor: f64) -> String {
    let bounds: Vec<String> = bounds.iter().map(|bound| plain(bound * factor)).collect();
    format!("[{}]", bounds.join(", "))
}

/// Formats a number without rounding errors at its end.
fn plain(number: f64) -> String {
    let text = format!("{number:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_and_long_times_are_distinguished() {
        for bounds in [
            &[100.0, 250.0, 1000.0][..],
            &[5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0],
            &[1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0],
            &[500.0, 1000.0, 5000.0, 1e6],
        ] {
            assert!(look_like_milliseconds(bounds), "{bounds:?}");
        }
        for bounds in [
            &[][..],
            &[0.005, 0.01, 1.0, 10.0],
            &[0.1, 1.0, 10.0, 100.0, 1000.0],
            &[1.0, 10.0, 100.0, 1000.0],
            &[1.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0],
            &[10.0, 30.0, 60.0, 120.0, 300.0, 600.0],
            &[300.0, 600.0, 1800.0, 3600.0],
            &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0],
            &[10.0, 50.0, 100.0, 200.0],
        ] {
            assert!(!look_like_milliseconds(bounds), "{bounds:?}");
        }
    }

    #[test]
    fn seconds_and_milliseconds_are_distinguished() {
        assert!(look_like_seconds(&[0.005, 0.01, 0.1, 1.0, 10.0, 60.0]));
        assert!(!look_like_seconds(&[0.1, 1.0, 10.0]) && !look_like_seconds(&[0.01, 1.0, 1000.0]) && !look_like_seconds(&[]));
    }

    #[test]
    fn bounds_are_written_without_rounding_errors() {
        assert_eq!(times(&[0.005, 0.3, 2.5, 10.0], 1000.0), "[5, 300, 2500, 10000]");
        assert_eq!(times(&[100.0, 250.0, 1e6], 0.001), "[0.1, 0.25, 1000]");
    }
}
