//! OpenMetrics 1.0.0. What a family is shown as is settled in [`super::shape`].
//!
//! Counts of buckets, histograms and summaries must be whole numbers here; those that sampling made fractional are rounded, so
//! that they still rise from bucket to bucket. A sum that turns negative while the page is made is left out with its count.

use std::sync::Arc;

use super::escape::Names;
use super::exemplar::push_exemplar_openmetrics;
use super::float::push_float;
use super::own_values::{OwnSeries, OwnValue, own_series};
use super::shape::Shape;
use super::text::push;
use super::{How, Style, shown_number};
use crate::Timestamp;
use crate::registry::{Exemplar, Family, FamilyKind, Series};
use crate::telemetry::OwnFamily;
use crate::value::{HistogramSnapshot, SummarySnapshot};

/// The last line, without which a page is known to be cut.
pub(super) const END: &[u8] = b"# EOF\n";

/// A piece of a page: a family, or one of those that it is taken apart into.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) family: &'a Family,
    pub(super) names: &'a Names,
    pub(super) shape: Shape,
    /// Which one of them, if it is taken apart.
    pub(super) part: usize,
}

impl Piece<'_> {
    /// How many pieces a family of this kind and shape has.
    pub(super) fn count(kind: &FamilyKind, shape: Shape) -> usize {
        if shape == Shape::Apart { parts(kind).len() } else { 1 }
    }

    fn suffix(&self) -> &'static str {
        parts(self.family.kind()).get(self.part).copied().unwrap_or_default()
    }
}

/// What the lines of a family have behind its name.
fn parts(kind: &FamilyKind) -> &'static [&'static str] {
    match kind {
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => &[""],
        FamilyKind::Histogram { .. } => &["_bucket", "_sum", "_count"],
        FamilyKind::Summary(_) => &["", "_sum", "_count"],
    }
}

/// What stands before the lines of a piece.
pub(super) fn head(piece: Piece<'_>, style: &Style, out: &mut Vec<u8>) {
    let help = piece.family.help();
    let mut name = Vec::new();
    let kind = match (piece.shape, piece.family.kind()) {
        (Shape::Apart, _) => {
            piece.names.push_line(piece.suffix(), &mut name);
            if name.first() == Some(&b'{') {
                name.remove(0);
            }
            "unknown"
        }
        (Shape::Unknown, _) => {
            piece.names.push_head(&mut name);
            "unknown"
        }
        (Shape::Typed, kind) => {
            piece.names.push_head(&mut name);
            match kind {
                FamilyKind::Counter => {
                    without_total(&mut name);
                    "counter"
                }
                FamilyKind::Gauge | FamilyKind::Set => "gauge",
                FamilyKind::Histogram { .. } => "histogram",
                FamilyKind::Summary(_) => "summary",
            }
        }
    };
    let unit = piece.family.unit().filter(|unit| ends_in_unit(&name, unit));
    push_head(&name, (help.as_deref().unwrap_or(style.help), kind, unit), out);
}

/// Takes `_total` from a name, which may be in quotes.
fn without_total(name: &mut Vec<u8>) {
    let is_quoted = name.last() == Some(&b'"');
    let end = name.len() - usize::from(is_quoted);
    if let Some(base) = name.get(..end).and_then(|name| name.strip_suffix(b"_total")) {
        name.truncate(base.len());
        if is_quoted {
            name.push(b'"');
        }
    }
}

fn ends_in_unit(name: &[u8], unit: &str) -> bool {
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    name.strip_suffix(unit.as_bytes()).is_some_and(|stem| stem.ends_with(b"_"))
}

fn push_head(name: &[u8], (help, kind, unit): (&str, &str, Option<&str>), out: &mut Vec<u8>) {
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name);
    out.push(b' ');
    for byte in help.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' => out.extend_from_slice(b"\\\""),
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name);
    push(out, &[" ", kind, "\n"]);
    if let Some(unit) = unit {
        out.extend_from_slice(b"# UNIT ");
        out.extend_from_slice(name);
        push(out, &[" ", unit, "\n"]);
    }
}

/// The lines of some of a family's series.
pub(super) fn series(piece: Piece<'_>, series: &[Arc<Series>], how: How<'_>, out: &mut Vec<u8>) {
    let (names, How { style, now, registry }) = (piece.names, how);
    match piece.family.kind() {
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => {
            let is_counter = piece.shape == Shape::Typed && *piece.family.kind() == FamilyKind::Counter;
            for series in series {
                let labels = names.labels(series.labels());
                line((names, ""), (&labels, ""), Number::Float(shown_number(piece.family.kind(), series, style)), out);
                if is_counter {
                    exemplar_of(0, &registry.exemplars(series), out);
                }
                if is_counter && style.created_lines {
                    created_of_counter(names, &labels, series.created(), out);
                }
            }
        }
        FamilyKind::Histogram { bounds } => histograms(piece, bounds, (series, how), out),
        FamilyKind::Summary(options) => summaries(piece, &options.quantiles, (series, style, now), out),
    }
}

fn histograms(piece: Piece<'_>, bounds: &[f64], (series, how): (&[Arc<Series>], How<'_>), out: &mut Vec<u8>) {
    let les: Vec<String> = bounds.iter().copied().chain([f64::INFINITY]).map(|bound| extra_label("le", bound)).collect();
    let (names, is_typed) = (piece.names, piece.shape == Shape::Typed);
    let is_wanted = |suffix: &str| is_typed || piece.suffix() == suffix;
    // A type that forbids nothing leaves numbers as they are.
    let count = |count: f64| if is_typed { Number::Count(count) } else { Number::Float(count) };
    let mut all = HistogramSnapshot::new(bounds.len());
    for series in series {
        all.clear();
        series.histogram(&mut all);
        let labels = names.labels(series.labels());
        let exemplars = if is_typed { how.registry.exemplars(series) } else { Vec::new() };
        let mut cumulative = 0.0;
        for (nth, (le, weight)) in les.iter().zip(&all.buckets).enumerate() {
            cumulative += weight;
            if is_wanted("_bucket") {
                line((names, "_bucket"), (&labels, le), count(cumulative), out);
                exemplar_of(nth, &exemplars, out);
            }
        }
        let has_sum = all.sum >= 0.0 || !is_typed;
        if has_sum && is_wanted("_sum") {
            line((names, "_sum"), (&labels, ""), Number::Float(all.sum), out);
        }
        if has_sum && is_wanted("_count") {
            line((names, "_count"), (&labels, ""), count(cumulative), out);
        }
        if how.style.created_lines && is_typed {
            line((names, "_created"), (&labels, ""), Number::Time(series.created()), out);
        }
    }
}

fn summaries(piece: Piece<'_>, quantiles: &[f64], (series, style, now): (&[Arc<Series>], &Style, Timestamp), out: &mut Vec<u8>) {
    let quantiles: Vec<(f64, String)> = quantiles.iter().map(|q| (*q, extra_label("quantile", *q))).collect();
    let (names, is_typed) = (piece.names, piece.shape == Shape::Typed);
    let is_wanted = |suffix: &str| is_typed || piece.suffix() == suffix;
    let mut all = SummarySnapshot::default();
    for series in series {
        all.clear();
        series.summary(now, &mut all);
        let labels = names.labels(series.labels());
        if is_wanted("") {
            for (quantile, label) in &quantiles {
                let value = all.quantile(*quantile);
                if !(is_typed && value < 0.0) {
                    line((names, ""), (&labels, label), Number::Float(value), out);
                }
            }
        }
        if is_wanted("_sum") && (all.sum >= 0.0 || !is_typed) {
            line((names, "_sum"), (&labels, ""), Number::Float(all.sum), out);
        }
        if is_wanted("_count") {
            line((names, "_count"), (&labels, ""), if is_typed { Number::Count(all.count) } else { Number::Float(all.count) }, out);
        }
        if style.created_lines && is_typed {
            line((names, "_created"), (&labels, ""), Number::Time(series.created()), out);
        }
    }
}

/// One of the bridge's own families.
pub(super) fn own(family: &OwnFamily, shape: Shape, out: &mut Vec<u8>) {
    let mut name = family.name.as_bytes().to_vec();
    let kind = match (shape, family.kind) {
        (Shape::Typed, kind) => kind,
        _ => "unknown",
    };
    if kind == "counter" {
        without_total(&mut name);
    }
    push_head(&name, (&family.help, kind, None), out);
    let names = Names::of_own(&family.name);
    for OwnSeries { labels, value } in own_series(family) {
        match value {
            OwnValue::Number(value) => line((&names, ""), (labels, ""), Number::Float(value), out),
            OwnValue::Histogram { buckets, sum } => {
                for (bound, count) in &buckets {
                    line((&names, "_bucket"), (labels, &extra_label("le", *bound)), Number::Count(*count), out);
                }
                line((&names, "_sum"), (labels, ""), Number::Float(sum), out);
                let count = buckets.last().map_or(0.0, |(_, count)| *count);
                line((&names, "_count"), (labels, ""), Number::Count(count), out);
            }
        }
    }
}

/// Puts the bucket's exemplar, if it has one, behind the line that was appended last.
fn exemplar_of(bucket: usize, exemplars: &[Exemplar], out: &mut Vec<u8>) {
    if let Some(exemplar) = exemplars.iter().find(|exemplar| exemplar.bucket == bucket) {
        // Its newline.
        out.pop();
        push_exemplar_openmetrics(exemplar, out);
        out.push(b'\n');
    }
}

fn extra_label(name: &str, value: f64) -> String {
    let mut text = format!("{name}=\"").into_bytes();
    push_canonical(value, &mut text);
    text.push(b'"');
    String::from_utf8(text).unwrap_or_default()
}

/// `x_created` of the counter `x_total`.
fn created_of_counter(names: &Names, labels: &str, created: Timestamp, out: &mut Vec<u8>) {
    let mut name = Vec::new();
    let open = names.push_line("", &mut name);
    without_total(&mut name);
    if name.last() == Some(&b'"') {
        name.pop();
        name.extend_from_slice(b"_created\"");
    } else {
        name.extend_from_slice(b"_created");
    }
    out.extend_from_slice(&name);
    rest_of_line(open, (labels, ""), Number::Time(created), out);
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Float(f64),
    /// Rounded.
    Count(f64),
    /// In seconds.
    Time(Timestamp),
}

/// One sample line; `labels` are the series' own and one of the format's.
fn line((names, suffix): (&Names, &str), labels: (&str, &str), number: Number, out: &mut Vec<u8>) {
    let open = names.push_line(suffix, out);
    rest_of_line(open, labels, number, out);
}

fn rest_of_line(open: &str, labels: (&str, &str), number: Number, out: &mut Vec<u8>) {
    match labels {
        ("", "") if open == "{" => {}
        ("", "") => out.push(b'}'),
        (one, "") | ("", one) => push(out, &[open, one, "}"]),
        (own, extra) => push(out, &[open, own, ",", extra, "}"]),
    }
    out.push(b' ');
    match number {
        Number::Float(value) => push_canonical(value, out),
        Number::Count(count) => push_count(count, out),
        Number::Time(time) => push_seconds(time, out),
    }
    out.push(b'\n');
}

/// As text has it, but with `.0` where it would look like a whole number.
fn push_canonical(value: f64, out: &mut Vec<u8>) {
    let start = out.len();
    push_float(value, out);
    let is_plain = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    if out.get(start..).is_some_and(|digits| digits.iter().all(is_plain)) {
        out.extend_from_slice(b".0");
    }
}

fn push_count(count: f64, out: &mut Vec<u8>) {
    // Above that a double is no longer any whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let count = count.round();
    if (0.0..EXACT).contains(&count) {
        out.extend_from_slice(itoa::Buffer::new().format(count as u64).as_bytes());
    } else {
        push_canonical(count, out);
    }
}

fn push_seconds(time: Timestamp, out: &mut Vec<u8>) {
    let millis = time.as_millis();
    out.extend_from_slice(itoa::Buffer::new().format(millis / 1000).as_bytes());
    let rest = millis % 1000;
    let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
    out.push(b'.');
    out.extend_from_slice(&digits);
}
