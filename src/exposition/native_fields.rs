//! The native fields of a histogram: schema, zero bucket, spans and counts. Protobuf's `io.prometheus.client.Histogram` and the messages
//! of remote write have them in the same order, with other numbers.
//!
//! If all counts are whole, they are written as integers, each as the difference to the previous one. If sampling made a count
//! fractional, all counts are doubles.

use super::wire::{LENGTH, double, message, number_field, tag, varint, varint_len, zigzag};
use crate::registry::cell::{NativeSnapshot, Spans};

/// The fields of a message.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// The number of the field `schema`. The others follow it.
    first: u32,
    /// Whether repeated numbers are packed.
    is_packed: bool,
}

impl Layout {
    /// `io.prometheus.client.Histogram`, which is not packed, as in the Go client.
    pub(super) const CLIENT: Self = Self { first: 5, is_packed: false };
    /// `prometheus.Histogram` and `io.prometheus.write.v2.Histogram`.
    #[cfg(feature = "cli")]
    pub(super) const WRITE: Self = Self { first: 4, is_packed: true };
}

/// Appends the fields of `native`. The caller writes count and sum.
pub(super) fn fields(native: &NativeSnapshot, layout: Layout, out: &mut Vec<u8>) {
    let (is_whole, first) = (native.is_whole(), layout.first);
    number_field(first, zigzag(native.schema().into()), out);
    double(first + 1, native.zero_threshold(), out);
    match is_whole {
        true => number_field(first + 2, native.zero_weight() as u64, out),
        false => double(first + 3, native.zero_weight(), out),
    }
    side(&native.negative_spans(), (first + 4, layout.is_packed), is_whole, out);
    side(&native.positive_spans(), (first + 7, layout.is_packed), is_whole, out);
}

/// Appends the spans in `field`, and the counts as differences in the next field or as doubles in the one after it.
fn side(spans: &Spans, (field, is_packed): (u32, bool), is_whole: bool, out: &mut Vec<u8>) {
    spans.spans.iter().for_each(|of| span(field, *of, out));
    match (is_packed && !spans.weights.is_empty(), is_whole) {
        (true, true) => message(field + 1, out, |out| spans.deltas().for_each(|delta| varint(zigzag(delta), out))),
        (true, false) => {
            message(field + 2, out, |out| spans.weights.iter().for_each(|weight| out.extend_from_slice(&weight.to_le_bytes())));
        }
        (false, true) => spans.deltas().for_each(|delta| number_field(field + 1, zigzag(delta), out)),
        (false, false) => spans.weights.iter().for_each(|weight| double(field + 2, *weight, out)),
    }
}

/// Appends a span: its offset and its length.
pub(super) fn span(field: u32, (offset, length): (i32, u32), out: &mut Vec<u8>) {
    let (offset, length) = (zigzag(offset.into()), u64::from(length));
    tag(field, LENGTH, out);
    varint((2 + varint_len(offset) + varint_len(length)) as u64, out);
    number_field(1, offset, out);
    number_field(2, length, out);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::options::NativeOptions;
    use crate::registry::cell::{Bounds, HistogramCell, HistogramSnapshot, NativeCell};
    use crate::time::Timestamp;

    /// The message of metrics.proto, without the classic buckets and exemplars.
    #[derive(Clone, PartialEq, Message)]
    struct Histogram {
        #[prost(double, optional, tag = "4")]
        sample_count_float: Option<f64>,
        #[prost(sint32, optional, tag = "5")]
        schema: Option<i32>,
        #[prost(double, optional, tag = "6")]
        zero_threshold: Option<f64>,
        #[prost(uint64, optional, tag = "7")]
        zero_count: Option<u64>,
        #[prost(double, optional, tag = "8")]
        zero_count_float: Option<f64>,
        #[prost(message, repeated, tag = "9")]
        negative_span: Vec<BucketSpan>,
        #[prost(sint64, repeated, packed = "false", tag = "10")]
        negative_delta: Vec<i64>,
        #[prost(double, repeated, packed = "false", tag = "11")]
        negative_count: Vec<f64>,
        #[prost(message, repeated, tag = "12")]
        positive_span: Vec<BucketSpan>,
        #[prost(sint64, repeated, packed = "false", tag = "13")]
        positive_delta: Vec<i64>,
        #[prost(double, repeated, packed = "false", tag = "14")]
        positive_count: Vec<f64>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct BucketSpan {
        #[prost(sint32, optional, tag = "1")]
        offset: Option<i32>,
        #[prost(uint32, optional, tag = "2")]
        length: Option<u32>,
    }

    fn span(offset: i32, length: u32) -> BucketSpan {
        BucketSpan { offset: Some(offset), length: Some(length) }
    }

    fn encoded(options: NativeOptions, samples: &[(f64, f64)]) -> Vec<u8> {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let bounds = Bounds::shared(&[1.0], Some(options));
        let cell = NativeCell::new(HistogramCell::new(1), &bounds, now).expect("the options ask for native buckets");
        samples.iter().for_each(|(value, weight)| assert!(cell.observe(*value, *weight, now)));
        let (mut classic, mut native) = (HistogramSnapshot::new(1), NativeSnapshot::new(&options));
        cell.merge_into(&mut classic, &mut native);
        let mut out = Vec::new();
        if !native.is_whole() {
            double(4, classic.buckets.iter().sum(), &mut out);
        }
        fields(&native, Layout::CLIENT, &mut out);
        out
    }

    /// Decodes the bytes, which must have no unknown fields and encode to the same bytes.
    fn decoded(bytes: &[u8]) -> Histogram {
        let histogram = Histogram::decode(bytes).expect("a message");
        assert_eq!(histogram.encode_to_vec(), bytes);
        histogram
    }

    #[test]
    fn whole_counts_are_integers() {
        let samples = [(0.0, 2.0), (1.0, 1.0), (1.2, 3.0), (-300.0, 1e12), (2.0, 1.0), (1e9, 7.0)];
        let histogram = decoded(&encoded(NativeOptions { schema: 2, ..NativeOptions::default() }, &samples));
        let wanted = Histogram {
            schema: Some(2),
            zero_threshold: Some(2_f64.powi(-128)),
            zero_count: Some(2),
            negative_span: vec![span(33, 1)],
            negative_delta: vec![1_000_000_000_000],
            positive_span: vec![span(0, 5), span(115, 1)],
            positive_delta: vec![1, -1, 3, -3, 1, 6],
            ..Histogram::default()
        };
        assert_eq!(histogram, wanted);
    }

    #[test]
    fn a_fraction_makes_all_of_them_doubles() {
        let samples = [(0.0, 2.0), (1.0, 1.0 / 0.3), (-0.5, 4.0)];
        let histogram = decoded(&encoded(NativeOptions { schema: -1, ..NativeOptions::default() }, &samples));
        let wanted = Histogram {
            sample_count_float: Some(6.0 + 1.0 / 0.3),
            schema: Some(-1),
            zero_threshold: Some(2_f64.powi(-128)),
            zero_count_float: Some(2.0),
            negative_span: vec![span(0, 1)],
            negative_count: vec![4.0],
            positive_span: vec![span(0, 1)],
            positive_count: vec![1.0 / 0.3],
            ..Histogram::default()
        };
        assert_eq!(histogram, wanted);
    }

    #[test]
    fn nothing_is_known_for_a_native_histogram_too() {
        let empty = decoded(&encoded(NativeOptions::default(), &[]));
        assert_eq!((empty.zero_threshold, empty.zero_count, empty.positive_span), (Some(2_f64.powi(-128)), Some(0), vec![]));
        let empty = decoded(&encoded(NativeOptions { zero_threshold: 0.0, ..NativeOptions::default() }, &[]));
        assert_eq!((empty.zero_threshold, empty.positive_span), (Some(0.0), vec![span(0, 0)]));
    }

    #[test]
    fn every_length_of_a_number_is_right() {
        for bits in 0..64 {
            for number in [1_u64 << bits, (1 << bits) - 1] {
                let mut out = Vec::new();
                varint(number, &mut out);
                assert_eq!(out.len(), varint_len(number), "{number}");
                assert_eq!(prost::encoding::encoded_len_varint(number), varint_len(number));
            }
        }
    }
}
