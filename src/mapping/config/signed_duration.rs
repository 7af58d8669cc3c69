//! Parses durations in Go's format, such as `1h2m3.5s`, and optionally days.

/// Nanoseconds per unit. A name precedes its own prefixes, because the first match is used: `ms` before `m`.
const UNITS: [(&str, f64); 9] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86_400e9)];

/// The maximum of Go's durations: 292 years.
const MAX_NANOS: f64 = i64::MAX as f64;

/// Parses a duration and returns milliseconds, negative with a leading `-`. A non-zero duration is at least one millisecond, because
/// zero has a special meaning. `days` enables the unit `d`. The error text suggests a correction.
pub(super) fn parse(text: &str, days: bool) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits == "0" {
        return Ok(0);
    }
    if digits.parse::<f64>().is_ok() && digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(format!("`{text}` has no unit: write {text}s for seconds"));
    }
    let mut nanos = 0.0;
    let mut rest = digits;
    while !rest.is_empty() {
        let (part, after) = component(rest, days).ok_or_else(|| malformed(text))?;
        nanos += part;
        rest = after;
    }
    if digits.is_empty() {
        return Err(malformed(text));
    }
    if nanos >= MAX_NANOS {
        return Err(format!("`{text}` is longer than 292 years"));
    }
    let millis = if nanos > 0.0 { (nanos / 1e6).max(1.0) } else { 0.0 };
    Ok(sign * millis as i64)
}

/// Parses a number with its unit at the start of `text`. Returns nanoseconds and the rest of the text.
fn component(text: &str, days: bool) -> Option<(f64, &str)> {
    let (number, after) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let (unit, nanos) = UNITS.into_iter().find(|(unit, _)| after.starts_with(unit))?;
    if unit == "d" && !days {
        return None;
    }
    // `number` consists of digits and dots, so Rust's words such as `inf`, signs and exponents cannot occur.
    Some((number.parse::<f64>().ok()? * nanos, after.get(unit.len()..)?))
}

fn malformed(text: &str) -> String {
    match text.strip_suffix('d').and_then(|days| days.parse::<f64>().ok()).filter(|days| days.is_finite()) {
        Some(days) => format!("`{text}` has the unit d, which needs `syntax: extended`; or write {}h", days * 24.0),
        None => match suggestion(text) {
            Some(meant) => format!("`{text}` is not a duration: write {meant}"),
            None => format!("`{text}` is not a duration: write one like 250ms, 30s, 1h30m"),
        },
    }
}

/// Returns the valid form of a duration such as `5 minutes`, `5min` or `1w`.
fn suggestion(text: &str) -> Option<String> {
    let (number, word) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let word = word.trim().to_lowercase();
    let (unit, times) = match word.strip_suffix('s').filter(|stem| stem.len() > 1).unwrap_or(&word) {
        "ms" | "msec" | "millisecond" | "millis" => ("ms", 1.0),
        "s" | "sec" | "second" => ("s", 1.0),
        "m" | "min" | "minute" => ("m", 1.0),
        "h" | "hr" | "hour" => ("h", 1.0),
        "d" | "day" => ("h", 24.0),
        "w" | "week" => ("h", 168.0),
        _ => return None,
    };
    Some(format!("{}{unit}", number * times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed() {
        for (text, millis) in
            [("0", 0), ("0s", 0), ("1h2m3.5s", 3_723_500), ("-5s", -5_000), ("+.5s", 500), ("1.s", 1_000), ("1us", 1), ("3h", 10_800_000)]
        {
            assert_eq!(parse(text, false), Ok(millis), "{text}");
        }
        assert_eq!(parse("1d12h", true), Ok(129_600_000));
    }

    #[test]
    fn invalid_durations_are_rejected_with_a_suggestion() {
        for text in ["", "-", "5x", "1d", "s", ".s", "1..5s", "1s5", "1 s", "1e3s", "infs", "inf", "1e3", "9999999999h"] {
            assert!(parse(text, false).is_err(), "{text}");
        }
        assert!(parse("30", true).unwrap_err().contains("write 30s"));
        assert!(parse("2d", false).unwrap_err().contains("write 48h"));
        for (text, says) in
            [("5 minutes", "write 5m"), ("5min", "write 5m"), ("1w", "write 168h"), ("10 S", "write 10s"), ("20 msecs", "write 20ms")]
        {
            assert!(parse(text, false).unwrap_err().ends_with(says), "{text}");
        }
    }
}
