//! The edges of series: the first 0 of a new counter, and the stale marker of a series that is gone.
//!
//! A sender that must drop a cycle can do without its values, because the next cycle has the sums. Edges have no such successor, so they
//! are moved into batches of their own.

use super::message::{STALE, WriteBatch, series_field};
use super::options::WriteVersion;
use super::split::half_of;
use crate::exposition::wire::{Field, Fields};

/// A batch in two parts. The edges must be delivered first: a first 0 is earlier than its value.
#[derive(Debug, Default)]
pub(crate) struct Separated {
    pub(crate) edges: Option<WriteBatch>,
    pub(crate) values: Option<WriteBatch>,
}

/// Moves the edges of a batch into one of their own.
pub(crate) fn separate(version: WriteVersion, batch: WriteBatch) -> Separated {
    let counts = batch.counts;
    if counts.markers == 0 && counts.samples + counts.histograms <= counts.series {
        return Separated { edges: None, values: Some(batch) };
    }
    let mut symbols: Vec<&[u8]> = Vec::new();
    let (mut edges, mut values) = (Vec::new(), Vec::new());
    for (number, value) in Fields::new(&batch.body) {
        match value {
            Field::Bytes(value) if number == series_field(version) => parts(version, value, &mut edges, &mut values),
            Field::Bytes(value) if number == 4 => symbols.push(value),
            _ => {}
        }
    }
    let of = |series: &[Vec<u8>]| {
        let series: Vec<&[u8]> = series.iter().map(Vec::as_slice).collect();
        (!series.is_empty()).then(|| half_of(version, &series, &symbols))
    };
    let (edges, values) = (of(&edges), of(&values));
    Separated { edges: edges.map(|edges| WriteBatch { gone: batch.gone, ..edges }), values }
}

/// Adds the series to the edges, to the values, or in parts to both.
fn parts(version: WriteVersion, series: &[u8], edges: &mut Vec<Vec<u8>>, values: &mut Vec<Vec<u8>>) {
    let (histogram, exemplar) = if version == WriteVersion::V1 { (4, 3) } else { (3, 4) };
    let is_value = |number: u32| number == 2 || number == histogram;
    let count = Fields::new(series).filter(|(number, _)| is_value(*number)).count();
    if count < 2 {
        let list = if Fields::new(series).any(|(number, value)| is_value(number) && is_marker(number, value)) { edges } else { values };
        list.push(series.to_vec());
        return;
    }
    let (mut edge, mut value) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for (number, field) in Fields::new(series) {
        if is_value(number) {
            seen += 1;
            field.push(number, if seen == 1 { &mut edge } else { &mut value });
        } else {
            field.push(number, &mut value);
            // A 0 has no exemplar, and no start (field 6 of older drafts).
            if number != exemplar && number != 6 {
                field.push(number, &mut edge);
            }
        }
    }
    edges.push(edge);
    values.push(value);
}

/// Whether a sample, or else a histogram, is a stale marker.
fn is_marker(number: u32, value: Field<'_>) -> bool {
    let place = if number == 2 { 1 } else { 3 };
    let Field::Bytes(message) = value else { return false };
    Fields::new(message).any(|(number, value)| number == place && matches!(value, Field::Fixed64(bits) if bits == STALE.to_bits()))
}
