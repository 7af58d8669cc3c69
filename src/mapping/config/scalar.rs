//! Parses numbers that statsd_exporter's YAML parser interprets differently: `010` is octal; `1__0`, `1_0.5` and `.inf` are numbers;
//! `1e400` is a text.

/// Returns the value of an octal number with a leading zero, such as `010` or `-0_17`, and `None` for any other text.
pub(super) fn octal(written: &str) -> Option<f64> {
    let (sign, digits) = signed(written);
    let digits = digits.strip_prefix('0')?.replace('_', "");
    let is_octal = !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    is_octal.then(|| digits.bytes().fold(0.0, |sum, digit| sum * 8.0 + f64::from(digit - b'0')) * sign)
}

/// Returns the text of a scalar that the parser does not treat as a number, and its number if it is one. `written` is the scalar as
/// written in the file, including quotes.
pub(super) fn text(value: String, written: &str) -> (String, Option<f64>) {
    if written.starts_with(['\'', '"']) {
        return (value, None);
    }
    // The parser replaces a number that is too big with the text `.inf`.
    let is_replaced = matches!(value.as_str(), ".inf" | "-.inf" | ".nan");
    (if is_replaced { written.to_owned() } else { value }, number(written))
}

/// Parses numbers that are not finite, and numbers with `_` where only Go accepts it.
fn number(written: &str) -> Option<f64> {
    match written {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    if !written.contains('_') || !written.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain = written.replace('_', "");
    octal(&plain).or_else(|| prefixed(&plain)).or_else(|| decimal(&plain))
}

/// Parses a number with the prefix `0x`, `0o` or `0b`.
fn prefixed(plain: &str) -> Option<f64> {
    let (sign, digits) = signed(plain);
    let (prefix, digits) = digits.split_at_checked(2)?;
    let base = match prefix {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return None,
    };
    // `from_str_radix` accepts a sign, but the sign was already removed.
    let number = u64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with('+'))?;
    Some(number as f64 * sign)
}

/// Parses a decimal number with an optional exponent. Unlike Rust's parser it rejects words such as `inf`.
fn decimal(plain: &str) -> Option<f64> {
    let (sign, digits) = signed(plain);
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let number = digits.parse::<f64>().ok().filter(|number| is_plain && number.is_finite())?;
    (!digits.starts_with(['+', '-'])).then_some(number * sign)
}

/// Splits the sign from a number and returns it as 1 or -1.
fn signed(written: &str) -> (f64, &str) {
    match written.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, written.strip_prefix('+').unwrap_or(written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values were observed as `scale:` in a running statsd_exporter.
    #[test]
    fn numbers_are_parsed_like_in_statsd_exporter() {
        for (written, wanted) in [
            ("010", Some(8.0)),
            ("0777", Some(511.0)),
            ("-010", Some(-8.0)),
            ("+0_17", Some(15.0)),
            ("08", None),
            ("0", None),
            ("0.5", None),
            ("0x10", None),
        ] {
            assert_eq!(octal(written), wanted, "{written}");
        }
        for (written, wanted) in [
            ("1__0", Some(10.0)),
            ("1_", Some(1.0)),
            ("1_0.5", Some(10.5)),
            ("1.5_0", Some(1.5)),
            (".5_0", Some(0.5)),
            ("1_.5", Some(1.5)),
            ("-1_0e1_0", Some(-10e10)),
            ("0x_1_F", Some(31.0)),
            ("0b_1_1", Some(3.0)),
            ("01__0", Some(8.0)),
            (".INF", Some(f64::INFINITY)),
            ("-.inf", Some(f64::NEG_INFINITY)),
            ("_1", None),
            ("1_x", None),
            ("1_000 s", None),
            ("+-1_0", None),
            ("1_e400", None),
            ("in_f", None),
            (".iNF", None),
            ("1e400", None),
            ("nan", None),
        ] {
            assert_eq!(number(written), wanted, "{written}");
        }
        assert!(number(".NaN").is_some_and(f64::is_nan));
    }
}
