//! `/api/v1/ask?q=`: what became of a StatsD line, a StatsD name or a Prometheus name: whether it arrives, how it is mapped, and its series;
//! or why there are none, and which names are near.
//!
//! ```text
//! question  what is asked about, and what is known of all names
//! trial   a line in a bridge of its own with the rules in force: how it is read and mapped
//! card    one answer
//! absent  why a family has no series
//! near    names that did arrive
//! ```

mod absent;
mod card;
mod near;
mod question;
mod trial;

use std::sync::Arc;

use serde_json::{Value, json};

use self::card::{Card, families_of, raw_names};
use self::question::Question;
use self::trial::{Trial, trial};
use super::live::Live;
use super::parameters::Parameters;
use super::reply::{ApiData, ApiError};
use super::series::series_row;
use crate::arrivals::{ArrivedName, Verdict};
use crate::ingest::protocol::SampleError;
use crate::program::tools::advice;
use crate::registry::{Family, Series, split};
use crate::selector::Selector;

/// Bytes of a question.
const QUESTION_BYTES: usize = 8 << 10;

/// Series in one answer.
const SERIES: usize = 20;

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
    let (read_as, cards) = if text.contains('|') { ("line", vec![question.line(text)]) } else { ("name", question.name(text)) };
    Ok(ApiData::new(json!({ "q": text, "read_as": read_as, "cards": cards })))
}

/// Which series of a family are meant.
enum Meant<'a> {
    All,
    /// Those that a selector matches.
    Selector(&'a Selector),
    /// Those that have these labels among theirs.
    Labels(&'a str),
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
                Some((name, kind, labels)) => self.target(name, kind, &trial.name, Some(labels)),
                None => Card::new("rejected", "The bridge records nothing of this line.".to_owned()),
            }
        };
        let arrived = self.arrived.iter().filter(|known| known.kind == kind && *known.name == *trial.name);
        card.trial(&trial).raw(raw_names(arrived, self)).near(self, &trial.name).json()
    }

    /// A name: raw, or of a family, with or without a selector of labels.
    fn name(&self, text: &str) -> Vec<Value> {
        let base = text.split('{').next().unwrap_or_default();
        let of_name: Vec<&ArrivedName> = self.arrived.iter().filter(|known| *known.name == *text).collect();
        if !of_name.is_empty() {
            return of_name.into_iter().map(|known| self.raw(known)).collect();
        }
        let selector = if text.contains('{') { Selector::parse(text).ok() } else { None };
        let name = if base.is_empty() { selector.as_ref().and_then(|selector| selector.names().next()).unwrap_or_default() } else { base };
        if let Some(family) = self.family(name) {
            return vec![self.present(&family, selector.as_ref().map_or(Meant::All, Meant::Selector), name).json()];
        }
        let by_kind = ["c", "g", "ms", "s"].map(|kind| trial(self.live, &format!("{text}:1|{kind}")));
        let dropped = by_kind.iter().find(|trial| trial.is_dropped);
        let alive = by_kind.iter().filter_map(|trial| Some((self.family(&trial.family.as_ref()?.0)?, trial)));
        let is_of_type =
            |(family, trial): &(Arc<Family>, &Trial)| trial.family.as_ref().is_some_and(|(_, kind, _)| family.kind().same_type(kind));
        let mut alive: Vec<_> = alive.collect();
        alive.sort_by_key(|found| !is_of_type(found));
        let card = match (alive.into_iter().next(), dropped) {
            (Some((family, trial)), _) => self.would_be(&family, trial),
            (None, Some(trial)) => self.dropped(text).trial(trial),
            (None, None) => {
                let mapped = by_kind.iter().find_map(|trial| Some(trial.family.as_ref()?.0.clone()));
                let names = mapped.iter().map(String::as_str).chain([name]);
                names.filter_map(|name| self.absent(name, text)).next().unwrap_or_else(|| self.never())
            }
        };
        vec![card.near(self, text).json()]
    }

    /// A raw name that is not known, and leads to a family that exists: another name may lead there too.
    fn would_be(&self, family: &Family, trial: &Trial) -> Card {
        let (name, labels) = (family.name().as_str(), trial.family.as_ref().map_or("", |(_, _, labels)| labels));
        let has_series = family.series().iter().any(|series| has_labels(series.labels(), labels));
        if has_series {
            return self.present(family, Meant::Labels(labels), name);
        }
        let sentence = format!("It never arrived, or its series ended: it would be {name}{{{labels}}}, and no series has these labels.");
        Card::new("never", sentence).advice(self.how_to_send()).trial(trial)
    }

    /// A raw name that arrived.
    fn raw(&self, known: &ArrivedName) -> Value {
        let trial = trial(self.live, &format!("{}:1|{}", known.name, known.kind.as_str()));
        let families = families_of(self.live, &known.family);
        let card = match known.verdict {
            Verdict::Dropped => self.dropped(&known.name),
            Verdict::Rejected(reason) => match self.family(&families).filter(|_| reason.ends_with("_limit")) {
                Some(family) => {
                    let source = &known.sources.1;
                    let sentence = format!("The limits of {families} reject its new series: {reason}. The last one came from {source}.");
                    self.limited(sentence, &family).advice(advice::of_reason(reason))
                }
                None => self.absent(&families, &known.name).unwrap_or_else(|| self.never()),
            },
            Verdict::Recorded | Verdict::Folded => match self.live.bridge.registry().family(&families) {
                Some(family) if known.verdict == Verdict::Folded && !family.limited().is_empty() => {
                    let sentence = format!("The limits of {families} fold new series. The last one came from {}.", known.sources.1);
                    self.limited(sentence, &family).advice("Raise the limit, or drop the label by a rule: see the view Cardinality.")
                }
                Some(family) => self.present(&family, Meant::Labels(trial.family.as_ref().map_or("", |(_, _, labels)| labels)), &families),
                None => self.absent(&families, &known.name).unwrap_or_else(|| self.never()),
            },
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

    /// A family with series.
    fn present(&self, family: &Family, meant: Meant<'_>, asked: &str) -> Card {
        let (all, own_name) = (family.series(), family.name().as_str());
        let is_meant = |series_labels: &str| match &meant {
            Meant::All => true,
            Meant::Selector(selector) => {
                let labels: Vec<_> = split(series_labels).collect();
                let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, value.clone())).collect();
                selector.matches(own_name, &labels) || (asked != own_name && selector.matches(asked, &labels))
            }
            Meant::Labels(wanted) => has_labels(series_labels, wanted),
        };
        let meant: Vec<_> = all.iter().filter(|series| is_meant(series.labels())).collect();
        let rows: Vec<Value> = meant.iter().take(SERIES).map(|series| series_row(family, series, self.now)).collect();
        let name = family.name().as_str();
        let of_family = self.arrived.iter().filter(|known| families_of(self.live, &known.family) == name);
        let sentence = format!("The family {name} exists, but none of its series has these labels.");
        let card = if let (true, Some(hit)) = (meant.is_empty(), family.limited().first()) {
            Card::new("limit", format!("{sentence} It is at its limit {}.", hit.limit.as_str()))
        } else if meant.is_empty() {
            Card::new("other_labels", sentence)
        } else {
            Card::new("arrives", format!("It arrives: {} series of the {} {name}.", meant.len(), family.kind().as_str()))
        };
        card.family(family, self).series(rows, meant.len()).raw(raw_names(of_family, self)).limits(family)
    }

    /// The family and the series that a line leads to.
    fn target(&self, name: &str, kind: &crate::registry::FamilyKind, raw: &str, labels: Option<&str>) -> Card {
        let Some(family) = self.live.bridge.registry().family(name) else {
            return self.absent(name, raw).unwrap_or_else(|| self.never());
        };
        if !family.kind().same_type(kind) {
            return self.conflict(name, kind.as_str(), &family);
        }
        let all = family.series();
        let found = labels.and_then(|labels| all.iter().find(|series| series.labels() == labels));
        match found {
            Some(series) => {
                let row = series_row(&family, series, self.now);
                Card::new("arrives", format!("It arrives: its series is in the {} {name}.", family.kind().as_str()))
                    .family(&family, self)
                    .series(vec![row], 1)
            }
            None if labels.is_some_and(|labels| limits_reject(&family, &all, labels)) => {
                let limit = family.limited().first().map_or("", |hit| hit.limit.as_str());
                let sentence = format!(
                    "The family {name} is at its limit {limit}: a series with these labels is folded into another one or rejected."
                );
                self.limited(sentence, &family)
            }
            None => {
                let rows = all.iter().take(SERIES).map(|series| series_row(&family, series, self.now)).collect();
                let expired = self.live.bridge.registry().expired(name).map(|gone| format!(" {} of its series expired.", gone.series));
                let sentence =
                    format!("The family {name} exists, but no series with exactly these labels arrived.{}", expired.unwrap_or_default());
                Card::new("other_labels", sentence).family(&family, self).series(rows, all.len())
            }
        }
    }

    /// A family at its limits, with the series that it has.
    fn limited(&self, sentence: String, family: &Family) -> Card {
        let all = family.series();
        let rows = all.iter().take(SERIES).map(|series| series_row(family, series, self.now)).collect();
        Card::new("limit", sentence).family(family, self).series(rows, all.len()).limits(family)
    }

    fn dropped(&self, name: &str) -> Card {
        Card::new("dropped", format!("A rule drops {name}, so there is no series."))
            .advice("Remove the rule, or put a rule that maps the name before it.")
    }
}

/// Whether labels of a series have all wanted ones.
fn has_labels(labels: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let labels: Vec<_> = split(labels).collect();
    split(wanted).all(|wanted| labels.contains(&wanted))
}

/// Whether a limit that the family hit concerns a new series with these labels. The limit of a label concerns its new values only.
fn limits_reject(family: &Family, all: &[Arc<Series>], labels: &str) -> bool {
    family.limited().iter().any(|hit| {
        let value = split(labels).find(|(name, _)| *name == *hit.label);
        hit.label.is_empty() || value.is_some_and(|value| !all.iter().any(|series| split(series.labels()).any(|own| own == value)))
    })
}
