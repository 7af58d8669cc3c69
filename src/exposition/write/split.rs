//! Halves of a message that is too large for a receiver.

use super::message::{STALE, WriteBatch, WriteCounts, series_field};
use super::options::WriteVersion;
use super::symbols::Symbols;
use crate::exposition::wire::{Field, Fields, LENGTH, bytes, message, read_varint, tag, varint};

/// Splits a batch into two of about half the series. A batch of one series is returned as it is.
pub(crate) fn split(version: WriteVersion, batch: WriteBatch) -> Result<(WriteBatch, WriteBatch), WriteBatch> {
    let WriteBatch { body, counts, mut gone } = batch;
    let (field, half) = (series_field(version), counts.series / 2);
    let mut series = Vec::new();
    let mut symbols: Vec<&[u8]> = Vec::new();
    for (number, value) in Fields::new(&body) {
        match value {
            Field::Bytes(value) if number == field => series.push(value),
            Field::Bytes(value) if number == 4 => symbols.push(value),
            _ => {}
        }
    }
    if half == 0 || series.len() != counts.series {
        return Err(WriteBatch { body, counts, gone });
    }
    let (first, second) = series.split_at(half);
    let (first, mut second) = (half_of(version, first, &symbols), half_of(version, second, &symbols));
    second.gone = gone.split_off(first.counts.markers.min(gone.len()));
    Ok((WriteBatch { gone, ..first }, second))
}

/// A batch of these series, whose numbers refer to `symbols`.
pub(super) fn half_of(version: WriteVersion, series: &[&[u8]], symbols: &[&[u8]]) -> WriteBatch {
    let mut renumbered = Renumbered { old: symbols, new: Symbols::default() };
    let mut all = Vec::new();
    let mut counts = WriteCounts { series: series.len(), ..WriteCounts::default() };
    for one in series {
        match version {
            WriteVersion::V1 => bytes(1, one, &mut all),
            WriteVersion::V2 => message(5, &mut all, |out| renumbered.series(one, out)),
        }
        count(version, one, &mut counts);
    }
    let body = match version {
        WriteVersion::V1 => all,
        WriteVersion::V2 => [renumbered.new.encoded(), &all].concat(),
    };
    WriteBatch { body, counts, gone: Vec::new() }
}

/// Adds the samples of a series.
fn count(version: WriteVersion, series: &[u8], counts: &mut WriteCounts) {
    let (histogram, exemplar) = if version == WriteVersion::V1 { (4, 3) } else { (3, 4) };
    let is_stale = |message: &[u8], field: u32| {
        Fields::new(message).any(|(number, value)| number == field && matches!(value, Field::Fixed64(bits) if bits == STALE.to_bits()))
    };
    for (number, value) in Fields::new(series) {
        let Field::Bytes(value) = value else { continue };
        if number == 2 {
            counts.samples += 1;
            counts.markers += usize::from(is_stale(value, 1));
        } else if number == histogram {
            counts.histograms += 1;
            counts.markers += usize::from(is_stale(value, 3));
        } else if number == exemplar {
            counts.exemplars += 1;
        }
    }
}

/// Gives the symbols of a message the numbers of another one.
struct Renumbered<'a> {
    old: &'a [&'a [u8]],
    new: Symbols,
}

impl Renumbered<'_> {
    fn number(&mut self, old: u64) -> u64 {
        let text = usize::try_from(old).ok().and_then(|old| self.old.get(old)).copied().unwrap_or_default();
        self.new.number(text).into()
    }

    fn series(&mut self, series: &[u8], out: &mut Vec<u8>) {
        for (number, value) in Fields::new(series) {
            match (number, value) {
                (1, Field::Bytes(labels)) => self.labels(labels, out),
                (4, Field::Bytes(exemplar)) => message(4, out, |out| {
                    for (number, value) in Fields::new(exemplar) {
                        match (number, value) {
                            (1, Field::Bytes(labels)) => self.labels(labels, out),
                            (number, value) => value.push(number, out),
                        }
                    }
                }),
                (5, Field::Bytes(metadata)) => message(5, out, |out| {
                    for (number, value) in Fields::new(metadata) {
                        match (number, value) {
                            (3 | 4, Field::Varint(old)) => Field::Varint(self.number(old)).push(number, out),
                            (number, value) => value.push(number, out),
                        }
                    }
                }),
                (number, value) => value.push(number, out),
            }
        }
    }

    fn labels(&mut self, mut labels: &[u8], out: &mut Vec<u8>) {
        let mut numbers = Vec::with_capacity(labels.len());
        while let Some((old, rest)) = read_varint(labels) {
            varint(self.number(old), &mut numbers);
            labels = rest;
        }
        tag(1, LENGTH, out);
        varint(numbers.len() as u64, out);
        out.extend_from_slice(&numbers);
    }
}
