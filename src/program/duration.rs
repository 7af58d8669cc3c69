//! Parses durations in the format of Go: `250ms`, `1m30s`, `1.5h`, `0`. Must not know what a duration is for.

use std::time::Duration;

/// Nanoseconds per unit. A unit precedes all units that are its prefix.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a duration from 0 to one year.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(366 * 24 * 3600);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let malformed = || format!("expected a duration such as 250ms, 1m30s or 2h, got {text:?}");
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(malformed)?;
        let (number, after) = rest.split_at(end);
        let (nanos, after) = UNITS.iter().find_map(|(unit, nanos)| Some((*nanos, after.strip_prefix(unit)?))).ok_or_else(malformed)?;
        // The text has digits and dots only, so no sign, exponent or infinity.
        let number: f64 = number.parse().map_err(|_| malformed())?;
        let part = Duration::try_from_secs_f64(number * nanos as f64 / 1e9).map_err(|_| malformed())?;
        total = total.checked_add(part).filter(|total| *total <= MAX).ok_or("expected a duration of at most one year")?;
        rest = after;
    }
    if text.is_empty() { Err(malformed()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in
            [("0", 0), ("0s", 0), ("250ms", 250), ("1m30s", 90_000), ("1.5h", 5_400_000), (".5s", 500), ("1h1ms", 3_600_001)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("100us"), Ok(Duration::from_micros(100)));
        assert_eq!(parse("100µs"), Ok(Duration::from_micros(100)));
        assert_eq!(parse("7ns"), Ok(Duration::from_nanos(7)));
    }

    #[test]
    fn invalid_durations() {
        for text in ["", "5", "-1s", "+1s", "1d", "s", ".s", "1..5s", "1s5", "1 s", "1e3s", "infs", "9000h", "99999999999999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
