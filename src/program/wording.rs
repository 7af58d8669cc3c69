//! Reads JSON values, and writes numbers, sizes, shares and durations as the page and the terminal show them.

use serde_json::Value;

/// The text of a JSON string; empty for any other value.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a JSON array; none for any other value.
pub(super) fn list(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The number of a JSON value; 0 for any other value.
pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// A whole number with separators: 1,234,567.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number <= -0.5 { format!("-{grouped}") } else { grouped }
}

/// A number with about three digits: 0.25, 12.3, 1,234.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => count(number),
        size if size >= 10.0 => trimmed(format!("{number:.1}")),
        size if size >= 0.01 => trimmed(format!("{number:.2}")),
        _ => "<0.01".to_owned(),
    }
}

/// The value of a series: whole, or with three places.
pub(super) fn precise(number: f64) -> String {
    match number.abs() {
        size if size.fract() == 0.0 && size < 1e15 => count(number),
        size if (1e-3..1e9).contains(&size) => trimmed(format!("{number:.3}")),
        _ => format!("{number:e}"),
    }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A size: 1.5 MiB.
pub(super) fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (number, 0);
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", short(size), units.get(unit).copied().unwrap_or_default())
}

/// A duration: 12 s, 5 min, 3 h, 2 d.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", (s / 60.0).floor()),
        s if s < 172_800.0 => format!("{:.0} h", (s / 3_600.0).floor()),
        s => format!("{:.0} d", (s / 86_400.0).floor()),
    }
}

/// A share of a whole, in percent.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole <= 0.0 { "0 %".to_owned() } else { format!("{} %", trimmed(format!("{:.1}", part * 100.0 / whole))) }
}

/// A sentence: with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) || text.is_empty() { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// What a file is that is reloaded, by its name in the API.
pub(super) fn reloaded_file(name: &str) -> &'static str {
    match name {
        "rules" => "the mapping files",
        "web" => "the web configuration file",
        "push" => "the push configuration file",
        _ => "the TLS configuration file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        assert_eq!([0.0, 999.0, 1_234_567.0, -1_000.0].map(count), ["0", "999", "1,234,567", "-1,000"]);
        assert_eq!([0.0, 0.25, 1.0, 12.34, 1_234.5, 0.001].map(short), ["0", "0.25", "1", "12.3", "1,234", "<0.01"]);
        assert_eq!([2.0, 0.1, 411.775_000_001, 1e300, 0.000_1, f64::NAN].map(precise), ["2", "0.1", "411.775", "1e300", "1e-4", "NaN"]);
        assert_eq!([0.0, 1_536.0, 134_217_728.0].map(bytes), ["0 B", "1.5 KiB", "128 MiB"]);
        assert_eq!([5.0, 119.0, 121.0, 7_300.0, 200_000.0].map(duration), ["5 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!((share(1.0, 3.0), share(1.0, 0.0)), ("33.3 %".to_owned(), "0 %".to_owned()));
        assert_eq!((sentence("the value is"), sentence("Is it?")), ("The value is.".to_owned(), "Is it?".to_owned()));
    }
}
