//! `/api/v1/ask?q=`: what became of a StatsD line, a StatsD name or a Prometheus name: whether it arrives, how it is mapped, and its series;
//! or why there are none, and which names are near.
//!
//! ```text
//! question  what is asked about, and what is known of all names
//! trial   a line in a bridge of its own with the rules in force: how it is read and mapped
//! card    one answer
//! present  a family that exists, and which of its series are meant
//! absent  why a family has no series
//! asked   a name as it is pasted, and what its labels select
//! limits  limits in force, and what helps
//! near    names that did arrive
//! ```

mod absent;
mod asked;
mod card;
mod limits;
mod near;
mod present;
mod question;
mod trial;

use std::sync::Arc;

use serde_json::{Value, json};

use self::asked::{is_selector, without_value};
use self::card::{Card, families_of, raw_names};
use self::present::{Meant, has_labels};
use self::question::Question;
use self::trial::{Trial, trial};
use super::live::Live;
use super::parameters::Parameters;
use super::reply::{ApiData, ApiError};
use crate::arrivals::{ArrivedName, Verdict};
use crate::ingest::protocol::SampleError;
use crate::name::FamilyName;
use crate::program::tools::advice;
use crate::registry::Family;
use crate::selector::Selector;

/// Bytes of a question.
const QUESTION_BYTES: usize = 8 << 10;

/// The answer.
pub(in crate::program::web) fn ask(live: &Live, query: Option<&str>) -> Result<ApiData, ApiError> {
    let parameters = Parameters::read(&[query.unwrap_or_default()], &["q"])?;
    let text = parameters.last("q").unwrap_or_default().trim();
    if text.len() > QUESTION_BYTES {
        return Err(ApiError::bad_data(format!("the question is longer than {QUESTION_BYTES} bytes")));
    }
    if text.is_empty() {
        return Ok(ApiData::new(json!({ "q": "", "cards": [] })));
    }
    let question = Question::new(live);
    let (read_as, cards) =
        if text.contains('|') && !is_selector(text) { ("line", vec![question.line(text)]) } else { ("name", question.name(text)) };
    Ok(ApiData::new(json!({ "q": text, "read_as": read_as, "cards": cards })))
}

impl Question<'_> {
    /// A line, as a client sends it.
    fn line(&self, line: &str) -> Value {
        // A second line would be a second question.
        let line = line.lines().next().unwrap_or_default();
        let trial = trial(self.live, line);
        if let Some(reason) = &trial.rejected {
            let is_malformed = SampleError::ALL.into_iter().any(|error| error.as_str() == reason);
            let (verdict, sentence) =
                (if is_malformed { "malformed" } else { "rejected" }, format!("The bridge rejects this line: {reason}."));
            let sentence = match line.split('|').nth(1) {
                Some(kind) if reason == SampleError::IllegalEvent.as_str() => format!("{sentence} Its kind is `{kind}`."),
                _ => sentence,
            };
            return Card::new(verdict, sentence).advice(advice::of_reason(reason)).near(self, line).json();
        }
        let Some(kind) = trial.kind else {
            let sentence = if trial.is_empty {
                "The line is empty."
            } else {
                "This is a DogStatsD event or service check. The view Events shows events."
            };
            return Card::new("no_sample", sentence.to_owned()).json();
        };
        let card = if trial.is_dropped {
            self.dropped(&trial.name)
        } else {
            match &trial.family {
                Some((name, kind, labels)) => self.target(name, kind, &trial.name, labels),
                None => Card::new("rejected", "The bridge records nothing of this line.".to_owned()),
            }
        };
        let arrived = self.arrived.iter().filter(|known| known.kind == kind && *known.name == *trial.name);
        card.trial(&trial).raw(raw_names(arrived, self)).near(self, &trial.name).json()
    }

    /// A name: raw, or of a family, with or without a selector of labels.
    fn name(&self, text: &str) -> Vec<Value> {
        let of_name: Vec<&ArrivedName> = self.arrived.iter().filter(|known| *known.name == *text).collect();
        if !of_name.is_empty() {
            // Other raw names may lead to a family of this name.
            let is_shown = |known: &&ArrivedName| {
                let is_rejected = matches!(known.verdict, Verdict::Rejected(_)) && !known.verdict.is_of_limit();
                !is_rejected && families_of(self.live, &known.family) == text
            };
            let family = self.family(text).filter(|_| !of_name.iter().any(is_shown));
            let family = family.map(|family| self.present(&family, Meant::All, text).json());
            return of_name.into_iter().map(|known| self.raw(known)).chain(family).collect();
        }
        let stripped = without_value(text);
        if stripped != text && self.arrived.iter().any(|known| *known.name == *stripped) {
            return self.name(stripped);
        }
        let text = stripped;
        let base = text.split('{').next().unwrap_or_default().trim_end();
        let selector = if text.contains('{') { Some(Selector::parse(text)) } else { None };
        if let (Some(Err(error)), false) = (&selector, base.is_empty()) {
            let mut cards = self.name(base);
            let sentence = format!("The labels cannot be read, so this is about all series. {error}");
            cards.insert(0, Card::new("malformed", sentence).json());
            return cards;
        }
        let selector = selector.and_then(Result::ok);
        let name = if base.is_empty() { selector.as_ref().and_then(|selector| selector.names().next()).unwrap_or_default() } else { base };
        if let Some(family) = self.family(name) {
            return vec![self.present(&family, selector.as_ref().map_or(Meant::All, Meant::Selector), name).json()];
        }
        if let Some(card) = self.written_by_others(name).or_else(|| self.other_suffix(name)) {
            return vec![card.json()];
        }
        let leading = self.leading_to(name);
        if !leading.is_empty() {
            return leading.into_iter().map(|known| self.raw(known)).collect();
        }
        vec![self.of_unknown(name).near(self, text).json()]
    }

    /// A name that is neither a family nor a raw name that arrived.
    fn of_unknown(&self, name: &str) -> Card {
        let by_kind = ["c", "g", "ms", "s"].map(|kind| trial(self.live, &format!("{name}:1|{kind}")));
        let dropped = by_kind.iter().find(|trial| trial.is_dropped);
        let alive = by_kind.iter().filter_map(|trial| Some((self.family(&trial.family.as_ref()?.0)?, trial)));
        let is_of_type =
            |(family, trial): &(Arc<Family>, &Trial)| trial.family.as_ref().is_some_and(|(_, kind, _)| family.kind().same_type(kind));
        let mut alive: Vec<_> = alive.collect();
        alive.sort_by_key(|found| !is_of_type(found));
        match (alive.into_iter().next(), dropped) {
            (Some((family, trial)), _) => self.would_be(&family, trial),
            (None, Some(trial)) => self.dropped(name).trial(trial),
            (None, None) => {
                let mapped = by_kind.iter().find_map(|trial| trial.family.as_ref());
                let of_rule = mapped
                    .and_then(|(family, _, labels)| self.absent(family, name, if family == name { None } else { Some((labels, false)) }));
                of_rule.or_else(|| self.absent(name, name, None)).unwrap_or_else(|| self.never())
            }
        }
    }

    /// The raw names that lead to a name of an exposition, the last ones first, with each outcome once.
    fn leading_to(&self, name: &str) -> Vec<&ArrivedName> {
        let bare = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let without_total = name.strip_suffix("_total").unwrap_or(name);
        let names = self.live.bridge.options().names;
        let is_of = |raw: &str| FamilyName::new(raw, names).is_some_and(|own| [name, bare, without_total].contains(&own.as_str()));
        let mut found: Vec<&ArrivedName> = self.arrived.iter().filter(|known| is_of(&known.family) || is_of(&known.name)).collect();
        found.sort_by(|a, b| b.times.1.cmp(&a.times.1).then_with(|| a.name.cmp(&b.name)));
        let mut outcomes = Vec::new();
        found.retain(|known| {
            let is_new = !outcomes.contains(&known.verdict);
            outcomes.push(known.verdict);
            is_new
        });
        found
    }

    /// A raw name that is not known, and leads to a family that exists: another name may lead there too.
    fn would_be(&self, family: &Family, trial: &Trial) -> Card {
        let (name, labels) = (family.name().as_str(), trial.family.as_ref().map_or("", |(_, _, labels)| labels));
        let has_series = family.series().iter().any(|series| has_labels(series.labels(), labels));
        if has_series {
            return self.present(family, Meant::Labels(labels), name);
        }
        self.missing(family, &trial.name, (labels, false)).trial(trial)
    }

    /// A raw name that arrived.
    fn raw(&self, known: &ArrivedName) -> Value {
        let trial = trial(self.live, &format!("{}:1|{}", known.name, known.kind.as_str()));
        let families = families_of(self.live, &known.family);
        let family = self.live.bridge.registry().family(&families);
        let labels = trial.family.as_ref().map_or("", |(_, _, labels)| labels);
        let absent = || self.absent(&families, &known.name, Some((labels, false))).unwrap_or_else(|| self.never());
        // Series of one name may fare differently: one that a limit concerns counts for all.
        let at_limit = [Some(known.verdict), known.other].into_iter().flatten().find(Verdict::is_of_limit);
        let source = &known.sources.1;
        let card = match (known.verdict, family) {
            (Verdict::Dropped, _) => self.dropped(&known.name),
            (_, Some(family)) if at_limit.is_some() && !family.limited().is_empty() => {
                let does = match at_limit {
                    Some(Verdict::Rejected(reason)) => format!("reject its new series: {reason}"),
                    _ => "fold new series into others".to_owned(),
                };
                self.limited(format!("Not all of it arrives. The limits of {families} {does}. The last one came from {source}."), &family)
            }
            (Verdict::Rejected(reason), Some(family)) if !reason.ends_with("_limit") && trial.family.is_some() => {
                let kind = trial.family.as_ref().map(|(_, kind, _)| kind);
                match kind.filter(|kind| !family.kind().same_type(kind)) {
                    Some(kind) => self.conflict(&families, kind.as_str(), &family),
                    None => absent(),
                }
            }
            (Verdict::Rejected(_), _) | (_, None) => absent(),
            (Verdict::Recorded | Verdict::Folded, Some(family)) => self.present(&family, Meant::Labels(labels), &families),
        };
        card.trial(&trial).raw(raw_names([known].into_iter(), self)).json()
    }

    /// The family of a name of an exposition, which may have a suffix.
    fn family(&self, name: &str) -> Option<Arc<Family>> {
        let registry = self.live.bridge.registry();
        registry.family(name).or_else(|| {
            let parts =
                ["_bucket", "_sum", "_count"].into_iter().filter_map(|suffix| Some((suffix, registry.family(name.strip_suffix(suffix)?)?)));
            parts.into_iter().find(|(suffix, family)| family.kind().suffixes().contains(suffix)).map(|(_, family)| family)
        })
    }

    fn dropped(&self, name: &str) -> Card {
        Card::new("dropped", format!("A rule drops {name}, so there is no series."))
            .advice(format!("Remove the rule, or put a rule that maps the name before it.{}", self.failed_reload()))
    }
}
