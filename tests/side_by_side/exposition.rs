//! Reads an exposition of either program into facts that can be compared, whatever their order. Unlike [`crate::page`], it accepts
//! what a scraper would reject, because statsd_exporter can expose that.

use std::collections::BTreeMap;

/// What an exposition states: families, and self-metrics by their name without prefix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    pub families: BTreeMap<String, Family>,
    pub own: BTreeMap<String, f64>,
    /// The lines received so far. It is not compared.
    pub lines: f64,
}

/// One family. Its series are texts like `{a="b",quantile="0.5"}` and `_sum{a="b"}`, with sorted labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub series: BTreeMap<String, f64>,
}

/// Metrics about the program, which have no counterpart or differ by nature.
const OF_THE_PROGRAM: [&str; 4] = ["go_", "process_", "promhttp_", "statsd_metric_mapper_"];
/// The self-metrics that both programs have, and that depend on what they receive. The bridge adds lines and packets a moment later.
const SHARED: [&str; 9] = [
    "samples_total",
    "sample_errors_total",
    "tags_total",
    "tag_errors_total",
    "events_total",
    "events_error_total",
    "events_conflict_total",
    "events_unmapped_total",
    "events_actions_total",
];
/// The prefix of self-metrics.
const OWN: &str = "statsd_exporter_";

impl Facts {
    pub fn read(text: &str) -> Self {
        let (mut facts, mut help) = (Self::default(), "");
        let mut family: Option<(&str, Family)> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = rest.split_once(' ').map_or("", |(_, help)| help);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                facts.add(family.take());
                let (name, kind) = rest.split_once(' ').expect("TYPE names a type");
                family = Some((name, Family { kind: kind.to_owned(), help: help.to_owned(), series: BTreeMap::new() }));
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a series and a value");
                let (name, family) = family.as_mut().expect("a TYPE before each series");
                let rest = series.strip_prefix(*name).expect("the series of a family begin with its name");
                family.series.insert(sorted(rest), value.parse().expect("a number"));
            }
        }
        facts.add(family);
        facts
    }

    fn add(&mut self, family: Option<(&str, Family)>) {
        let Some((name, family)) = family else { return };
        if let Some(own) = name.strip_prefix(OWN) {
            if own == "lines_total" {
                self.lines = family.series.values().sum();
            }
            if !SHARED.contains(&own) {
                return;
            }
            self.own.extend(family.series.into_iter().map(|(series, value)| (format!("{own}{series}"), value)));
        } else if !OF_THE_PROGRAM.iter().any(|prefix| name.starts_with(prefix)) {
            self.families.insert(name.to_owned(), family);
        }
    }

    /// The sum of the self-metrics that begin so.
    pub fn own_sum(&self, prefix: &str) -> f64 {
        self.own.iter().filter(|(series, _)| series.starts_with(prefix)).map(|(_, value)| value).sum()
    }

    /// What changed since an earlier exposition: new families and series, and by how much self-metrics grew.
    pub fn since(&self, before: &Self) -> Self {
        let mut families = self.families.clone();
        families.retain(|name, family| before.families.get(name).is_none_or(|before| !family.is(before)));
        let grown = self.own.iter().map(|(series, value)| (series.clone(), value - before.own.get(series).unwrap_or(&0.0)));
        Self { families, own: grown.filter(|(_, value)| *value != 0.0).collect(), lines: self.lines - before.lines }
    }
}

impl Family {
    /// Whether both are the same; NaN is NaN.
    fn is(&self, other: &Self) -> bool {
        let values = self.series.values().zip(other.series.values());
        self.kind == other.kind && self.help == other.help && self.series.keys().eq(other.series.keys()) && values.into_iter().all(is_same)
    }
}

/// Whether two values are the same; NaN is NaN.
fn is_same((a, b): (&f64, &f64)) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// `_sum{b="1",a="2"}` with sorted labels.
fn sorted(series: &str) -> String {
    let Some((suffix, labels)) = series.split_once('{') else { return series.to_owned() };
    let labels = labels.strip_suffix('}').expect("labels end with a brace");
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in labels.bytes().enumerate() {
        match byte {
            b'"' if !escaped => quoted = !quoted,
            b',' if !quoted => {
                parts.push(&labels[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    parts.push(&labels[start..]);
    parts.sort_unstable();
    format!("{suffix}{{{}}}", parts.join(","))
}

/// How two expositions differ, one text each: theirs on the left of `|`, the bridge's on the right, `-` for what is absent.
pub fn differences(theirs: &Facts, ours: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for (name, (theirs, ours)) in pairs(&theirs.families, &ours.families) {
        let default = Family::default();
        let (left, right) = (theirs.unwrap_or(&default), ours.unwrap_or(&default));
        let mut compare = |what: &str, left: &str, right: &str| {
            if left != right {
                found.push(format!("{what} of {name}: {} | {}", or_absent(left), or_absent(right)));
            }
        };
        compare("type", &left.kind, &right.kind);
        if theirs.is_some() && ours.is_some() {
            compare("help", &left.help, &right.help);
        }
        for (series, (theirs, ours)) in pairs(&left.series, &right.series) {
            let equal = matches!((theirs, ours), (Some(a), Some(b)) if is_same((a, b)));
            if !equal {
                found.push(format!("{name}{series}: {} | {}", number(theirs), number(ours)));
            }
        }
    }
    for (series, (theirs, ours)) in pairs(&theirs.own, &ours.own) {
        if theirs != ours {
            found.push(format!("self {series}: {} | {}", number(theirs), number(ours)));
        }
    }
    found
}

fn pairs<'f, T>(left: &'f BTreeMap<String, T>, right: &'f BTreeMap<String, T>) -> BTreeMap<&'f str, (Option<&'f T>, Option<&'f T>)> {
    left.keys().chain(right.keys()).map(|key| (key.as_str(), (left.get(key), right.get(key)))).collect()
}

fn or_absent(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn number(value: Option<&f64>) -> String {
    value.map_or_else(|| "-".to_owned(), f64::to_string)
}

#[apply(test)]
fn differences_are_found_and_order_is_none() {
    let facts = |lines: &str| Facts::read(&format!("# HELP a Help.\n# TYPE a counter\n{lines}"));
    let left = facts("a{b=\"1,\\\",\",c=\"2\"} 1\na 2\n");
    assert_eq!(differences(&left, &facts("a 2\na{c=\"2\",b=\"1,\\\",\"} 1\n")), [""; 0]);
    assert_eq!(differences(&left, &facts("a 2\na{b=\"1\"} 1\n")), ["a{b=\"1\"}: - | 1", "a{b=\"1,\\\",\",c=\"2\"}: 1 | -"]);
    assert_eq!(differences(&left, &Facts::default()), ["type of a: counter | -", "a: 2 | -", "a{b=\"1,\\\",\",c=\"2\"}: 1 | -"]);
    let own = |count: u32| Facts::read(&format!("# TYPE statsd_exporter_samples_total counter\nstatsd_exporter_samples_total {count}\n"));
    assert_eq!(differences(&own(3).since(&own(1)), &own(2)), [""; 0]);
    assert_eq!(differences(&own(3), &own(2)), ["self samples_total: 3 | 2"]);
}
