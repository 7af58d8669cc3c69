//! Length-delimited messages of the type `io.prometheus.client.MetricFamily`, written field by field.
//!
//! The length comes before the message, and values change while they are read. So a family is held back until it is complete, in
//! pieces, up to [`HELD_MAX`] bytes. A larger family becomes several messages of the same name, which Prometheus reads as one
//! family; this does not occur within the default limits. A series allocates nothing: the lengths of its inner messages are
//! written to bytes reserved for them.
//!
//! Counts are whole numbers in the fields that every reader knows. A fractional count, which sampling causes, is rounded there,
//! and exact in the float field beside it, which newer readers prefer. Counters keep their full name and type.

use std::collections::VecDeque;
use std::sync::Arc;

use super::escape::Names;
use super::native_fields::Layout;
use super::wire::{LENGTH, ONE_BYTE, bytes, double, message, number_field, tag_of, text, varint, varint_len};
use super::{How, Style, native_fields, shown_number, unit_in_name};
use crate::registry::cell::{HistogramSnapshot, NativeSnapshot, SummarySnapshot, add_weights};
use crate::registry::{Exemplar, Exemplars, Family, FamilyKind, Series};
use crate::telemetry::{SelfFamily, SelfKind, SelfSeries, SelfValue};
use crate::time::Timestamp;

/// Maximum bytes of one family that are held back. An exposition needs about this much memory.
const HELD_MAX: usize = 3 << 20;

/// The approximate size of a piece.
const PIECE_BYTES: usize = 64 << 10;

/// The numbers of `MetricType`.
mod kind {
    pub(super) const COUNTER: u64 = 0;
    pub(super) const GAUGE: u64 = 1;
    pub(super) const SUMMARY: u64 = 2;
    pub(super) const HISTOGRAM: u64 = 4;
}

/// The current family, held back, and complete messages that are not taken yet.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Name, help and type of the current family.
    head: Vec<u8>,
    unit: Option<&'static str>,
    /// Full pieces of the current family, and the piece that is being filled.
    pieces: VecDeque<Vec<u8>>,
    piece: Vec<u8>,
    held: usize,
    /// Pieces of complete messages.
    whole: VecDeque<Vec<u8>>,
    /// The buffer of a taken piece, reused for the next piece.
    spare: Vec<u8>,
}

impl Messages {
    /// Begins a family. The previous one must be ended.
    pub(super) fn begin(&mut self, (family, names): (&Family, &Names), style: &Style) {
        let help = family.help();
        let kind = match family.kind() {
            FamilyKind::Counter => kind::COUNTER,
            FamilyKind::Gauge | FamilyKind::Set => kind::GAUGE,
            FamilyKind::Summary(_) => kind::SUMMARY,
            FamilyKind::Histogram { .. } => kind::HISTOGRAM,
        };
        self.unit = unit_in_name(family, names.name());
        self.head(names.name(), help.as_deref().unwrap_or(style.help), kind);
    }

    /// Adds some series of the current family.
    pub(super) fn series(&mut self, (family, names): (&Family, &Names), series: &[Arc<Series>], how: How<'_>) {
        let How { style, now, exemplars } = how;
        let piece = self.piece();
        let before = piece.len();
        match family.kind() {
            kind @ (FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set) => {
                for series in series {
                    let number = shown_number(kind, series, (style, now));
                    metric(&names.labels(series.labels()), piece, |out| match kind {
                        FamilyKind::Counter => counter(number, (series, exemplars), out),
                        _ => message(2, out, |out| double(1, number, out)),
                    });
                }
            }
            FamilyKind::Histogram { bounds } => {
                let mut all = HistogramSnapshot::new(bounds.len());
                let mut native =
                    bounds.native().filter(|_| bounds.is_native_wanted()).map(|options| (NativeSnapshot::new(options), options));
                for series in series {
                    all.clear();
                    // Includes series without a sample since native buckets are wanted: Prometheus counts no increase for a series
                    // that is absent from its first scrape.
                    let native = native.as_mut().map(|(native, options)| {
                        native.clear(options);
                        series.histogram_with_native(bounds, &mut all, native);
                        &*native
                    });
                    if native.is_none() {
                        series.histogram(&mut all);
                    }
                    metric(&names.labels(series.labels()), piece, |out| histogram((&all, native), bounds, (series, exemplars), out));
                }
            }
            FamilyKind::Summary(options) => {
                let mut all = SummarySnapshot::default();
                for series in series {
                    all.clear();
                    series.summary(now, &mut all);
                    metric(&names.labels(series.labels()), piece, |out| summary(&all, &options.quantiles, series.created(), out));
                }
            }
        }
        self.held += piece.len() - before;
        if self.held >= HELD_MAX {
            self.end();
        }
    }

    /// Adds a complete self-family. `created` is the time when its counting began, if it is known.
    pub(super) fn self_family(&mut self, family: &SelfFamily, created: Option<Timestamp>) {
        let kind = match family.head.kind {
            SelfKind::Counter => kind::COUNTER,
            SelfKind::Histogram => kind::HISTOGRAM,
            SelfKind::Gauge => kind::GAUGE,
        };
        self.unit = None;
        self.head(family.name(), &family.head.help, kind);
        let piece = self.piece();
        let before = piece.len();
        let number = |value: f64, out: &mut Vec<u8>| match kind {
            kind::COUNTER => message(3, out, |out| {
                double(1, value, out);
                created.into_iter().for_each(|created| timestamp(3, created, out));
            }),
            _ => message(2, out, |out| double(1, value, out)),
        };
        for SelfSeries { labels, value } in &family.series {
            metric(labels, piece, |out| match value {
                SelfValue::Count(count) => number(*count as f64, out),
                SelfValue::Number(value) => number(*value, out),
                SelfValue::Histogram { buckets, sum } => self_histogram(buckets, *sum, created, out),
            });
        }
        self.held += piece.len() - before;
        self.end();
    }

    /// Makes a message of the held series. Further series of the same family go into another message.
    pub(super) fn end(&mut self) {
        if self.held == 0 {
            return;
        }
        let mut unit = Vec::new();
        if let Some(name) = self.unit {
            text(5, name, &mut unit);
        }
        let mut first = Vec::with_capacity(self.head.len() + 10);
        varint((self.head.len() + self.held + unit.len()) as u64, &mut first);
        first.extend_from_slice(&self.head);
        self.whole.push_back(first);
        self.whole.append(&mut self.pieces);
        let last = self.next_piece();
        self.whole.push_back(last);
        self.whole.push_back(unit);
        self.held = 0;
    }

    /// Appends a piece of a complete message. Returns false if there is none.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) -> bool {
        match self.whole.pop_front() {
            Some(mut piece) => {
                out.extend_from_slice(&piece);
                piece.clear();
                // The queue also has heads and units, whose buffers are small.
                if piece.capacity() > self.spare.capacity() {
                    self.spare = piece;
                }
                true
            }
            None => false,
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: u64) {
        self.head.clear();
        text(1, name, &mut self.head);
        text(2, help, &mut self.head);
        number_field(3, kind, &mut self.head);
    }

    /// The piece to append to.
    fn piece(&mut self) -> &mut Vec<u8> {
        if self.piece.len() >= PIECE_BYTES {
            let full = self.next_piece();
            self.pieces.push_back(full);
        }
        &mut self.piece
    }

    /// Begins an empty piece, and returns the previous one.
    fn next_piece(&mut self) -> Vec<u8> {
        std::mem::replace(&mut self.piece, std::mem::take(&mut self.spare))
    }
}

/// Appends a `Metric`: labels, then the value.
fn metric(labels: &str, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    message(4, out, |out| {
        label_pairs(labels, out);
        value(out);
    });
}

fn counter(value: f64, (series, exemplars): (&Arc<Series>, &Exemplars), out: &mut Vec<u8>) {
    message(3, out, |out| {
        double(1, value, out);
        exemplars.of(series).first().into_iter().for_each(|of| exemplar(2, of, out));
        timestamp(3, series.created(), out);
    });
}

fn histogram(
    (all, native): (&HistogramSnapshot, Option<&NativeSnapshot>),
    bounds: &[f64],
    (series, exemplars): (&Arc<Series>, &Exemplars),
    out: &mut Vec<u8>,
) {
    let total = all.weight();
    // Exemplars are in the order of the buckets.
    let mut exemplars = exemplars.of(series).into_iter().peekable();
    let mut exemplar_of = |bucket: usize| exemplars.next_if(|exemplar| exemplar.bucket == bucket);
    message(7, out, |out| {
        number_field(1, whole(total), out);
        double(2, all.sum, out);
        let mut cumulative = 0.0;
        for (nth, (bound, weight)) in bounds.iter().zip(&all.buckets).enumerate() {
            cumulative = add_weights(cumulative, *weight);
            bucket((*bound, cumulative), exemplar_of(nth).as_ref(), out);
        }
        // The last bucket equals the count, and is left out unless it has an exemplar.
        if let Some(exemplar) = exemplar_of(bounds.len()) {
            bucket((f64::INFINITY, total), Some(&exemplar), out);
        }
        match native {
            Some(native) => {
                if !native.is_whole() {
                    double(4, total, out);
                }
                native_fields::fields(native, Layout::CLIENT, out);
            }
            None => fraction(4, total, out),
        }
        timestamp(15, series.created(), out);
    });
}

fn self_histogram(buckets: &[(f64, u64)], sum: f64, created: Option<Timestamp>, out: &mut Vec<u8>) {
    message(7, out, |out| {
        number_field(1, buckets.last().map_or(0, |(_, count)| *count), out);
        double(2, sum, out);
        for (bound, count) in buckets.iter().filter(|(bound, _)| bound.is_finite()) {
            bucket((*bound, *count as f64), None, out);
        }
        created.into_iter().for_each(|created| timestamp(15, created, out));
    });
}

fn bucket((bound, cumulative): (f64, f64), exemplar_of: Option<&Exemplar>, out: &mut Vec<u8>) {
    // The usual case, whose length is known beforehand.
    if let (None, Some(count)) = (exemplar_of, as_whole(cumulative)) {
        out.extend_from_slice(&[tag_of(3, LENGTH), (1 + varint_len(count) + 9) as u8]);
        number_field(1, count, out);
        return double(2, bound, out);
    }
    message(3, out, |out| {
        number_field(1, whole(cumulative), out);
        double(2, bound, out);
        exemplar_of.into_iter().for_each(|of| exemplar(3, of, out));
        fraction(4, cumulative, out);
    });
}

fn summary(all: &SummarySnapshot, quantiles: &[f64], created: Timestamp, out: &mut Vec<u8>) {
    message(4, out, |out| {
        number_field(1, whole(all.count), out);
        double(2, all.sum, out);
        for quantile in quantiles {
            out.extend_from_slice(&[tag_of(3, LENGTH), 9 + 9]);
            double(1, *quantile, out);
            double(2, all.quantile(*quantile), out);
        }
        timestamp(4, created, out);
    });
}

fn exemplar(field: u32, of: &Exemplar, out: &mut Vec<u8>) {
    message(field, out, |out| {
        label_pairs(&of.labels, out);
        double(2, of.value, out);
        timestamp(3, of.time, out);
    });
}

fn whole(count: f64) -> u64 {
    as_whole(count).unwrap_or_else(|| count.round() as u64)
}

/// The count, if it is a whole number that fits an integer. A count is never negative.
#[inline]
fn as_whole(count: f64) -> Option<u64> {
    let whole = count as i64;
    (whole as f64 == count && (0..i64::MAX).contains(&whole)).then_some(whole as u64)
}

/// Appends the count as a float, if it is not a whole number.
fn fraction(field: u32, count: f64, out: &mut Vec<u8>) {
    if as_whole(count).is_none() && count.fract() != 0.0 {
        double(field, count, out);
    }
}

fn timestamp(field: u32, time: Timestamp, out: &mut Vec<u8>) {
    let (seconds, nanos) = (time.as_millis() / 1000, time.as_millis() % 1000 * 1_000_000);
    let length = 1 + varint_len(seconds) + if nanos > 0 { 1 + varint_len(nanos) } else { 0 };
    out.extend_from_slice(&[tag_of(field, LENGTH), length as u8]);
    number_field(1, seconds, out);
    if nanos > 0 {
        number_field(2, nanos, out);
    }
}

/// Appends the label pairs of a label text: `a="x",b="y"`. Names with special characters are in quotes too.
fn label_pairs(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        rest = match plain_pair(rest).filter(|(name, value, _)| 4 + name.len() + value.len() <= ONE_BYTE) {
            Some((name, value, rest)) => {
                out.extend_from_slice(&[tag_of(1, LENGTH), (4 + name.len() + value.len()) as u8, tag_of(1, LENGTH), name.len() as u8]);
                out.extend_from_slice(name);
                out.extend_from_slice(&[tag_of(2, LENGTH), value.len() as u8]);
                out.extend_from_slice(value);
                rest
            }
            None => label_pair(rest, out),
        };
        rest = rest.strip_prefix(b",").unwrap_or(rest);
    }
}

/// The usual first pair: a name without quotes and a value without escapes. Returns name, value and the rest.
#[inline]
pub(super) fn plain_pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = text.split_at_checked(text.iter().position(|byte| *byte == b'=')?)?;
    let value = rest.strip_prefix(b"=\"")?;
    let (value, rest) = value.split_at_checked(value.iter().position(|byte| matches!(byte, b'"' | b'\\'))?)?;
    let rest = rest.strip_prefix(b"\"")?;
    (name.first() != Some(&b'"')).then_some((name, value, rest))
}

/// Appends the first pair, of any form. Returns the rest.
fn label_pair<'t>(mut rest: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    message(1, out, |out| {
        rest = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let rest = unquoted(1, quoted, out);
                rest.strip_prefix(b"=").unwrap_or(rest)
            }
            None => {
                let (name, rest) = rest.split_at(memchr::memchr(b'=', rest).unwrap_or(rest.len()));
                bytes(1, name, out);
                rest.get(1..).unwrap_or_default()
            }
        };
        rest = unquoted(2, rest.strip_prefix(b"\"").unwrap_or(rest), out);
    });
    rest
}

/// Appends a field with the text up to the closing quote, without escapes. Returns the rest after the quote.
fn unquoted<'t>(field: u32, text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let end = memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len());
    let (plain, rest) = text.split_at(end);
    if rest.first() != Some(&b'\\') {
        bytes(field, plain, out);
        return rest.get(1..).unwrap_or_default();
    }
    let mut rest = text;
    message(field, out, |out| {
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            let (plain, special) = rest.split_at(at);
            out.extend_from_slice(plain);
            if special.first() == Some(&b'"') {
                rest = special.get(1..).unwrap_or_default();
                return;
            }
            out.extend(special.get(1).map(|c| if *c == b'n' { b'\n' } else { *c }));
            rest = special.get(2..).unwrap_or_default();
        }
        rest = &[];
    });
    rest
}
