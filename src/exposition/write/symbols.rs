//! The strings of a 2.0 message, each once. The table is reused by the next message.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use crate::exposition::wire::bytes;

/// The number of the field `symbols`.
const FIELD: u32 = 4;

/// Strings by number. The first one is empty, as the protocol requires.
#[derive(Debug)]
pub(super) struct Symbols {
    hasher: RandomState,
    /// Hash and number of each string.
    numbers: HashTable<(u64, u32)>,
    /// Start and end of each string in `encoded`.
    spans: Vec<(usize, usize)>,
    /// The fields of all strings.
    encoded: Vec<u8>,
}

impl Default for Symbols {
    fn default() -> Self {
        let (hasher, numbers) = (RandomState::default(), HashTable::new());
        let mut symbols = Self { hasher, numbers, spans: Vec::new(), encoded: Vec::new() };
        symbols.clear();
        symbols
    }
}

impl Symbols {
    /// The number of a string. A new string is added.
    pub(super) fn number(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let hash = self.hasher.hash_one(text);
        let Self { numbers, spans, encoded, .. } = self;
        if let Some((_, number)) = numbers.find(hash, |(known, number)| *known == hash && at(spans, encoded, *number) == text) {
            return *number;
        }
        let number = spans.len() as u32;
        numbers.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        bytes(FIELD, text, encoded);
        spans.push((encoded.len() - text.len(), encoded.len()));
        number
    }

    /// The string with this number; empty if there is none.
    #[inline]
    pub(super) fn text(&self, number: u32) -> &[u8] {
        at(&self.spans, &self.encoded, number)
    }

    /// The fields of the message.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Removes all strings, for the next message.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.spans.clear();
        self.encoded.clear();
        bytes(FIELD, b"", &mut self.encoded);
        self.spans.push((0, 0));
    }
}

#[inline]
fn at<'e>(spans: &[(usize, usize)], encoded: &'e [u8], number: u32) -> &'e [u8] {
    spans.get(number as usize).and_then(|(start, end)| encoded.get(*start..*end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_has_one_number_and_the_first_is_empty() {
        let mut symbols = Symbols::default();
        for round in 0..3 {
            symbols.clear();
            let long = vec![b'x'; 300];
            let texts: [&[u8]; 6] = [b"", b"job", b"a", b"job", &long, b""];
            assert_eq!(texts.map(|text| symbols.number(text)), [0, 1, 2, 1, 3, 0], "round {round}");
            assert_eq!((symbols.text(0), symbols.text(1), symbols.text(3), symbols.text(4)), (&b""[..], &b"job"[..], &long[..], &b""[..]));
            let mut expected = b"\x22\x00\x22\x03job\x22\x01a\x22\xac\x02".to_vec();
            expected.extend_from_slice(&long);
            assert_eq!(symbols.encoded(), expected);
        }
    }

    #[test]
    fn many_strings_keep_their_numbers() {
        let mut symbols = Symbols::default();
        let texts: Vec<String> = (0..5_000).map(|n| format!("value{n}")).collect();
        for _ in 0..2 {
            for (n, text) in texts.iter().enumerate() {
                assert_eq!(symbols.number(text.as_bytes()), n as u32 + 1);
            }
        }
    }
}
