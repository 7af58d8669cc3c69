//! Fields of protobuf messages. Knows no message types.

const VARINT: u32 = 0;
pub(super) const FIXED64: u32 = 1;
pub(super) const LENGTH: u32 = 2;

/// The greatest length that takes one byte.
pub(super) const ONE_BYTE: usize = 0x7f;

/// The tag of a field whose number is up to 15, which takes one byte.
pub(super) const fn tag_of(field: u32, wire: u32) -> u8 {
    (field << 3 | wire) as u8
}

/// Appends the tag of a field.
#[inline]
pub(super) fn tag(field: u32, wire: u32, out: &mut Vec<u8>) {
    varint(u64::from(field << 3 | wire), out);
}

#[inline]
pub(super) fn varint(value: u64, out: &mut Vec<u8>) {
    match value {
        0..0x80 => out.push(value as u8),
        0x80..0x4000 => out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
        _ => long_varint(value, out),
    }
}

fn long_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number of bytes of a varint.
#[inline]
pub(super) fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// ZigZag encoding: small numbers of either sign become small unsigned numbers.
pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

pub(super) fn number_field(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, VARINT, out);
    varint(value, out);
}

pub(super) fn double(field: u32, value: f64, out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    out.extend_from_slice(&[tag_of(field, FIXED64), a, b, c, d, e, f, g, h]);
}

pub(super) fn text(field: u32, value: &str, out: &mut Vec<u8>) {
    bytes(field, value.as_bytes(), out);
}

pub(super) fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    tag(field, LENGTH, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Appends a field with the bytes that `content` appends. They are moved if their length needs more than one byte.
pub(super) fn message(field: u32, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    tag(field, LENGTH, out);
    out.push(0);
    let start = out.len();
    content(out);
    let length = out.len() - start;
    if length <= ONE_BYTE {
        out.get_mut(start - 1).into_iter().for_each(|place| *place = length as u8);
        return;
    }
    let mut more = length >> 7;
    let mut extra = 0;
    while more > 0 {
        (more, extra) = (more >> 7, extra + 1);
    }
    if extra > 0 {
        out.resize(out.len() + extra, 0);
        out.copy_within(start..start + length, start + extra);
    }
    let places = out.get_mut(start - 1..start + extra).unwrap_or_default();
    debug_assert_eq!(places.len(), extra + 1, "a length lacks its bytes");
    for (nth, place) in places.iter_mut().enumerate() {
        let seven = (length >> (7 * nth)) as u8;
        *place = if nth == extra { seven & 0x7f } else { seven | 0x80 };
    }
}

/// The value of a field that is read.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'m> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'m [u8]),
}

#[cfg(feature = "cli")]
impl Field<'_> {
    /// Appends the field as it was.
    pub(super) fn push(self, number: u32, out: &mut Vec<u8>) {
        match self {
            Self::Varint(value) => number_field(number, value, out),
            Self::Fixed64(bits) => {
                tag(number, FIXED64, out);
                out.extend_from_slice(&bits.to_le_bytes());
            }
            Self::Bytes(value) => bytes(number, value, out),
        }
    }
}

/// The fields of a message that this module wrote. Ends at the first byte that it would not have written.
#[cfg(feature = "cli")]
pub(super) struct Fields<'m>(&'m [u8]);

#[cfg(feature = "cli")]
impl<'m> Fields<'m> {
    pub(super) fn new(message: &'m [u8]) -> Self {
        Self(message)
    }
}

#[cfg(feature = "cli")]
impl<'m> Iterator for Fields<'m> {
    type Item = (u32, Field<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = read_varint(self.0)?;
        let number = u32::try_from(tag >> 3).ok()?;
        let (field, rest) = match (tag & 7) as u32 {
            VARINT => read_varint(rest).map(|(value, rest)| (Field::Varint(value), rest))?,
            FIXED64 => rest.split_first_chunk().map(|(bits, rest)| (Field::Fixed64(u64::from_le_bytes(*bits)), rest))?,
            LENGTH => {
                let (length, rest) = read_varint(rest)?;
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Field::Bytes(value), rest)
            }
            _ => return None,
        };
        self.0 = rest;
        Some((number, field))
    }
}

/// Reads a varint. Returns it with the rest.
#[cfg(feature = "cli")]
pub(super) fn read_varint(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (nth, byte) in text.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * nth);
        if *byte < 0x80 {
            return Some((value, text.get(nth + 1..)?));
        }
    }
    None
}
