//! A fast parser of the most frequent form of a line: `name:12.5|ms|#host:web1,zone:b`, with tags or without.
//!
//! It finds the delimiters of 64 bytes together, as bits of three words, and computes with these words. It accepts only lines of exactly
//! this form, with the result of the grammar. [`parse_line`](super::parse_line) parses all others, and is the reference of tests and of a
//! fuzz target.

use memchr::memchr2;

use super::number::{DECIMAL, decimal};
use super::{Kind, Sample, Value};

/// Bytes whose delimiters are found together. Name, value and kind must end within them, tags may be longer.
pub const WINDOW: usize = 64;

/// The positions of delimiters in a window: bit `i` is byte `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    newline: u64,
    colon: u64,
    pipe: u64,
}

/// An implementation of the search for delimiters.
pub trait Finder: Copy {
    /// The positions of delimiters.
    fn marks(self, window: &[u8; WINDOW]) -> Marks;
}

/// The implementation for all processors: eight bytes at a time.
#[derive(Debug, Clone, Copy)]
pub struct PlainFinder;

impl Finder for PlainFinder {
    #[inline(always)]
    fn marks(self, window: &[u8; WINDOW]) -> Marks {
        Marks { newline: bits(window, b'\n'), colon: bits(window, b':'), pipe: bits(window, b'|') }
    }
}

/// Sets a bit for each byte of the window that equals `wanted`.
#[inline(always)]
fn bits(window: &[u8; WINDOW], wanted: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    /// A factor that moves the highest bits of eight bytes into the highest byte.
    const TOGETHER: u64 = 0x0002_0408_1020_4081;
    window.as_chunks::<8>().0.iter().rev().fold(0, |bits, bytes| {
        let other = u64::from_le_bytes(*bytes) ^ u64::from_le_bytes([wanted; 8]);
        let is_wanted = !(((other & LOW) + LOW) | other | LOW);
        bits << 8 | is_wanted.wrapping_mul(TOGETHER) >> 56
    })
}

/// The implementation for x86-64 processors of 2013 and later: 32 bytes at a time, with AVX2.
///
/// A value exists only if the processor has the integer instructions of the level x86-64-v3: AVX2, BMI1, BMI2, LZCNT and POPCNT.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// `None` if this processor lacks one of the features.
    pub fn find() -> Option<Self> {
        let is_found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        is_found.then_some(Self(()))
    }
}

#[cfg(target_arch = "x86_64")]
impl Finder for Avx2 {
    #[inline(always)]
    fn marks(self, window: &[u8; WINDOW]) -> Marks {
        // SAFETY: a value of this type exists only if the processor has AVX2.
        unsafe { marks_avx2(window) }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn marks_avx2(window: &[u8; WINDOW]) -> Marks {
    use std::arch::x86_64::{__m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8};
    let from: *const __m256i = window.as_ptr().cast();
    // SAFETY: the two loads need no alignment, and read the 64 bytes of the window.
    let (low, high) = unsafe { (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))) };
    let bits = |wanted: u8| {
        let wanted = _mm256_set1_epi8(wanted.cast_signed());
        let half = |half| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(half, wanted)).cast_unsigned());
        half(low) | half(high) << 32
    };
    Marks { newline: bits(b'\n'), colon: bits(b':'), pipe: bits(b'|') }
}

/// Parses the first of `lines`. Returns its sample, and the length of the line without its newline. `None` if the line does not have the
/// frequent form, or is longer than `longest` bytes.
#[inline(always)]
pub fn quick_line<F: Finder>(lines: &[u8], longest: usize, finder: F) -> Option<(Sample<'_>, usize)> {
    match lines.first_chunk() {
        Some(window) => in_window(lines, window, longest, finder),
        None => {
            // The last line of a datagram, padded with zeros, which are no delimiters.
            let mut window = [0; WINDOW];
            window.get_mut(..lines.len())?.copy_from_slice(lines);
            in_window(lines, &window, longest, finder)
        }
    }
}

#[inline(always)]
fn in_window<'a, F: Finder>(lines: &'a [u8], window: &[u8; WINDOW], longest: usize, finder: F) -> Option<(Sample<'a>, usize)> {
    let marks = finder.marks(window);
    let len = match marks.newline.trailing_zeros() as usize {
        WINDOW if lines.len() > WINDOW => far_end(lines)?,
        WINDOW => lines.len(),
        len => len,
    };
    let line = lines.get(..len)?;
    let (name_len, value_end) = (marks.colon.trailing_zeros() as usize, marks.pipe.trailing_zeros() as usize);
    // A line that begins with an underscore may be an event or a service check. Blanks at the ends are cut elsewhere.
    if name_len == 0 || len > longest || matches!(line, [b'_' | ..=b' ', ..] | [.., ..=b' ']) {
        return None;
    }
    let (kind, kind_len) = kind(*line.get(value_end + 1)?)?;
    if kind_len == 2 && line.get(value_end + 2) != Some(&b's') {
        return None;
    }
    let fields_at = value_end + 1 + kind_len;
    let tags = match line.get(fields_at..)? {
        [] => Default::default(),
        // No field follows the tags. `far_end` has checked the bytes behind the window.
        [b'|', tags @ ..] if tags.first() == Some(&b'#') && has_none_between(marks.pipe, fields_at + 1, len) => tags,
        _ => return None,
    };
    let (name, value_at) = (line.get(..name_len)?, name_len + 1);
    let value = match kind {
        // A member behind several colons is left to the grammar.
        Kind::Set if (marks.colon & marks.colon.wrapping_sub(1)).trailing_zeros() as usize >= value_end => {
            Value::Member(line.get(value_at..value_end).filter(|member| !member.is_empty())?)
        }
        Kind::Set => return None,
        // Longer numbers are rare, and so are numbers at the end of the window.
        _ => Value::Number(decimal(*window.get(value_at..value_at + DECIMAL)?.first_chunk()?, value_end.checked_sub(value_at)?)?),
    };
    Some((Sample { name, kind, value, weight: 1.0, tags, unknown_fields: 0, first: true }, len))
}

/// The end of a line that is longer than a window; `None` if a field begins behind the window.
#[inline(never)]
fn far_end(lines: &[u8]) -> Option<usize> {
    let beyond = lines.get(WINDOW..)?;
    match memchr2(b'\n', b'|', beyond) {
        Some(at) => (beyond.get(at) == Some(&b'\n')).then_some(WINDOW + at),
        None => Some(lines.len()),
    }
}

/// Whether no bit of `from..to` is set.
#[inline(always)]
fn has_none_between(bits: u64, from: usize, to: usize) -> bool {
    let before_end = if to < WINDOW { (1 << to) - 1 } else { u64::MAX };
    (bits & before_end).checked_shr(from as u32).unwrap_or(0) == 0
}

/// The kind that begins with this byte, and the length of its text.
#[inline(always)]
fn kind(first: u8) -> Option<(Kind, usize)> {
    match first {
        b'c' => Some((Kind::Counter, 1)),
        b'g' => Some((Kind::Gauge, 1)),
        b'm' => Some((Kind::Timer, 2)),
        b'h' => Some((Kind::Histogram, 1)),
        b'd' => Some((Kind::Distribution, 1)),
        b's' => Some((Kind::Set, 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::protocol::{Line, parse_line};
    use crate::options::Dialect;

    const LONGEST: usize = 4096;

    /// The result of every finder that this processor supports. All results must be equal.
    fn quick(lines: &[u8]) -> Option<(Sample<'_>, usize)> {
        let found = quick_line(lines, LONGEST, PlainFinder);
        #[cfg(target_arch = "x86_64")]
        if let Some(finder) = Avx2::find() {
            assert_eq!(quick_line(lines, LONGEST, finder), found);
        }
        found
    }

    /// Compares the result with that of the grammar. Returns false without a result.
    fn check(lines: &[u8]) -> bool {
        let Some((sample, len)) = quick(lines) else { return false };
        assert_eq!(len, lines.iter().position(|byte| *byte == b'\n').unwrap_or(lines.len()));
        let without_tags = Dialect { dogstatsd_tags: false, influxdb_tags: false, signalfx_tags: false, ..Dialect::default() };
        for dialect in [Dialect::default(), Dialect::STATSD_EXPORTER, without_tags] {
            match parse_line(&lines[..len], &dialect) {
                Line::Sample(known) => assert_eq!(sample, known),
                other => panic!("{} is {other:?}", lines.escape_ascii()),
            }
        }
        true
    }

    #[test]
    fn the_frequent_form_is_read() {
        let long = format!("{}:1|c|#a:{}", "n".repeat(50), "v".repeat(500));
        for line in [
            "a:1|c",
            "a:426.1|ms",
            "shop.orders:12|h|#shop:berlin,kind",
            "a:0|g",
            ".:.5|d|#",
            "a:1|c|#a:b,c:d,#e",
            "a:u.1 é|s|#a:b",
            "a:1|s",
            &long,
        ] {
            for after in ["", "\n", "\nb:1|c|#x|y:3", "\n\n", "\n|", "\n:"] {
                assert!(check(format!("{line}{after}").as_bytes()), "{line}{after}");
                let padded = format!("{line}{after}{}", "\nnext:2|ms|@0.5|#z:y".repeat(8));
                assert!(after.is_empty() || check(padded.as_bytes()), "{padded}");
            }
        }
    }

    #[test]
    fn other_lines_are_left_to_the_grammar() {
        let far = format!("a:1|c|#a:{}|@0.5", "v".repeat(80));
        let late = format!("{}:1|c", "n".repeat(60));
        for line in [
            "",
            "\n",
            "a",
            "a:",
            ":1|c",
            "a:1",
            "a:1|",
            "a:1|x",
            "a:1|cc",
            "a:1|m",
            "a:1|mx",
            "a:|s",
            "a:+1|g",
            "a:-1|g",
            "a:1e3|c",
            "a:1:2|c",
            "a:123456789|c",
            "a:1|c|",
            "a:1|c||#b:c",
            "a:1|c|@0.5",
            "a:1|c|#b:c|@0.5",
            "a:1|c|T1|#b:c",
            "a:1|c\r",
            "a:|c",
            "a:1|c\r\n",
            "_e{1,1}:1|c|#a:b",
            "_sc|a|0",
            "_x:1|c",
            " a:1|c",
            "\0a:1|c",
            "a:1|c ",
            "a:1|c|#b:c\t",
            "a:1|s\0",
            "a:x:y|s",
            "a,k=v:w:y|s|#b:c",
            "a\n:1|c",
            "a:1\n|c",
            "a:1|\nc",
            "a:1|c|\n#a:b",
            "a:1|m\ns",
            &far,
            &late,
        ] {
            assert_eq!(quick(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(quick_line(b"abc:1|c", 6, PlainFinder), None, "longer than the limit");
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_grammar(lines in "([ \0]?[a-z_.,;#=\\[\\]]{1,12}:[0-9.+e:-]{1,6}\\|(c|g|ms|h|d|s|m)(\\|[#@T|]?[a-z:,|0-9.]{0,40})?[ \0\r\n]{0,2}){1,3}") {
            check(lines.as_bytes());
        }

        #[test]
        fn it_agrees_with_the_grammar_on_any_bytes(lines in prop::collection::vec(prop::sample::select(&b":|\n\r#@_acgmshd1.9,=[];\\ \0\xff"[..]), 0..150)) {
            check(&lines);
        }

        #[test]
        fn all_implementations_agree(window in prop::collection::vec(prop::sample::select(&b":|\n;{\x0b\x8a\xbaax\0"[..]), WINDOW)) {
            let window = window.first_chunk::<WINDOW>().expect("as many as asked for");
            let by_byte = |wanted| window.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(*byte == wanted));
            let marks = Marks { newline: by_byte(b'\n'), colon: by_byte(b':'), pipe: by_byte(b'|') };
            prop_assert_eq!(PlainFinder.marks(window), marks);
            #[cfg(target_arch = "x86_64")]
            if let Some(finder) = Avx2::find() {
                prop_assert_eq!(finder.marks(window), marks);
            }
        }
    }
}
