//! `explain`: shows how a line becomes series, and why.
//!
//! A real bridge ingests the line; its exposition and self-metrics show the result. The parser and the rules are called again for the
//! steps in between. Must not print.

mod explanation_text;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::advice;
use super::parsed_exposition::{ParsedExposition, ParsedFamily};
use crate::bridge::Bridge;
use crate::events::KeptEvent;
use crate::ingest::pipeline::Worker;
use crate::ingest::protocol::{Identity, Kind, Line, Rejected, Sample, ServiceCheck, Value, parse_line};
use crate::ingest::resolve::{NameAndTags, change_of_gauge, factor, metric_kind, signed_sets};
use crate::mapping::Rules;
use crate::mapping::spec::{Action, Becomes, MatchType, Rule};
use crate::mapping::tried::{Outcome, Tried};
use crate::options::Options;
use crate::program::event_json::event_parts;
use crate::source::Source;
use crate::time::Timestamp;

/// The time of all samples. Its value does not matter.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Explains lines in order. They share one bridge.
pub(crate) struct Explainer {
    bridge: Bridge,
    worker: Worker,
    before: Snapshot,
}

/// A parsed exposition, with the counters of self-metrics apart from the other families.
#[derive(Default)]
struct Snapshot {
    families: ParsedExposition,
    self_metrics: ParsedExposition,
}

/// The explanation of a line.
#[derive(Debug, Clone)]
pub(crate) struct Explanation {
    /// The line.
    pub line: String,
    /// `samples`, `empty`, `event`, `service_check` or `refused`.
    pub reading: &'static str,
    /// The parts of an event or a service check, by name.
    pub stated: Vec<(&'static str, Json)>,
    /// Each sample, or the reason of its syntax error.
    pub samples: Vec<Result<Explained, &'static str>>,
    /// Reasons of rejection of the line or its samples, each with advice. They come from the counters that increased.
    pub rejected: Vec<(String, &'static str)>,
    /// New and changed lines of the exposition, by family.
    pub families: Vec<(String, ParsedFamily)>,
    /// Counters of self-metrics that increased, with the increase.
    pub counters: Vec<(String, f64)>,
}

/// One sample.
#[derive(Debug, Clone)]
pub(crate) struct Explained {
    /// The raw name without tags.
    pub name: String,
    /// The kind: `c`, `g`, `ms`, `h`, `d`, `s`.
    pub kind: &'static str,
    /// The number, or the member of a set.
    pub value: String,
    /// The weight of the sample: 1/rate.
    pub weight: f64,
    /// Tags with escaped keys and raw values.
    pub tags: Vec<(String, String)>,
    /// The number of skipped tags.
    pub tag_errors: u32,
    /// The number of skipped fields.
    pub unknown_fields: u32,
    /// The rules in order of priority, with their outcomes.
    pub tried: Vec<TriedRule>,
    /// The texts of `$1`, `$2` and so on.
    pub captures: Vec<String>,
    /// The number after unit and scale are applied; `None` for a set or a dropped sample.
    pub converted: Option<f64>,
    /// The effect on a gauge: `changes the gauge by -5` or `sets it to -5`; `None` for other kinds.
    pub effect: Option<String>,
    /// Whether the matching rule drops it.
    pub dropped: bool,
}

/// A rule that was tried.
#[derive(Debug, Clone)]
pub(crate) struct TriedRule {
    /// The number of the rule, from 1.
    pub number: usize,
    /// `file:line:column`.
    pub position: String,
    /// The pattern as written.
    pub pattern: String,
    /// Whether it is a regular expression.
    pub is_regex: bool,
    /// The outcome.
    pub outcome: Outcome,
}

impl Explainer {
    /// Creates a bridge with these rules.
    pub(crate) fn new(rules: impl Into<Arc<Rules>>, options: Options) -> Self {
        let bridge = Bridge::new(options);
        bridge.share_rules(rules.into());
        let before = Snapshot::of(&bridge);
        Self { worker: bridge.worker(), bridge, before }
    }

    /// The bridge that has ingested the lines.
    pub(crate) fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Ingests a line and explains it.
    pub(crate) fn explain(&mut self, line: &str) -> Explanation {
        let (reading, samples) = self.read(line.as_bytes());
        let stated = self.stated(line.as_bytes());
        self.worker.ingest(line.as_bytes(), NOW);
        let after = Snapshot::of(&self.bridge);
        let counters = increases(&after.self_metrics, &self.before.self_metrics);
        let rejected =
            counters.iter().filter_map(|(series, _)| reason(series)).map(|reason| (reason.to_owned(), advice::of_reason(reason)));
        let rejected = rejected.collect();
        let families = after.families.changes_since(&self.before.families).into_iter().collect();
        self.before = after;
        Explanation { line: line.to_owned(), reading, stated, samples, rejected, families, counters }
    }

    fn read(&self, line: &[u8]) -> (&'static str, Vec<Result<Explained, &'static str>>) {
        let one = |sample: Result<Sample<'_>, Rejected>| match sample.and_then(|sample| self.sample(&sample)) {
            Ok(explained) => Ok(explained),
            Err(rejected) => Err(rejected.error.as_str()),
        };
        match parse_line(line, &self.bridge.options().dialect) {
            Line::Empty => ("empty", Vec::new()),
            Line::Event(_) => ("event", Vec::new()),
            Line::ServiceCheck(_) => ("service_check", Vec::new()),
            Line::Rejected(rejected) if rejected.error.rejects_line() => ("refused", Vec::new()),
            Line::Rejected(rejected) => ("samples", vec![Err(rejected.error.as_str())]),
            Line::Sample(sample) => match Identity::of(&sample, &self.bridge.options().dialect) {
                Err(_) => ("refused", Vec::new()),
                Ok(_) => ("samples", vec![one(Ok(sample))]),
            },
            Line::Samples(samples) => ("samples", samples.map(one).collect()),
        }
    }

    /// The parts of an event or a service check.
    fn stated(&self, line: &[u8]) -> Vec<(&'static str, Json)> {
        match parse_line(line, &self.bridge.options().dialect) {
            Line::Event(event) => event_parts(&KeptEvent::of(&event, Source::Unknown, NOW)),
            Line::ServiceCheck(check) => parts_of_check(&check),
            _ => Vec::new(),
        }
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Explained, Rejected> {
        let mut parts = NameAndTags::new(self.bridge.options());
        let errors = Identity::of(sample, &self.bridge.options().dialect)?.visit(&mut parts);
        let rules = self.bridge.rules().rules;
        let config = rules.config();
        let kind = metric_kind(sample.kind);
        let found = rules.find(&parts.name, kind, &parts.tags);
        let rule = found.as_ref().and_then(|found| config.rules.get(found.rule));
        let tried = rules.tried(&parts.name, kind, &parts.tags).into_iter();
        let tried = tried.filter_map(|tried| Some(TriedRule::new(&tried, config.rules.get(tried.rule)?))).collect();
        let captures = found.as_ref().map(|found| found.captures().into_iter().map(str::to_owned).collect()).unwrap_or_default();
        let dropped = rule.is_some_and(|rule| rule.action == Action::Drop);
        let number = match sample.value {
            Value::Number(number) | Value::Signed(number) => Some(number),
            Value::Member(_) => None,
        };
        let converted = number.filter(|_| !dropped).map(|number| factor(sample.kind, rule).apply(number));
        let signed_sets = signed_sets(rule, &rules, self.bridge.options().signed_gauges);
        Ok(Explained {
            kind: sample.kind.as_str(),
            value: match sample.value {
                Value::Number(number) => number.to_string(),
                Value::Signed(number) => format!("{number:+}"),
                Value::Member(member) => String::from_utf8_lossy(member).into_owned(),
            },
            weight: sample.weight,
            tag_errors: errors.name + errors.fields,
            unknown_fields: sample.unknown_fields,
            tried,
            captures,
            converted,
            effect: converted.filter(|_| is_gauge(sample.kind, rule)).map(|number| effect(sample, number, signed_sets)),
            dropped,
            name: parts.name,
            tags: parts.tags,
        })
    }
}

impl Snapshot {
    fn of(bridge: &Bridge) -> Self {
        let mut text = Vec::new();
        bridge.render(NOW, &mut text);
        let ParsedExposition { families } = ParsedExposition::parse(&String::from_utf8_lossy(&text));
        let (mut of_bridge, families): (BTreeMap<_, _>, _) = families.into_iter().partition(|(name, _)| bridge.owns_name(name));
        of_bridge.retain(|name, family| family.kind == "counter" && !name.starts_with("process_"));
        Self { families: ParsedExposition { families }, self_metrics: ParsedExposition { families: of_bridge } }
    }
}

fn increases(after: &ParsedExposition, before: &ParsedExposition) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    for (name, family) in after.changes_since(before) {
        let old = before.families.get(&name).map(ParsedFamily::by_series).unwrap_or_default();
        let number = |text: &str| {
            let number = text.parse::<f64>();
            debug_assert!(number.is_ok(), "a counter has the value {text:?}");
            number.unwrap_or(0.0)
        };
        for (series, value) in family.rows {
            let by = number(&value) - old.get(series.as_str()).map_or(0.0, |value| number(value));
            all.push((series, by));
        }
    }
    all
}

/// The value of the label `reason` of a counter of rejections.
fn reason(series: &str) -> Option<&str> {
    let counts_rejections = series.contains("sample_errors_total{") || series.contains("events_error_total{");
    let value = series.split_once("reason=\"").filter(|_| counts_rejections)?.1;
    value.split('"').next()
}

fn parts_of_check(check: &ServiceCheck<'_>) -> Vec<(&'static str, Json)> {
    let meaning = ["ok", "warning", "critical", "unknown"].get(usize::from(check.status)).copied().unwrap_or_default();
    vec![("check", String::from_utf8_lossy(check.name).into()), ("status", check.status.into()), ("meaning", meaning.into())]
}

/// Whether the family of a sample is a gauge.
fn is_gauge(kind: Kind, rule: Option<&Rule>) -> bool {
    match rule.and_then(|rule| rule.becomes) {
        Some(becomes) => becomes == Becomes::Gauge,
        None => kind == Kind::Gauge,
    }
}

fn effect(sample: &Sample<'_>, number: f64, signed_sets: bool) -> String {
    match change_of_gauge(sample, number, signed_sets) {
        Some(change) => format!("changes the gauge by {change}"),
        None => format!("sets it to {number}"),
    }
}

impl TriedRule {
    fn new(tried: &Tried, rule: &Rule) -> Self {
        Self {
            number: tried.rule + 1,
            position: rule.position.to_string(),
            pattern: rule.pattern.clone(),
            is_regex: rule.match_type == MatchType::Regex,
            outcome: tried.outcome.clone(),
        }
    }

    fn has_matched(&self) -> bool {
        matches!(self.outcome, Outcome::Matched | Outcome::Hidden { .. })
    }

    /// How close the rule was to a match; more is closer.
    fn nearness(&self) -> usize {
        match &self.outcome {
            Outcome::Matched | Outcome::Hidden { .. } => usize::MAX,
            Outcome::Tag { .. } => usize::MAX - 1,
            Outcome::Kind { .. } => usize::MAX - 2,
            Outcome::TooFewSegments { wants, has } => wants.min(has).saturating_add(1),
            Outcome::TooManySegments { wants, .. } => wants.saturating_add(1),
            Outcome::Segment { number, .. } => *number,
            Outcome::NoMatch => 1,
        }
    }
}

impl Explanation {
    /// The JSON output.
    pub(crate) fn to_json(&self) -> Json {
        let samples: Vec<Json> = self
            .samples
            .iter()
            .map(|sample| match sample {
                Ok(explained) => explained.to_json(),
                Err(reason) => json!({ "refused": reason, "advice": advice::of_reason(reason) }),
            })
            .collect();
        let families = self.families.iter().map(|(name, family)| {
            let rows: Vec<String> = family.rows.iter().map(|(series, value)| super::parsed_exposition::row(series, value)).collect();
            json!({ "family": name, "type": family.kind, "rows": rows })
        });
        json!({
            "line": self.line,
            "reading": self.reading,
            "stated": self.stated.iter().map(|(name, part)| ((*name).to_owned(), part.clone())).collect::<serde_json::Map<_, _>>(),
            "samples": samples,
            "refused": self.rejected.iter().map(|(reason, advice)| json!({ "reason": reason, "advice": advice })).collect::<Vec<_>>(),
            "page": families.collect::<Vec<_>>(),
            "counters": self.counters.iter().map(|(series, by)| json!({ "counter": series, "by": by })).collect::<Vec<_>>(),
        })
    }
}

impl Explained {
    fn to_json(&self) -> Json {
        let rules = self.tried.iter().map(|tried| {
            json!({
                "rule": tried.number, "position": tried.position, "match": tried.pattern,
                "match_type": if tried.is_regex { "regex" } else { "glob" },
                "matched": tried.outcome == Outcome::Matched, "outcome": tried.outcome.to_string(),
            })
        });
        json!({
            "name": self.name,
            "kind": self.kind,
            "value": self.value,
            "weight": self.weight,
            "tags": self.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect::<Vec<_>>(),
            "tag_errors": self.tag_errors,
            "unknown_fields": self.unknown_fields,
            "rules": rules.collect::<Vec<_>>(),
            "captures": self.captures,
            "dropped": self.dropped,
            "converted": self.converted,
            "effect": self.effect,
        })
    }
}
