//! Fields of protobuf messages. Knows no message types.

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
pub(super) const LENGTH: u32 = 2;

/// The greatest length that takes one byte.
pub(super) const ONE_BYTE: usize = 0x7f;

/// The tag of a field. Field numbers up to 15 take one byte; no others are used here.
pub(super) const fn tag_of(field: u32, wire: u32) -> u8 {
    (field << 3 | wire) as u8
}

pub(super) fn tag(field: u32, wire: u32, out: &mut Vec<u8>) {
    out.push(tag_of(field, wire));
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
