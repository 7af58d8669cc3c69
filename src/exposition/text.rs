//! The text format, version 0.0.4.

use std::sync::Arc;

use super::escape::Names;
use super::float::push_float;
use super::line::{Lines, extra, line, line_of, line_with, push, push_help};
use super::{Style, shown_number};
use crate::registry::cell::add_weights;
use crate::registry::{Family, FamilyKind, Series};
use crate::telemetry::{SelfFamily, SelfSeries, SelfValue};
use crate::time::Timestamp;

/// Appends the lines before a family's samples.
pub(super) fn head((family, names): (&Family, &Names), style: &Style, out: &mut Vec<u8>) {
    let help = family.help();
    push_head(&|out| names.push_head(out), help.as_deref().unwrap_or(style.help), type_name(family.kind()), out);
}

/// Appends a self-family.
pub(super) fn self_family(family: &SelfFamily, out: &mut Vec<u8>) {
    let names = Names::of_self_family(family.name());
    push_head(&|out| names.push_head(out), &family.head.help, family.head.kind.as_str(), out);
    for SelfSeries { labels, value } in &family.series {
        match value {
            SelfValue::Count(count) => line((&names, ""), labels, |out| push_digits(*count, out), out),
            SelfValue::Number(value) => line((&names, ""), labels, |out| push_float(*value, out), out),
            SelfValue::Histogram { buckets, sum } => {
                let mut lines = Lines::default();
                lines.of_series((&names, "_bucket"), labels);
                for (bound, count) in buckets {
                    line_with(&lines.beginning, &extra("le", *bound, push_float), |out| push_digits(*count, out), out);
                }
                line((&names, "_sum"), labels, |out| push_float(*sum, out), out);
                line((&names, "_count"), labels, |out| push_digits(buckets.last().map_or(0, |(_, count)| *count), out), out);
            }
        }
    }
}

fn push_digits(count: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
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
    push_help(help, false, out);
    push(out, &["\n# TYPE "]);
    name(out);
    push(out, &[" ", kind, "\n"]);
}

/// Appends the lines of some series of the family that `lines` was prepared for.
pub(super) fn series(
    (family, names): (&Family, &Names),
    series: &[Arc<Series>],
    (style, now): (&Style, Timestamp),
    lines: &mut Lines,
    out: &mut Vec<u8>,
) {
    match family.kind() {
        kind @ (FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set) => {
            for series in series {
                let value = shown_number(kind, series, (style, now));
                line_of(&lines.start, (names, &names.labels(series.labels())), |out| push_float(value, out), out);
            }
        }
        FamilyKind::Histogram { .. } => histograms(names, series, lines, out),
        FamilyKind::Summary(options) => summaries((names, &options.quantiles), (series, now), lines, out),
    }
}

fn histograms(names: &Names, series: &[Arc<Series>], lines: &mut Lines, out: &mut Vec<u8>) {
    for series in series {
        let labels = names.labels(series.labels());
        lines.of_series((names, "_bucket"), &labels);
        let all = &mut lines.histogram;
        all.clear();
        series.histogram(all);
        let mut cumulative = 0.0;
        for (le, weight) in lines.extras.iter().zip(&all.buckets) {
            cumulative = add_weights(cumulative, *weight);
            line_with(&lines.beginning, le, |out| push_float(cumulative, out), out);
        }
        line((names, "_sum"), &labels, |out| push_float(all.sum, out), out);
        line((names, "_count"), &labels, |out| push_float(cumulative, out), out);
    }
}

fn summaries((names, quantiles): (&Names, &[f64]), (series, now): (&[Arc<Series>], Timestamp), lines: &mut Lines, out: &mut Vec<u8>) {
    for series in series {
        let labels = names.labels(series.labels());
        lines.of_series((names, ""), &labels);
        let all = &mut lines.summary;
        all.clear();
        series.summary(now, all);
        for (quantile, label) in quantiles.iter().zip(&lines.extras) {
            line_with(&lines.beginning, label, |out| push_float(all.quantile(*quantile), out), out);
        }
        line((names, "_sum"), &labels, |out| push_float(all.sum, out), out);
        line((names, "_count"), &labels, |out| push_float(all.count, out), out);
    }
}
