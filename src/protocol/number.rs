//! Numbers of the wire: finite decimals, and nothing else that a float parser may take (`nan`, `inf`, hex, `1_000`).

use nom::{Err, IResult};

/// A number as read from the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// Finite.
    pub(super) value: f64,
    /// Whether a `+` or `-` stands in front: for a gauge that means a change.
    pub(super) signed: bool,
}

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// Digits whose value a double holds exactly, whatever they are.
const EXACT_DIGITS: usize = 15;

/// Reads a number at the start of the input and stops at the first byte that cannot belong to it.
///
/// Up to 15 digits without an exponent are exact in a double, and so is their division by a power of ten (Clinger's fast
/// path); everything else goes to fast-float2.
#[inline(always)]
pub(super) fn number(input: &[u8]) -> IResult<&[u8], Number, ()> {
    let (signed, negative, digits) = match input {
        [b'+', rest @ ..] => (true, false, rest),
        [b'-', rest @ ..] => (true, true, rest),
        _ => (false, false, input),
    };
    let (mut mantissa, mut seen, mut fraction) = (0u64, 0usize, 0usize);
    let mut point = false;
    let mut at = 0;
    while let Some(&byte) = digits.get(at) {
        if byte.is_ascii_digit() {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            seen += 1;
            fraction += usize::from(point);
        } else if byte == b'.' && !point {
            point = true;
        } else {
            break;
        }
        at += 1;
    }
    let rest = digits.get(at..).unwrap_or_default();
    if seen == 0 {
        return Err(Err::Error(()));
    }
    if seen > EXACT_DIGITS || matches!(rest, [b'e' | b'E', ..]) {
        return slow_number(input, signed, at + usize::from(signed));
    }
    let mut value = mantissa as f64;
    if fraction > 0 {
        // `fraction` is at most EXACT_DIGITS, which is within the table.
        value /= EXACT_POWERS.get(fraction).copied().unwrap_or(1.0);
    }
    Ok((rest, Number { value: if negative { -value } else { value }, signed }))
}

/// Many digits or an exponent. `end` is where the digits of the mantissa end.
#[cold]
fn slow_number(input: &[u8], signed: bool, end: usize) -> IResult<&[u8], Number, ()> {
    let mut end = end;
    if let Some([b'e' | b'E', exponent @ ..]) = input.get(end..) {
        let sign = usize::from(matches!(exponent, [b'+' | b'-', ..]));
        let digits = exponent.iter().skip(sign).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Err(Err::Error(()));
        }
        end += 1 + sign + digits;
    }
    let (text, rest) = input.split_at_checked(end).ok_or(Err::Error(()))?;
    let unsigned = text.strip_prefix(b"+").unwrap_or(text);
    match fast_float2::parse::<f64, _>(unsigned) {
        Ok(value) if value.is_finite() => Ok((rest, Number { value, signed })),
        _ => Err(Err::Error(())),
    }
}

/// A number that is the whole input.
pub(super) fn whole_number(input: &[u8]) -> Option<Number> {
    match number(input) {
        Ok(([], number)) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (text, value) in [
            ("0", 0.0),
            ("1", 1.0),
            ("12.345", 12.345),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-7", 1e-7),
            ("1.5e+2", 150.0),
            ("123456789012345", 123_456_789_012_345.0),
            ("1234567890123456789", 1_234_567_890_123_456_789.0),
            ("0.1234567890123456789", 0.123_456_789_012_345_68),
            ("000000000000000000000001", 1.0),
            ("1e-400", 0.0),
        ] {
            assert_eq!(whole_number(text.as_bytes()).map(|n| n.value), Some(value), "{text}");
            let negative = whole_number(format!("-{text}").as_bytes()).expect("a sign is fine");
            assert_eq!((negative.value, negative.signed), (-value, true));
            assert!(whole_number(format!("+{text}").as_bytes()).expect("a sign is fine").signed);
        }
    }

    #[test]
    fn all_else_is_refused() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "-.",
            "--1",
            "+-1",
            "e1",
            "1e",
            "1e+",
            "1e5.",
            "1.2.3",
            " 1",
            "1 ",
            "1_000",
            "0x10",
            "0x1p4",
            "nan",
            "NaN",
            "inf",
            "-Inf",
            "infinity",
            "1e400",
            "-1e309",
            "1e99999999999999999999",
            "١",
        ] {
            assert_eq!(whole_number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(whole_number("9".repeat(4000).as_bytes()), None);
    }

    #[test]
    fn it_stops_where_the_number_ends() {
        assert_eq!(number(b"12|c").expect("a number").0, b"|c");
        assert_eq!(number(b"1e3:2").expect("a number").0, b":2");
    }

    proptest! {
        #[test]
        fn every_double_comes_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            for text in [format!("{value}"), format!("{value:e}")] {
                prop_assert_eq!(whole_number(text.as_bytes()).map(|n| n.value), Some(value));
            }
        }

        #[test]
        fn it_agrees_with_the_standard_library(text in "[+-]?[0-9]{0,18}\\.?[0-9]{0,18}(e[+-]?[0-9]{1,3})?") {
            let want = text.parse::<f64>().ok().filter(|v| v.is_finite());
            prop_assert_eq!(whole_number(text.as_bytes()).map(|n| n.value), want);
        }
    }
}
