//! The text format, version 0.0.4.

use std::sync::Arc;

use super::Style;
use super::float::push_float;
use crate::Timestamp;
use crate::registry::{Family, FamilyKind, Series};
use crate::telemetry::OwnFamily;
use crate::value::{HistogramSnapshot, SummarySnapshot};

/// Braces, spaces and the longest number of a line.
const LINE_REST: usize = 32;

/// What stands before a family's lines.
pub(super) fn head(family: &Family, style: &Style, out: &mut Vec<u8>) {
    let help = family.help();
    push_head(family.name().as_str(), help.as_deref().unwrap_or(style.help), type_name(family.kind()), out);
}

/// One of the bridge's own families.
pub(super) fn own(family: &OwnFamily, out: &mut Vec<u8>) {
    push_head(&family.name, &family.help, family.kind, out);
    for line in &family.lines {
        push(out, &[line, "\n"]);
    }
}

fn type_name(kind: &FamilyKind) -> &'static str {
    match kind {
        FamilyKind::Counter => "counter",
        FamilyKind::Gauge | FamilyKind::Set => "gauge",
        FamilyKind::Histogram { .. } => "histogram",
        FamilyKind::Summary(_) => "summary",
    }
}

fn push_head(name: &str, help: &str, kind: &str, out: &mut Vec<u8>) {
    push(out, &["# HELP ", name, " "]);
    for byte in help.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
    push(out, &["\n# TYPE ", name, " ", kind, "\n"]);
}

/// The lines of some of a family's series.
pub(super) fn series(family: &Family, series: &[Arc<Series>], (style, now): (&Style, Timestamp), out: &mut Vec<u8>) {
    let name = family.name().as_str();
    match family.kind() {
        FamilyKind::Counter if style.counters_start_at_zero => {
            let number = |series: &Series| if series.is_first_shown() { 0.0 } else { series.number() };
            numbers(name, series, number, out);
        }
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => numbers(name, series, Series::number, out),
        FamilyKind::Histogram { bounds } => histograms(name, bounds, series, out),
        FamilyKind::Summary(options) => summaries(name, &options.quantiles, series, now, out),
    }
}

fn numbers(name: &str, all: &[Arc<Series>], number: impl Fn(&Series) -> f64, out: &mut Vec<u8>) {
    all.iter().for_each(|series| line(name, "", series.labels(), number(series), out));
}

fn histograms(name: &str, bounds: &[f64], series: &[Arc<Series>], out: &mut Vec<u8>) {
    let les: Vec<String> = bounds.iter().copied().chain([f64::INFINITY]).map(|bound| extra_label("le", bound)).collect();
    let mut all = HistogramSnapshot::new(bounds.len());
    let mut beginning = Vec::new();
    for series in series {
        all.clear();
        series.histogram(&mut all);
        let mut cumulative = 0.0;
        begin(name, "_bucket", series.labels(), &mut beginning);
        for (le, weight) in les.iter().zip(&all.buckets) {
            cumulative += weight;
            line_with(&beginning, le, cumulative, out);
        }
        line(name, "_sum", series.labels(), all.sum, out);
        line(name, "_count", series.labels(), cumulative, out);
    }
}

fn summaries(name: &str, quantiles: &[f64], series: &[Arc<Series>], now: Timestamp, out: &mut Vec<u8>) {
    let labels: Vec<(f64, String)> = quantiles.iter().map(|q| (*q, extra_label("quantile", *q))).collect();
    let mut all = SummarySnapshot::default();
    let mut beginning = Vec::new();
    for series in series {
        all.clear();
        series.summary(now, &mut all);
        begin(name, "", series.labels(), &mut beginning);
        for (quantile, label) in &labels {
            line_with(&beginning, label, all.quantile(*quantile), out);
        }
        line(name, "_sum", series.labels(), all.sum, out);
        line(name, "_count", series.labels(), all.count, out);
    }
}

/// A label of the format's, with what stands between it and the value.
fn extra_label(name: &str, value: f64) -> String {
    let mut text = format!("{name}=\"").into_bytes();
    push_float(value, &mut text);
    text.extend_from_slice(b"\"} ");
    String::from_utf8(text).unwrap_or_default()
}

/// Puts into `beginning` what all lines of a series begin with that have a label of the format's.
fn begin(name: &str, suffix: &str, labels: &str, beginning: &mut Vec<u8>) {
    beginning.clear();
    push(beginning, &[name, suffix, "{", labels]);
    if !labels.is_empty() {
        beginning.push(b',');
    }
}

/// One sample line with a label of the format's.
fn line_with(beginning: &[u8], label: &str, value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(beginning);
    out.extend_from_slice(label.as_bytes());
    push_float(value, out);
    out.push(b'\n');
}

/// One sample line with the series' own labels.
fn line(name: &str, suffix: &str, labels: &str, value: f64, out: &mut Vec<u8>) {
    // All at once: growing is looked after once a line.
    out.reserve(name.len() + suffix.len() + labels.len() + LINE_REST);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    if !labels.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels.as_bytes());
        out.push(b'}');
    }
    out.push(b' ');
    push_float(value, out);
    out.push(b'\n');
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}
