//! The text format, version 0.0.4.

use std::sync::Arc;

use super::Style;
use super::float::push_float;
use crate::Timestamp;
use crate::registry::{Family, FamilyKind, Series};
use crate::telemetry::OwnFamily;
use crate::value::{HistogramSnapshot, SummarySnapshot};

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
            series.iter().for_each(|series| line(&[name], (series.labels(), ""), number(series), out));
        }
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => {
            series.iter().for_each(|series| line(&[name], (series.labels(), ""), series.number(), out));
        }
        FamilyKind::Histogram { bounds } => histograms(name, bounds, series, out),
        FamilyKind::Summary(options) => summaries(name, &options.quantiles, series, now, out),
    }
}

fn histograms(name: &str, bounds: &[f64], series: &[Arc<Series>], out: &mut Vec<u8>) {
    let les: Vec<String> = bounds.iter().copied().chain([f64::INFINITY]).map(|bound| extra_label("le", bound)).collect();
    let mut all = HistogramSnapshot::new(bounds.len());
    for series in series {
        all.clear();
        series.histogram(&mut all);
        let mut cumulative = 0.0;
        for (le, weight) in les.iter().zip(&all.buckets) {
            cumulative += weight;
            line(&[name, "_bucket"], (series.labels(), le), cumulative, out);
        }
        line(&[name, "_sum"], (series.labels(), ""), all.sum, out);
        line(&[name, "_count"], (series.labels(), ""), cumulative, out);
    }
}

fn summaries(name: &str, quantiles: &[f64], series: &[Arc<Series>], now: Timestamp, out: &mut Vec<u8>) {
    let labels: Vec<(f64, String)> = quantiles.iter().map(|q| (*q, extra_label("quantile", *q))).collect();
    let mut all = SummarySnapshot::default();
    for series in series {
        all.clear();
        series.summary(now, &mut all);
        for (quantile, label) in &labels {
            line(&[name], (series.labels(), label), all.quantile(*quantile), out);
        }
        line(&[name, "_sum"], (series.labels(), ""), all.sum, out);
        line(&[name, "_count"], (series.labels(), ""), all.count, out);
    }
}

fn extra_label(name: &str, value: f64) -> String {
    let mut text = format!("{name}=\"").into_bytes();
    push_float(value, &mut text);
    text.push(b'"');
    String::from_utf8(text).unwrap_or_default()
}

/// One sample line; `labels` are the series' own and one of the format's.
fn line(name: &[&str], labels: (&str, &str), value: f64, out: &mut Vec<u8>) {
    push(out, name);
    match labels {
        ("", "") => {}
        (one, "") | ("", one) => push(out, &["{", one, "}"]),
        (own, extra) => push(out, &["{", own, ",", extra, "}"]),
    }
    out.push(b' ');
    push_float(value, out);
    out.push(b'\n');
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}
