//! Numbers in the form of Go's `strconv.FormatFloat(v, 'g', -1, 64)`, which Prometheus' client libraries use.
//!
//! They have the fewest digits that read back as the same double. Numbers below 1e-4 have an exponent, and so have numbers from a
//! million up, as client_golang writes them (`1e+06`, `1.234567e+06`).

/// Numbers with this power of ten or a higher one are written with an exponent.
const LARGE: i32 = 6;

/// Whole numbers below this one have at most 15 digits, so no fewer digits read back as the same double.
const EXACT: f64 = 1e15;

/// Whole numbers from 0 to below this one are digits in every form.
const PLAIN: u32 = 1_000_000;

/// Numbers with a lower power of ten are written with an exponent.
const SMALL: i32 = -4;

/// Appends `value`.
#[inline]
pub(crate) fn push_float(value: f64, out: &mut Vec<u8>) {
    match plain(value) {
        Some(number) => push_plain(number, out),
        None => push_any(value, out),
    }
}

/// Appends `value` in the canonical form of OpenMetrics: with `.0` if it would look like a whole number.
#[inline]
pub(super) fn push_canonical(value: f64, out: &mut Vec<u8>) {
    match plain(value.abs()) {
        Some(number) => {
            if value < 0.0 {
                out.push(b'-');
            }
            push_plain(number, out);
            out.extend_from_slice(b".0");
        }
        None => push_any(value, out),
    }
}

/// Appends a whole count with all its digits, as OpenMetrics requires.
#[inline]
pub(super) fn push_count(count: f64, out: &mut Vec<u8>) {
    match plain(count) {
        Some(number) => push_plain(number, out),
        None => push_any_count(count, out),
    }
}

fn push_any_count(count: f64, out: &mut Vec<u8>) {
    // Above this number, a double cannot represent every whole number.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if count.fract() == 0.0 && (0.0..WHOLE).contains(&count) {
        out.extend_from_slice(itoa::Buffer::new().format(count as u64).as_bytes());
    } else {
        push_canonical(count, out);
    }
}

/// The number as an integer, if it is a small whole number, which is the usual case. -0 becomes 0, because an exposition does not
/// distinguish them.
#[inline]
fn plain(value: f64) -> Option<u32> {
    let number = value as u32;
    (f64::from(number) == value && number < PLAIN).then_some(number)
}

/// Appends the digits of a number below [`PLAIN`]. Most have few digits, for which a call that copies them would cost more.
#[inline]
fn push_plain(number: u32, out: &mut Vec<u8>) {
    let digit = |place: u32| b'0' + (number / place % 10) as u8;
    match number {
        0..10 => out.push(digit(1)),
        10..100 => out.extend_from_slice(&[digit(10), digit(1)]),
        100..1_000 => out.extend_from_slice(&[digit(100), digit(10), digit(1)]),
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

fn push_any(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() < EXACT && value as i64 as f64 == value {
        push_whole(value as i64, out);
    } else if (1e-4..1e6).contains(&value.abs()) {
        // No exponent and a fraction: zmij's form is Go's.
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        push_digits(value, out);
    }
}

/// Appends a number other than 0 with the fewest digits that read back as the same double.
fn push_whole(value: i64, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    let digits = text.trim_start_matches('-').as_bytes();
    if digits.len() <= LARGE as usize {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    if value < 0 {
        out.push(b'-');
    }
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    write_digits(digits.get(..significant).unwrap_or(b"0"), digits.len() as i32 - 1, out);
}

/// Parses the shortest digits in zmij's form (`12.5`, `1.5e-7`), and writes them in Go's form.
fn push_digits(value: f64, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value.abs());
    if value < 0.0 {
        out.push(b'-');
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.parse::<i32>();
    debug_assert!(exponent.is_ok(), "{text:?} has no exponent");
    let exponent = exponent.unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = whole.bytes().chain(fraction.bytes());
    let leading_zeros = all.clone().take_while(|digit| *digit == b'0').count();
    // The power of ten of the first digit that is not 0.
    let power = whole.len() as i32 - 1 - leading_zeros as i32 + exponent;
    let mut digits = [b'0'; 24];
    let mut len = 0;
    for (digit, place) in all.skip(leading_zeros).zip(&mut digits) {
        *place = digit;
        len += 1;
    }
    debug_assert!(leading_zeros + len == whole.len() + fraction.len(), "{text:?} has too many digits");
    let digits = digits.get(..len).unwrap_or_default();
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    write_digits(digits.get(..significant).unwrap_or(b"0"), power, out);
}

fn write_digits(digits: &[u8], power: i32, out: &mut Vec<u8>) {
    let (first, others) = digits.split_at(digits.len().min(1));
    if !(SMALL..LARGE).contains(&power) {
        out.extend_from_slice(first);
        if !others.is_empty() {
            out.push(b'.');
            out.extend_from_slice(others);
        }
        out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
        if power.abs() < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(power.abs()).as_bytes());
    } else if power < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', power.unsigned_abs() as usize - 1));
        out.extend_from_slice(digits);
    } else {
        let whole = power as usize + 1;
        let zeros = whole.saturating_sub(digits.len());
        let (whole, fraction) = digits.split_at(whole.min(digits.len()));
        out.extend_from_slice(whole);
        out.extend(std::iter::repeat_n(b'0', zeros));
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        push_float(value, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn numbers_look_as_go_writes_them() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-21.0, "-21"),
            (123456.0, "123456"),
            (999999.0, "999999"),
            (1e6, "1e+06"),
            (1234567.0, "1.234567e+06"),
            (-1234567.5, "-1.2345675e+06"),
            (123456.789, "123456.789"),
            (0.1, "0.1"),
            (0.25, "0.25"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (0.30000000000000004, "0.30000000000000004"),
            (9007199254740993.0, "9.007199254740992e+15"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(float(value), want);
        }
    }

    fn slowly(value: f64) -> String {
        let mut out = Vec::new();
        push_digits(value, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn the_short_ways_say_the_same_at_their_edges() {
        for edge in [1e-4, 1.0, 999_999.0, 1e6, 1e9, 1e14, 1e15, 9e15, 1e16] {
            for value in [edge, f64::next_up(edge), f64::next_down(edge), edge + 1.0, edge - 1.0, edge + 0.5, edge * 10.0, edge / 10.0] {
                for value in [value, -value].into_iter().filter(|value| *value != 0.0) {
                    assert_eq!(float(value), slowly(value));
                }
            }
        }
    }

    fn pushed(value: f64, push: fn(f64, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(value, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn openmetrics_tells_counts_from_numbers() {
        for (value, canonical, count) in [
            (0.0, "0.0", "0"),
            (-0.0, "0.0", "0"),
            (7.0, "7.0", "7"),
            (-7.0, "-7.0", "-7.0"),
            (0.5, "0.5", "0.5"),
            (999_999.0, "999999.0", "999999"),
            (1e6, "1e+06", "1000000"),
            (1_234_567.5, "1.2345675e+06", "1.2345675e+06"),
            (9_007_199_254_740_991.0, "9.007199254740991e+15", "9007199254740991"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15", "9.007199254740992e+15"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            assert_eq!((&*pushed(value, push_canonical), &*pushed(value, push_count)), (canonical, count));
        }
    }

    proptest! {
        #[test]
        fn a_number_of_openmetrics_is_that_of_text_or_has_a_point(
            value in prop_oneof![any::<f64>(), (-2_000_000i32..2_000_000).prop_map(f64::from), -1e4..1e4],
        ) {
            let text = float(value);
            let is_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            prop_assert_eq!(pushed(value, push_canonical), if is_digits { text + ".0" } else { text });
        }

        #[test]
        fn digits_of_counts_are_those_of_whole_numbers(count in prop_oneof![0u64..2_000, 0u64..2_000_000, 0u64..1 << 53]) {
            prop_assert_eq!(pushed(count as f64, push_count), count.to_string());
        }

        #[test]
        fn the_short_ways_say_the_same(bits in any::<f64>(), whole in -2_000_000_000_000_000i64..2_000_000_000_000_000, power in -12i32..4) {
            let decimal = whole as f64 * 10f64.powi(power);
            for value in [bits, whole as f64, decimal, decimal.trunc()].into_iter().filter(|value| value.is_finite() && *value != 0.0) {
                prop_assert_eq!(float(value), slowly(value));
            }
        }

        #[test]
        fn every_double_reads_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            prop_assert_eq!(float(value).parse::<f64>(), Ok(value));
        }

        #[test]
        fn everyday_numbers_read_back(value in -2_000_000_000i64..2_000_000_000, scale in 0u32..7) {
            let value = value as f64 / 10f64.powi(scale as i32);
            prop_assert_eq!(float(value).parse::<f64>(), Ok(value));
        }
    }
}
