//! Numbers of the wire: finite decimals, but not the other forms that float parsers accept (`nan`, `inf`, hex, `1_000`).

use nom::{Err, IResult};

/// A number as read from the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// Finite.
    pub(super) value: f64,
    /// Whether it begins with `+` or `-`, which changes a gauge instead of setting it.
    pub(super) signed: bool,
}

/// Powers of ten that are exact as an `f64`.
const EXACT_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// All integers of this many digits are exact as an `f64`.
const EXACT_DIGITS: usize = 15;

const _: () = assert!(EXACT_DIGITS < EXACT_POWERS.len() && DECIMAL < EXACT_POWERS.len(), "a fraction has no more digits than that");

/// Parses a number at the start of the input, up to the first byte that does not belong to it.
///
/// Up to 15 digits without an exponent are exact as an `f64`, and their division by a power of ten is rounded correctly (Clinger's fast
/// path). fast-float2 parses all other numbers.
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
    debug_assert!(at <= digits.len(), "only existing bytes are counted");
    let rest = digits.get(at..).unwrap_or_default();
    if seen == 0 {
        return Err(Err::Error(()));
    }
    if seen > EXACT_DIGITS || matches!(rest, [b'e' | b'E', ..]) {
        return slow_number(input, signed, at + usize::from(signed));
    }
    let mut value = mantissa as f64;
    if fraction > 0 {
        // `fraction` is at most EXACT_DIGITS.
        debug_assert!(fraction < EXACT_POWERS.len());
        value /= EXACT_POWERS.get(fraction).copied().unwrap_or(1.0);
    }
    Ok((rest, Number { value: if negative { -value } else { value }, signed }))
}

/// Parses numbers with many digits or an exponent. `end` is the end of the mantissa.
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

/// Maximum length of a text that [`decimal`] parses.
pub(super) const DECIMAL: usize = 8;

/// Parses the first `len` bytes as a number, if they are digits and at most one point, and at most [`DECIMAL`] bytes; `None` for all
/// other text. As exact as [`number`]. It processes all bytes at once, because branches on single bytes are hard to predict.
#[inline(always)]
pub(super) fn decimal(text: [u8; DECIMAL], len: usize) -> Option<f64> {
    /// Repeats a byte eight times.
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; DECIMAL])
    }
    if len == 0 || len > DECIMAL {
        return None;
    }
    // The last byte of the text becomes the highest one, with zeros below the first one.
    let shifted = (u64::from_le_bytes(text) ^ all(b'0')) << (8 * (DECIMAL - len));
    let at_point = shifted ^ all(b'.' ^ b'0');
    // The highest bit of the first byte that is a point. Bits of later bytes may be wrong.
    let point = at_point.wrapping_sub(all(1)) & !at_point & all(0x80);
    let (digits, places) = if point == 0 {
        (shifted, 0)
    } else {
        let before = (1 << (point.trailing_zeros() & !7)) - 1;
        let after = !(before << 8 | 0xff);
        ((shifted & before) << 8 | (shifted & after), (after.count_ones() / 8) as usize)
    };
    if (digits.wrapping_add(all(0x76)) | digits) & all(0x80) != 0 || (point != 0 && len == 1) {
        return None;
    }
    // Combines neighbours: digits to pairs, pairs to groups of four, these to eight digits.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let whole = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) as u32;
    debug_assert!(places < EXACT_POWERS.len());
    Some(f64::from(whole) / EXACT_POWERS.get(places).copied().unwrap_or(1.0))
}

/// Parses a number that is the whole input.
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
    fn other_text_is_rejected() {
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

    /// Parses a text that other bytes of a line follow.
    fn short(text: &str) -> Option<f64> {
        let mut bytes = *b"|c|#8.5:";
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        decimal(bytes, text.len())
    }

    #[test]
    fn short_decimals_are_read_at_once() {
        for text in ["0", "1", "00", "5.", ".5", "426.1", "12345678", "1234567.", ".1234567", "0.000001", "99999999", "1.5"] {
            assert_eq!(short(text), text.parse().ok(), "{text}");
        }
        for text in ["", ".", "..", "1.2.3", "+1", "-1", "1e3", "1:2", "1 ", "12\u{ff}", "\u{0}1", "/1", "1;", "123456789"] {
            assert_eq!(short(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_decimals_are_those_of_the_grammar(text in "[0-9]{0,5}\\.?[0-9]{0,4}|[0-9.]{0,8}|[ -~]{1,3}") {
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.len() <= DECIMAL;
            let want = whole_number(text.as_bytes()).map(|n| n.value).filter(|_| plain);
            prop_assert_eq!(short(&text).map(f64::to_bits), want.map(f64::to_bits));
        }

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
