//! The lines of a self-family taken apart again, for formats in which a line is not a line of text.

use crate::telemetry::SelfFamily;

/// One label set of a self-family.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SelfSeries<'a> {
    /// As in a text exposition, between the braces.
    pub(super) labels: &'a str,
    pub(super) value: SelfValue,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum SelfValue {
    Number(f64),
    /// Upper bounds with cumulative counts, `+Inf` last, and the sum.
    Histogram {
        buckets: Vec<(f64, f64)>,
        sum: f64,
    },
}

/// The series of a family, in the order of its lines.
pub(super) fn self_series(family: &SelfFamily) -> Vec<SelfSeries<'_>> {
    let mut all: Vec<SelfSeries<'_>> = Vec::new();
    let lines = family.lines.iter().filter_map(|line| SelfLine::parse(line, &family.name));
    for SelfLine { suffix, labels, value } in lines {
        if family.kind != "histogram" {
            all.push(SelfSeries { labels, value: SelfValue::Number(value) });
            continue;
        }
        let (labels, bound) = if suffix == "_bucket" { without_bound(labels) } else { (labels, f64::NAN) };
        if all.last().is_none_or(|last| last.labels != labels) {
            all.push(SelfSeries { labels, value: SelfValue::Histogram { buckets: Vec::new(), sum: 0.0 } });
        }
        if let Some(SelfSeries { value: SelfValue::Histogram { buckets, sum }, .. }) = all.last_mut() {
            match suffix {
                "_bucket" => buckets.push((bound, value)),
                "_sum" => *sum = value,
                // What it counts is the last bucket.
                _ => {}
            }
        }
    }
    all
}

struct SelfLine<'a> {
    suffix: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> SelfLine<'a> {
    fn parse(line: &'a str, name: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (full, labels) = match series.split_once('{') {
            Some((full, labels)) => (full, labels.strip_suffix('}')?),
            None => (series, ""),
        };
        Some(Self { suffix: full.strip_prefix(name)?, labels, value: value.parse().ok()? })
    }
}

/// The recorder writes `le` last.
fn without_bound(labels: &str) -> (&str, f64) {
    let (others, bound) = labels.rsplit_once("le=\"").unwrap_or((labels, ""));
    (others.trim_end_matches(','), bound.trim_end_matches('"').parse().unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_numbers_and_histograms() {
        let family = |kind, lines: &[&str]| SelfFamily {
            name: "a".into(),
            help: "".into(),
            kind,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let numbers = family("gauge", &["a 1.5", r#"a{x="} \" 2"} 3"#]);
        let number = |labels, value| SelfSeries { labels, value: SelfValue::Number(value) };
        assert_eq!(self_series(&numbers), [number("", 1.5), number(r#"x="} \" 2""#, 3.0)]);
        let histogram = family(
            "histogram",
            &[
                r#"a_bucket{le="0.5"} 1"#,
                r#"a_bucket{le="+Inf"} 3"#,
                "a_sum 7.5",
                "a_count 3",
                r#"a_bucket{k="v",le="+Inf"} 2"#,
                r#"a_sum{k="v"} 2"#,
            ],
        );
        let value = |buckets: &[(f64, f64)], sum| SelfValue::Histogram { buckets: buckets.to_vec(), sum };
        assert_eq!(
            self_series(&histogram),
            [
                SelfSeries { labels: "", value: value(&[(0.5, 1.0), (f64::INFINITY, 3.0)], 7.5) },
                SelfSeries { labels: r#"k="v""#, value: value(&[(f64::INFINITY, 2.0)], 2.0) },
            ]
        );
    }
}
