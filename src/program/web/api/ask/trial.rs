//! A line in a bridge of its own, with the rules and the options of the running one: how it is read and mapped. Counts nothing in the
//! running bridge.

use serde_json::{Value, json};

use crate::ingest::protocol::Kind;
use crate::mapping::tried::Outcome;
use crate::program::tools::explain::Explainer;
use crate::program::web::api::live::Live;
use crate::registry::FamilyKind;

/// What a line becomes.
pub(super) struct Trial {
    /// The raw name without tags.
    pub(super) name: String,
    /// `None` for what is no sample.
    pub(super) kind: Option<Kind>,
    pub(super) is_empty: bool,
    pub(super) is_dropped: bool,
    /// The reason of a rejection, whatever else arrived.
    pub(super) rejected: Option<String>,
    /// The family, and the labels of the series.
    pub(super) family: Option<(String, FamilyKind, String)>,
    /// The rule with its captures; null without one.
    pub(super) rule: Value,
    pub(super) tags: Vec<(String, String)>,
}

/// Tries a line.
pub(super) fn trial(live: &Live, line: &str) -> Trial {
    let mut explainer = Explainer::new(live.bridge.rules().rules, live.bridge.options().clone());
    let explained = explainer.explain(line);
    let bad = explained.samples.iter().find_map(|sample| sample.as_ref().err()).map(|reason| (*reason).to_owned());
    let rejected = explained.rejected.first().map(|(reason, _)| reason.clone()).or(bad);
    let families = explainer.bridge().registry().families();
    let series = |family: &crate::registry::Family| family.series().first().map(|series| series.labels().to_owned());
    let family =
        families.first().map(|family| (family.name().as_str().to_owned(), family.kind().clone(), series(family).unwrap_or_default()));
    let sample = explained.samples.iter().find_map(|sample| sample.as_ref().ok());
    let matched = sample.and_then(|sample| sample.tried.iter().find(|rule| rule.outcome == Outcome::Matched));
    let rule = matched.zip(sample).map(|(rule, sample)| {
        let samples = rule.number.checked_sub(1).and_then(|at| Some(live.bridge.rule_use().rules.get(at)?.samples));
        json!({ "rule": rule.number, "samples": samples, "position": rule.position, "match": rule.pattern, "captures": sample.captures, "dropped": sample.dropped })
    });
    Trial {
        name: sample.map(|sample| sample.name.clone()).unwrap_or_default(),
        kind: sample.and_then(|sample| kind_of(sample.kind)),
        is_empty: explained.reading == "empty",
        is_dropped: sample.is_some_and(|sample| sample.dropped),
        rejected,
        family,
        rule: rule.unwrap_or_default(),
        tags: sample.map(|sample| sample.tags.clone()).unwrap_or_default(),
    }
}

fn kind_of(text: &str) -> Option<Kind> {
    let all = [Kind::Counter, Kind::Gauge, Kind::Timer, Kind::Histogram, Kind::Distribution, Kind::Set];
    all.into_iter().find(|kind| kind.as_str() == text)
}
