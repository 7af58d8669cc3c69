//! The text format, version 0.0.4.

use std::sync::Arc;

use super::escape::Names;
use super::float::push_float;
use super::{Style, shown_number};
use crate::Timestamp;
use crate::registry::{Family, FamilyKind, Series};
use crate::telemetry::OwnFamily;
use crate::value::{HistogramSnapshot, SummarySnapshot};

/// Braces, spaces and the longest number of a line.
const LINE_REST: usize = 32;

/// What stands before a family's lines.
pub(super) fn head((family, names): (&Family, &Names), style: &Style, out: &mut Vec<u8>) {
    let help = family.help();
    push_head(&|out| names.push_head(out), help.as_deref().unwrap_or(style.help), type_name(family.kind()), out);
}

/// One of the bridge's own families.
pub(super) fn own(family: &OwnFamily, out: &mut Vec<u8>) {
    push_head(&|out| Names::of_own(&family.name).push_head(out), &family.help, family.kind, out);
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

fn push_head(name: &dyn Fn(&mut Vec<u8>), help: &str, kind: &str, out: &mut Vec<u8>) {
    push(out, &["# HELP "]);
    name(out);
    push(out, &[" "]);
    for byte in help.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
    push(out, &["\n# TYPE "]);
    name(out);
    push(out, &[" ", kind, "\n"]);
}

/// The lines of some of a family's series.
pub(super) fn series((family, names): (&Family, &Names), series: &[Arc<Series>], (style, now): (&Style, Timestamp), out: &mut Vec<u8>) {
    match family.kind() {
        kind @ (FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set) => {
            for series in series {
                line((names, ""), &names.labels(series.labels()), shown_number(kind, series, style), out);
            }
        }
        FamilyKind::Histogram { bounds } => histograms(names, bounds, series, out),
        FamilyKind::Summary(options) => summaries(names, &options.quantiles, series, now, out),
    }
}

fn histograms(names: &Names, bounds: &[f64], series: &[Arc<Series>], out: &mut Vec<u8>) {
    let les: Vec<String> = bounds.iter().copied().chain([f64::INFINITY]).map(|bound| extra_label("le", bound)).collect();
    let mut all = HistogramSnapshot::new(bounds.len());
    let mut beginning = Vec::new();
    for series in series {
        all.clear();
        series.histogram(&mut all);
        let labels = names.labels(series.labels());
        let mut cumulative = 0.0;
        begin((names, "_bucket"), &labels, &mut beginning);
        for (le, weight) in les.iter().zip(&all.buckets) {
            cumulative += weight;
            line_with(&beginning, le, cumulative, out);
        }
        line((names, "_sum"), &labels, all.sum, out);
        line((names, "_count"), &labels, cumulative, out);
    }
}

fn summaries(names: &Names, quantiles: &[f64], series: &[Arc<Series>], now: Timestamp, out: &mut Vec<u8>) {
    let quantiles: Vec<(f64, String)> = quantiles.iter().map(|q| (*q, extra_label("quantile", *q))).collect();
    let mut all = SummarySnapshot::default();
    let mut beginning = Vec::new();
    for series in series {
        all.clear();
        series.summary(now, &mut all);
        let labels = names.labels(series.labels());
        begin((names, ""), &labels, &mut beginning);
        for (quantile, label) in &quantiles {
            line_with(&beginning, label, all.quantile(*quantile), out);
        }
        line((names, "_sum"), &labels, all.sum, out);
        line((names, "_count"), &labels, all.count, out);
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
fn begin((names, suffix): (&Names, &str), labels: &str, beginning: &mut Vec<u8>) {
    beginning.clear();
    let open = names.push_line(suffix, beginning);
    push(beginning, &[open, labels]);
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
fn line((names, suffix): (&Names, &str), labels: &str, value: f64, out: &mut Vec<u8>) {
    // All at once: growing is looked after once a line.
    out.reserve(names.name().len() + suffix.len() + labels.len() + LINE_REST);
    let open = names.push_line(suffix, out);
    match labels {
        "" if open == "{" => {}
        "" => out.push(b'}'),
        labels => push(out, &[open, labels, "}"]),
    }
    out.push(b' ');
    push_float(value, out);
    out.push(b'\n');
}

pub(super) fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}
