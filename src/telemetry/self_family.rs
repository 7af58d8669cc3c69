//! A family of self-metrics with its values, for all exposition formats; and the parser of metrics-exporter-prometheus' text.

use std::sync::Arc;

/// A family of self-metrics with the values of one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SelfFamily {
    /// The part that is the same in every exposition.
    pub head: Arc<SelfHead>,
    /// The series, sorted by labels.
    pub series: Vec<SelfSeries>,
}

/// Name, help and type of a self-family.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SelfHead {
    /// The full name, prefix included.
    pub name: Box<str>,
    /// One line of help.
    pub help: Box<str>,
    /// The type.
    pub kind: SelfKind,
}

/// The type of a self-family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfKind {
    /// A sum that never goes down.
    Counter,
    /// Any number.
    Gauge,
    /// Buckets and a sum.
    Histogram,
}

/// One label set of a self-family, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SelfSeries {
    /// The text between the braces of a text exposition.
    pub labels: Arc<str>,
    /// The value.
    pub value: SelfValue,
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SelfValue {
    /// A whole number, of which a text exposition shows all digits.
    Count(u64),
    /// Any finite number.
    Number(f64),
    /// A histogram.
    Histogram {
        /// Upper bounds with cumulative counts, `+Inf` last.
        buckets: Vec<(f64, u64)>,
        /// The sum of all observations.
        sum: f64,
    },
}

impl From<u64> for SelfValue {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for SelfValue {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl SelfKind {
    /// The name of the type in an exposition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl SelfFamily {
    /// A family without series.
    pub(crate) fn new(kind: SelfKind, name: impl Into<Box<str>>, help: &str) -> Self {
        Self { head: Arc::new(SelfHead { name: name.into(), help: help.into(), kind }), series: Vec::new() }
    }

    /// The full name, prefix included.
    pub(crate) fn name(&self) -> &str {
        &self.head.name
    }

    /// The value of the series with these labels, which are written as in a text exposition.
    #[cfg(test)]
    pub(crate) fn value(&self, labels: &str) -> Option<f64> {
        let series = self.series.iter().find(|series| *series.labels == *labels)?;
        match series.value {
            SelfValue::Count(count) => Some(count as f64),
            SelfValue::Number(value) => Some(value),
            SelfValue::Histogram { .. } => None,
        }
    }
}

/// Parses the text of metrics-exporter-prometheus, whose order of families and label sets changes with each rendering.
/// The returned families and their series are sorted.
pub(super) fn parse_families(text: &str) -> Vec<SelfFamily> {
    let mut families: Vec<SelfFamily> = Vec::new();
    let mut help = ("", "");
    for line in text.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = (name, text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let kind = match kind {
                "counter" => SelfKind::Counter,
                "histogram" => SelfKind::Histogram,
                _ => SelfKind::Gauge,
            };
            families.push(SelfFamily::new(kind, name, if help.0 == name { help.1 } else { "" }));
        } else if let Some(family) = families.last_mut() {
            let is_read = line.is_empty() || SelfLine::parse(line, &family.head.name).is_some_and(|line| line.add_to(family));
            debug_assert!(is_read, "{line:?} is no line of {}", family.name());
        }
    }
    families.iter_mut().for_each(|family| family.series.sort_by(|a, b| a.labels.cmp(&b.labels)));
    families.sort_unstable_by(|a, b| a.head.name.cmp(&b.head.name));
    families
}

struct SelfLine<'t> {
    suffix: &'t str,
    labels: &'t str,
    value: &'t str,
}

impl<'t> SelfLine<'t> {
    fn parse(line: &'t str, name: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (full, labels) = match series.split_once('{') {
            Some((full, labels)) => (full, labels.strip_suffix('}')?),
            None => (series, ""),
        };
        Some(Self { suffix: full.strip_prefix(name)?, labels, value })
    }

    /// Returns false if the value does not fit the type of the family.
    fn add_to(&self, family: &mut SelfFamily) -> bool {
        let value = match family.head.kind {
            SelfKind::Counter => self.value.parse().ok().map(SelfValue::Count),
            SelfKind::Gauge => self.value.parse().ok().map(SelfValue::Number),
            SelfKind::Histogram => return self.add_to_histogram(family).is_some(),
        };
        let labels = self.labels.into();
        value.map(|value| family.series.push(SelfSeries { labels, value })).is_some()
    }

    /// The lines of one label set are adjacent, and the buckets in ascending order.
    fn add_to_histogram(&self, family: &mut SelfFamily) -> Option<()> {
        let (labels, bound) = if self.suffix == "_bucket" { without_bound(self.labels)? } else { (self.labels, f64::NAN) };
        if family.series.last().is_none_or(|last| *last.labels != *labels) {
            let value = SelfValue::Histogram { buckets: Vec::new(), sum: 0.0 };
            family.series.push(SelfSeries { labels: labels.into(), value });
        }
        let Some(SelfSeries { value: SelfValue::Histogram { buckets, sum }, .. }) = family.series.last_mut() else { return None };
        match self.suffix {
            "_bucket" => buckets.push((bound, self.value.parse().ok()?)),
            "_sum" => *sum = self.value.parse().ok()?,
            // `_count`: the last bucket has the same value.
            _ => {}
        }
        Some(())
    }
}

/// The labels without `le`, which is the last one, and its value.
fn without_bound(labels: &str) -> Option<(&str, f64)> {
    let (others, bound) = labels.rsplit_once("le=\"")?;
    Some((others.trim_end_matches(','), bound.strip_suffix('"')?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_numbers_and_histograms() {
        let text = [
            "# HELP b some \"help\"",
            "# TYPE b gauge",
            r#"b{x="} \" 2"} 3"#,
            "b 1.5",
            "",
            "# TYPE a histogram",
            r#"a_bucket{le="0.5"} 1"#,
            r#"a_bucket{le="+Inf"} 3"#,
            "a_sum 7.5",
            "a_count 3",
            r#"a_bucket{k="v",le="+Inf"} 2"#,
            r#"a_sum{k="v"} 2"#,
            "",
            "# TYPE c counter",
            "c 18446744073709551615",
        ];
        let series = |labels: &str, value| SelfSeries { labels: labels.into(), value };
        let histogram = |buckets: &[(f64, u64)], sum| SelfValue::Histogram { buckets: buckets.to_vec(), sum };
        let family = |kind, name, help, series| SelfFamily { series, ..SelfFamily::new(kind, name, help) };
        let expected = [
            family(
                SelfKind::Histogram,
                "a",
                "",
                vec![
                    series("", histogram(&[(0.5, 1), (f64::INFINITY, 3)], 7.5)),
                    series(r#"k="v""#, histogram(&[(f64::INFINITY, 2)], 2.0)),
                ],
            ),
            family(
                SelfKind::Gauge,
                "b",
                "some \"help\"",
                vec![series("", SelfValue::Number(1.5)), series(r#"x="} \" 2""#, SelfValue::Number(3.0))],
            ),
            family(SelfKind::Counter, "c", "", vec![series("", SelfValue::Count(u64::MAX))]),
        ];
        assert_eq!(parse_families(&text.join("\n")), expected);
    }
}
