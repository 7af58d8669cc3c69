//! The fields of native histograms, without their times.

use super::message::{STALE, normal};
use crate::exposition::native_fields::{self, Layout, span};
use crate::exposition::wire::{LENGTH, double, message, number_field, tag, varint, zigzag};
use crate::registry::cell::{HistogramSnapshot, NativeSnapshot};

/// The schema of custom buckets.
const CUSTOM: i64 = -53;

/// Doubles represent all whole numbers below this one exactly.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// Appends the fields of a histogram with exponential buckets. `all` are its classic buckets at the same moment.
pub(super) fn exponential(all: &HistogramSnapshot, native: &NativeSnapshot, out: &mut Vec<u8>) {
    count(all.weight(), native.is_whole(), out);
    double(3, normal(all.sum), out);
    native_fields::fields(native, Layout::WRITE, out);
}

/// Appends the fields of a histogram with the buckets of the classic form.
pub(super) fn custom(all: &HistogramSnapshot, bounds: &[f64], out: &mut Vec<u8>) {
    let total = all.weight();
    let is_whole = total < WHOLE_MAX && all.buckets.iter().all(|weight| weight.fract() == 0.0);
    count(total, is_whole, out);
    double(3, normal(all.sum), out);
    number_field(4, zigzag(CUSTOM), out);
    // One span up to the last bucket that is not empty.
    let length = all.buckets.iter().rposition(|weight| *weight != 0.0).map_or(0, |last| last + 1);
    let weights = all.buckets.get(..length).unwrap_or_default();
    if length > 0 {
        span(11, (0, length as u32), out);
        if is_whole {
            let mut before = 0;
            message(12, out, |out| {
                for weight in weights {
                    let weight = *weight as i64;
                    varint(zigzag(weight - std::mem::replace(&mut before, weight)), out);
                }
            });
        } else {
            message(13, out, |out| weights.iter().for_each(|weight| out.extend_from_slice(&weight.to_le_bytes())));
        }
    }
    if !bounds.is_empty() {
        tag(16, LENGTH, out);
        varint(8 * bounds.len() as u64, out);
        bounds.iter().for_each(|bound| out.extend_from_slice(&bound.to_le_bytes()));
    }
}

/// Appends the fields of a stale marker.
pub(super) fn stale(out: &mut Vec<u8>) {
    number_field(1, 0, out);
    double(3, STALE, out);
    number_field(6, 0, out);
}

fn count(total: f64, is_whole: bool, out: &mut Vec<u8>) {
    match is_whole {
        true => number_field(1, total as u64, out),
        false => double(2, total, out),
    }
}
