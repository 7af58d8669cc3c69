//! OpenMetrics 1.0.0. [`super::shape`] decides the shape of a family.
//!
//! Counts of buckets, histograms and summaries are the same as in text. The specification requires whole numbers, so a family with
//! a fractional count, which sampling causes, has no type; it keeps the type if exemplars need it, because Prometheus reads
//! fractions.

use std::sync::Arc;

use super::escape::Names;
use super::exemplar_text::push_exemplar_openmetrics;
use super::float::{push_canonical, push_count};
use super::line::{Lines, extra, line, line_of, line_with, push, push_help, rest_of_line};
use super::shape::Shape;
use super::{How, Style, shown_number};
use crate::registry::cell::add_weights;
use crate::registry::{Exemplar, Family, FamilyKind, Series};
use crate::telemetry::{SelfFamily, SelfKind, SelfSeries, SelfValue};
use crate::time::Timestamp;

/// The last line. Without it, an exposition is incomplete.
pub(super) const END: &[u8] = b"# EOF\n";

/// A part of an exposition: a family, or one of the families that it is split into.
#[derive(Clone, Copy)]
pub(super) struct FamilyPart<'a> {
    pub(super) family: &'a Family,
    pub(super) names: &'a Names,
    pub(super) shape: Shape,
    /// The number of the part, if the family is split.
    pub(super) part: usize,
}

impl FamilyPart<'_> {
    /// The number of parts of a family of this kind and shape.
    pub(super) fn count(kind: &FamilyKind, shape: Shape) -> usize {
        if shape == Shape::Apart { parts(kind).len() } else { 1 }
    }

    fn suffix(&self) -> &'static str {
        let parts = parts(self.family.kind());
        debug_assert!(self.part < parts.len(), "a family has {} parts, not {}", parts.len(), self.part + 1);
        parts.get(self.part).copied().unwrap_or_default()
    }
}

/// The suffixes of a family's lines.
fn parts(kind: &FamilyKind) -> &'static [&'static str] {
    match kind {
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => &[""],
        FamilyKind::Histogram { .. } => &["_bucket", "_sum", "_count"],
        FamilyKind::Summary(_) => &["", "_sum", "_count"],
    }
}

/// Appends the lines before the samples of a part.
pub(super) fn head(part: FamilyPart<'_>, style: &Style, out: &mut Vec<u8>) {
    let help = part.family.help();
    let mut name = Vec::new();
    let kind = match (part.shape, part.family.kind()) {
        (Shape::Apart, _) => {
            part.names.push_line(part.suffix(), &mut name);
            if name.first() == Some(&b'{') {
                name.remove(0);
            }
            "unknown"
        }
        (Shape::Unknown, _) => {
            part.names.push_head(&mut name);
            "unknown"
        }
        (Shape::Typed, kind) => {
            part.names.push_head(&mut name);
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
    let unit = part.family.unit().filter(|unit| ends_in_unit(&name, unit));
    push_head(&name, (help.as_deref().unwrap_or(style.help), kind, unit), out);
}

/// Removes `_total` from a name, which may be in quotes.
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
    push_help(help, true, out);
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name);
    push(out, &[" ", kind, "\n"]);
    if let Some(unit) = unit {
        out.extend_from_slice(b"# UNIT ");
        out.extend_from_slice(name);
        push(out, &[" ", unit, "\n"]);
    }
}

/// Appends the lines of some series of the family that `lines` was prepared for.
pub(super) fn series(part: FamilyPart<'_>, series: &[Arc<Series>], how: How<'_>, lines: &mut Lines, out: &mut Vec<u8>) {
    let (names, How { style, now, exemplars }) = (part.names, how);
    match part.family.kind() {
        kind @ (FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set) => {
            let is_counter = part.shape == Shape::Typed && *kind == FamilyKind::Counter;
            for series in series {
                let (labels, value) = (names.labels(series.labels()), shown_number(kind, series, (style, now)));
                line_of(&lines.start, (names, &labels), |out| push_canonical(value, out), out);
                if is_counter {
                    exemplars.of(series).first().into_iter().for_each(|exemplar| push_exemplar(exemplar, out));
                }
                if is_counter && style.created_lines {
                    created_of_counter(names, &labels, series.created(), out);
                }
            }
        }
        FamilyKind::Histogram { .. } => histograms(part, (series, how), lines, out),
        FamilyKind::Summary(options) => summaries((part, &options.quantiles), (series, how), lines, out),
    }
}

fn histograms(part: FamilyPart<'_>, (series, how): (&[Arc<Series>], How<'_>), lines: &mut Lines, out: &mut Vec<u8>) {
    let (names, is_typed) = (part.names, part.shape == Shape::Typed);
    let is_wanted = |suffix: &str| is_typed || part.suffix() == suffix;
    let (with_buckets, with_sum, with_count) = (is_wanted("_bucket"), is_wanted("_sum"), is_wanted("_count"));
    for series in series {
        let labels = names.labels(series.labels());
        lines.of_series((names, "_bucket"), &labels);
        let all = &mut lines.histogram;
        all.clear();
        series.histogram(all);
        // Exemplars are in the order of the buckets, which is the order of the lines.
        let mut exemplars = if is_typed { how.exemplars.of(series) } else { Vec::new() }.into_iter().peekable();
        let mut cumulative = 0.0;
        for (nth, (le, weight)) in lines.extras.iter().zip(&all.buckets).enumerate() {
            cumulative = add_weights(cumulative, *weight);
            if with_buckets {
                line_with(&lines.beginning, le, |out| push_weight(cumulative, is_typed, out), out);
                exemplars.next_if(|exemplar| exemplar.bucket == nth).iter().for_each(|exemplar| push_exemplar(exemplar, out));
            }
        }
        let has_sum = all.sum >= 0.0 || !is_typed;
        if has_sum && with_sum {
            line((names, "_sum"), &labels, |out| push_canonical(all.sum, out), out);
        }
        if has_sum && with_count {
            line((names, "_count"), &labels, |out| push_weight(cumulative, is_typed, out), out);
        }
        if how.style.created_lines && is_typed {
            line((names, "_created"), &labels, |out| push_seconds(series.created(), out), out);
        }
    }
}

fn summaries((part, quantiles): (FamilyPart<'_>, &[f64]), (series, how): (&[Arc<Series>], How<'_>), lines: &mut Lines, out: &mut Vec<u8>) {
    let (names, is_typed) = (part.names, part.shape == Shape::Typed);
    let is_wanted = |suffix: &str| is_typed || part.suffix() == suffix;
    for series in series {
        let labels = names.labels(series.labels());
        lines.of_series((names, ""), &labels);
        let all = &mut lines.summary;
        all.clear();
        series.summary(how.now, all);
        for (quantile, label) in quantiles.iter().zip(&lines.extras).filter(|_| is_wanted("")) {
            let value = all.quantile(*quantile);
            if !(is_typed && value < 0.0) {
                line_with(&lines.beginning, label, |out| push_canonical(value, out), out);
            }
        }
        if is_wanted("_sum") && (all.sum >= 0.0 || !is_typed) {
            line((names, "_sum"), &labels, |out| push_canonical(all.sum, out), out);
        }
        if is_wanted("_count") {
            line((names, "_count"), &labels, |out| push_weight(all.count, is_typed, out), out);
        }
        if how.style.created_lines && is_typed {
            line((names, "_created"), &labels, |out| push_seconds(series.created(), out), out);
        }
    }
}

/// Appends a count. Without a type, it has the form of any number.
#[inline]
fn push_weight(count: f64, is_typed: bool, out: &mut Vec<u8>) {
    if is_typed && count.fract() == 0.0 { push_count(count, out) } else { push_canonical(count, out) }
}

/// Appends a self-family. With `created`, its counters and histograms have `_created` lines.
pub(super) fn self_family(family: &SelfFamily, (shape, created): (Shape, Option<Timestamp>), out: &mut Vec<u8>) {
    let mut name = family.name().as_bytes().to_vec();
    let is_typed = shape == Shape::Typed;
    let is_counter = is_typed && family.head.kind == SelfKind::Counter;
    if is_counter {
        without_total(&mut name);
    }
    push_head(&name, (&family.head.help, if is_typed { family.head.kind.as_str() } else { "unknown" }, None), out);
    let names = Names::of_self_family(family.name());
    let number = |value: f64, labels: &str, out: &mut Vec<u8>| {
        line((&names, ""), labels, |out| push_canonical(value, out), out);
        if let Some(created) = created.filter(|_| is_counter) {
            created_of_counter(&names, labels, created, out);
        }
    };
    for SelfSeries { labels, value } in &family.series {
        match value {
            SelfValue::Count(count) => number(*count as f64, labels, out),
            SelfValue::Number(value) => number(*value, labels, out),
            SelfValue::Histogram { buckets, sum } => {
                let mut lines = Lines::default();
                lines.of_series((&names, "_bucket"), labels);
                for (bound, count) in buckets {
                    line_with(&lines.beginning, &extra("le", *bound, push_canonical), |out| push_count(*count as f64, out), out);
                }
                line((&names, "_sum"), labels, |out| push_canonical(*sum, out), out);
                let count = buckets.last().map_or(0, |(_, count)| *count);
                line((&names, "_count"), labels, |out| push_count(count as f64, out), out);
                if let Some(created) = created {
                    line((&names, "_created"), labels, |out| push_seconds(created, out), out);
                }
            }
        }
    }
}

/// Appends an exemplar to the last line.
fn push_exemplar(exemplar: &Exemplar, out: &mut Vec<u8>) {
    // The newline of that line.
    out.pop();
    push_exemplar_openmetrics(exemplar, out);
    out.push(b'\n');
}

/// Appends the line `x_created` of the counter `x_total`.
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
    rest_of_line(open, labels, |out| push_seconds(created, out), out);
}

fn push_seconds(time: Timestamp, out: &mut Vec<u8>) {
    let millis = time.as_millis();
    out.extend_from_slice(itoa::Buffer::new().format(millis / 1000).as_bytes());
    let rest = millis % 1000;
    let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
    out.push(b'.');
    out.extend_from_slice(&digits);
}
