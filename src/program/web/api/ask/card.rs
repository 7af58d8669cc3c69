//! One answer: a verdict, a sentence, and what is known.

use serde_json::{Map, Value, json};

use super::limits::effect;
use super::near::near;
use super::question::Question;
use super::trial::Trial;
use crate::arrivals::{ArrivedName, Verdict};
use crate::ingest::protocol::Kind;
use crate::name::FamilyName;
use crate::program::wall_time::time_of;
use crate::program::web::api::growth::{new_series, rate_of};
use crate::program::web::api::live::Live;
use crate::program::web::api::series::seconds;
use crate::registry::Family;

/// Raw names in one answer.
const RAW_NAMES: usize = 20;

/// An answer in the making.
pub(super) struct Card(Map<String, Value>);

impl Card {
    pub(super) fn new(verdict: &str, sentence: String) -> Self {
        let mut parts = Map::new();
        parts.insert("verdict".to_owned(), verdict.into());
        parts.insert("sentence".to_owned(), sentence.into());
        Self(parts)
    }

    pub(super) fn with(mut self, name: &str, part: Value) -> Self {
        self.0.insert(name.to_owned(), part);
        self
    }

    /// What helps.
    pub(super) fn advice(self, text: impl Into<String>) -> Self {
        self.with("advice", text.into().into())
    }

    /// Another verdict of the same family.
    pub(super) fn verdict(self, verdict: &str, sentence: String) -> Self {
        self.with("verdict", verdict.into()).with("sentence", sentence.into())
    }

    /// How the bridge reads and maps it.
    pub(super) fn trial(self, trial: &Trial) -> Self {
        let tags: Vec<Value> = trial.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let becomes = trial.family.as_ref().map(|(name, kind, labels)| json!({ "family": name, "type": kind.as_str(), "labels": labels }));
        let kind = trial.kind.map(Kind::as_str);
        self.with("read", json!({ "name": trial.name, "kind": kind, "tags": tags, "rule": trial.rule, "becomes": becomes }))
    }

    pub(super) fn family(self, family: &Family, question: &Question<'_>) -> Self {
        let (first, source) = family.first();
        let growth = question.growth.get(family.name().as_str());
        let known = json!({
            "name": family.name().as_str(), "type": family.kind().as_str(), "series": family.len(), "rule": family.rule(),
            "first_sample": first, "first_source": source.to_string(),
            "rate": growth.and_then(|growth| growth.rate), "rate_of": rate_of(family.kind()), "new_series": new_series(growth),
        });
        self.with("family", known)
    }

    pub(super) fn series(self, rows: Vec<Value>, all: usize) -> Self {
        self.with("series", rows.into()).with("series_found", all.into())
    }

    /// The limits that a family hit.
    pub(super) fn limits(self, question: &Question<'_>, family: &Family) -> Self {
        let hits = family.limited().into_iter().map(|hit| {
            let limit = question.in_force(family, &hit);
            json!({
                "in_force": limit.number, "set_by": limit.set_by, "effect": effect(hit.action),
                "limit": hit.limit.as_str(), "label": *hit.label, "action": hit.action.as_str(), "samples": hit.samples(),
                "examples": hit.examples(), "first_source": hit.source.to_string(),
            })
        });
        let hits: Vec<Value> = hits.collect();
        if hits.is_empty() { self } else { self.with("limits", hits.into()) }
    }

    /// Raw names that lead there.
    pub(super) fn raw(self, names: Vec<Value>) -> Self {
        if names.is_empty() { self } else { self.with("raw", names.into()) }
    }

    /// Names that did arrive, where this one is not known.
    pub(super) fn near(self, question: &Question<'_>, text: &str) -> Self {
        let is_known = ["arrives", "conflict", "limit", "dropped", "expired", "other_labels", "no_sample"];
        let verdict = self.0.get("verdict").and_then(Value::as_str).unwrap_or_default();
        if is_known.contains(&verdict) { self } else { self.with("near", near(question, text)) }
    }

    pub(super) fn json(self) -> Value {
        Value::Object(self.0)
    }
}

/// Raw names with their senders and times.
pub(super) fn raw_names<'n>(names: impl Iterator<Item = &'n ArrivedName>, question: &Question<'_>) -> Vec<Value> {
    let now = question.now;
    let mut names: Vec<&ArrivedName> = names.collect();
    names.sort_by(|a, b| b.times.1.cmp(&a.times.1).then_with(|| a.name.cmp(&b.name)));
    let entry = |known: &&ArrivedName| {
        json!({
            "name": *known.name,
            "kind": known.kind.as_str(),
            "outcome": in_words(known.verdict, known.other),
            "identities": known.identities,
            // Samples are counted by rule; by name, for all kinds together, only without one.
            "samples": question.samples.get(&*known.name).filter(|_| question.kinds_of(&known.name) == 1),
            "first_seen": time_of(known.times.0).1,
            "last_new_identity": time_of(known.times.1).1,
            "last_new_identity_age_seconds": seconds(now, known.times.1),
            "first_source": known.sources.0.to_string(),
            "last_source": known.sources.1.to_string(),
        })
    };
    names.iter().take(RAW_NAMES).map(entry).collect()
}

/// The name of a family as the registry has it.
pub(super) fn families_of(live: &Live, name: &str) -> String {
    FamilyName::new(name, live.bridge.options().names).map(|name| name.as_str().to_owned()).unwrap_or_default()
}

/// A verdict in words, with that of other identities of the name.
fn in_words(verdict: Verdict, other: Option<Verdict>) -> String {
    let one = |verdict| match verdict {
        Verdict::Recorded => "recorded".to_owned(),
        Verdict::Folded => "folded by a limit".to_owned(),
        Verdict::Dropped => "dropped by a rule".to_owned(),
        Verdict::Rejected(reason) => format!("rejected: {reason}"),
    };
    other.map_or_else(|| one(verdict), |other| format!("{}; others {}", one(verdict), one(other)))
}
