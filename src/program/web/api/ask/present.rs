//! A family that exists, and which of its series are meant.

use std::sync::Arc;

use serde_json::Value;

use super::asked::{different, select};
use super::card::{Card, families_of, raw_names};
use super::limits::effect;
use super::question::Question;
use crate::program::web::api::series::series_row;
use crate::registry::{Family, FamilyKind, Limit, Limited, Series, split};
use crate::selector::Selector;

/// Series in one answer.
const SERIES: usize = 20;

/// Which series of a family are meant.
pub(super) enum Meant<'a> {
    All,
    /// Those that a selector matches.
    Selector(&'a Selector),
    /// Those that have these labels among theirs.
    Labels(&'a str),
}

impl Question<'_> {
    /// A family with series. `asked` is its name, or that of one of its lines.
    pub(super) fn present(&self, family: &Family, meant: Meant<'_>, asked: &str) -> Card {
        let name = family.name().as_str();
        let of_family = self.arrived.iter().filter(|known| families_of(self.live, &known.family) == name);
        let card = match meant {
            Meant::All => self.whole(family),
            Meant::Labels(wanted) => {
                let found: Vec<_> = family.series().iter().filter(|series| has_labels(series.labels(), wanted)).cloned().collect();
                if found.is_empty() {
                    let raw = self.arrived.iter().find(|known| families_of(self.live, &known.family) == name);
                    self.missing(family, raw.map_or("", |known| &known.name), (wanted, false))
                } else {
                    self.rows(Card::new("arrives", arrives(family, found.len())), family, &found)
                }
            }
            Meant::Selector(selector) => self.selected(family, selector, asked),
        };
        card.family(family, self).raw(raw_names(of_family, self)).limits(self, family)
    }

    /// All series of a family.
    fn whole(&self, family: &Family) -> Card {
        let (all, name) = (family.series(), family.name().as_str());
        let conflicts = self.live.bridge.conflicts();
        let conflict = conflicts.iter().find(|conflict| *conflict.name == *name && conflict.reason.rejection().is_some());
        let hits = family.limited();
        let there_are = arrives(family, all.len());
        let card = if let Some(hit) = hits.iter().max_by_key(|hit| hit.samples()) {
            let limit = self.in_force(family, hit);
            let sentence = format!(
                "Not all of it arrives: {} samples are {} by the limit {}, {}. {there_are}",
                hit.samples(),
                effect(hit.action),
                hit.limit.as_str(),
                limit.number
            );
            Card::new("limit", sentence).advice(limit.advice)
        } else if let Some(conflict) = conflict {
            let (samples, came) = (conflict.samples(), &conflict.came);
            let sentence = format!(
                "Not all of it arrives: {samples} samples of a {} are rejected, such as {} from {}. {there_are}",
                came.kind, came.example, came.source
            );
            Card::new("conflict", sentence).advice(self.against_conflict(family))
        } else {
            Card::new("arrives", there_are)
        };
        self.rows(card, family, &all)
    }

    /// The series that a selector means.
    fn selected(&self, family: &Family, selector: &Selector, asked: &str) -> Card {
        let (all, name) = (family.series(), family.name().as_str());
        let selected = select(family, selector, asked);
        let found = selected.series.len();
        if found > 0 && !selected.is_loose {
            let added =
                if selected.added.is_empty() { String::new() } else { format!(" The scrape adds {}.", selected.added.join(" and ")) };
            return self.rows(Card::new("arrives", format!("{}{added}", arrives(family, found))), family, &selected.series);
        }
        if found > 0 {
            let unknown = selected.unknown.join(", ");
            let sentence =
                format!("The family {name} exists, but none of its series has the label {unknown}. Without it, {found} series match.");
            let advice = "Check whether the configuration of the scrape adds it; if not, the client does not send it, or a rule drops it.";
            return self.rows(Card::new("other_labels", sentence).advice(advice), family, &selected.series);
        }
        let sentence = format!("The family {name} exists, but none of its series has these labels.{}", selected.different);
        match family.limited().first() {
            Some(hit) => {
                let limit = self.in_force(family, hit);
                let sentence = format!("{sentence} It is at its limit {}, {}.", hit.limit.as_str(), limit.number);
                self.rows(Card::new("limit", sentence).advice(limit.advice), family, &all)
            }
            None => self.rows(Card::new("other_labels", sentence).advice(self.compare()), family, &all),
        }
    }

    /// The family and the series that a line leads to.
    pub(super) fn target(&self, name: &str, kind: &FamilyKind, raw: &str, labels: &str) -> Card {
        let Some(family) = self.live.bridge.registry().family(name) else {
            return self.absent(name, raw, Some((labels, true))).unwrap_or_else(|| self.never());
        };
        if !family.kind().same_type(kind) {
            return self.conflict(name, kind.as_str(), &family);
        }
        let all = family.series();
        match all.iter().find(|series| series.labels() == labels) {
            Some(series) => {
                let sentence = format!("It arrives: its series is in the {} {name}.", family.kind().as_str());
                self.rows(Card::new("arrives", sentence), &family, &[Arc::clone(series)]).family(&family, self)
            }
            None => self.missing(&family, raw, (labels, true)),
        }
    }

    /// A family that lacks a series. The labels may be all that the series would have, or those of its rule alone.
    pub(super) fn missing(&self, family: &Family, raw: &str, (labels, is_whole): (&str, bool)) -> Card {
        let (all, name) = (family.series(), family.name().as_str());
        if is_whole && let Some(hit) = family.limited().iter().find(|hit| limit_rejects(hit, &all, labels)) {
            let limit = self.in_force(family, hit).number;
            let sentence = format!(
                "The family {name} is at its limit {}, {limit}: a series with these labels is folded into another one or rejected.",
                hit.limit.as_str()
            );
            return self.limited(sentence, family);
        }
        let shown = |card: Card| self.rows(card, family, &all).family(family, self);
        if self.has_expired(name, raw, Some((labels, is_whole))) {
            return shown(self.expired(name).unwrap_or_else(|| self.never()));
        }
        let wanted: Vec<(String, String)> = split(labels).map(|(label, value)| (label.to_string(), value)).collect();
        let wanted: Vec<(&str, &str)> = wanted.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
        let different = different(&all, &wanted);
        if !self.arrived.iter().any(|known| *known.name == *raw) {
            let sentence = format!("It never arrived: it would be {name}{{{labels}}}, and no series has these labels.{different}");
            return shown(Card::new("never", sentence).advice(self.how_to_send()));
        }
        let expired = self.live.bridge.registry().expired(name).map(|gone| format!(" {} of its series expired.", gone.series));
        let sentence =
            format!("The family {name} exists, but no series with exactly these labels arrived.{different}{}", expired.unwrap_or_default());
        shown(Card::new("other_labels", sentence).advice(self.compare()))
    }

    fn compare(&self) -> &'static str {
        "Compare the labels with those of the series below: the client may send other tags, or a rule may change them."
    }

    /// A family at its limits, with the series that it has.
    pub(super) fn limited(&self, sentence: String, family: &Family) -> Card {
        let most = family.limited().into_iter().max_by_key(|hit| hit.samples());
        let card = self.rows(Card::new("limit", sentence), family, &family.series()).family(family, self).limits(self, family);
        match most {
            Some(hit) => card.advice(self.in_force(family, &hit).advice),
            None => card,
        }
    }

    /// A card with series.
    fn rows(&self, card: Card, family: &Family, series: &[Arc<Series>]) -> Card {
        let rows: Vec<Value> = series.iter().take(SERIES).map(|series| series_row(family, series, self.now)).collect();
        card.series(rows, series.len())
    }
}

fn arrives(family: &Family, series: usize) -> String {
    format!("It arrives: {series} series of the {} {}.", family.kind().as_str(), family.name().as_str())
}

/// Whether labels of a series have all wanted ones.
pub(super) fn has_labels(labels: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let labels: Vec<_> = split(labels).collect();
    split(wanted).all(|wanted| labels.contains(&wanted))
}

/// Whether a limit that the family hit concerns a new series with these labels. The limit on the values of a label concerns its new
/// values only.
fn limit_rejects(hit: &Limited, all: &[Arc<Series>], labels: &str) -> bool {
    let value = split(labels).find(|(name, _)| *name == *hit.label);
    hit.limit != Limit::ValuesPerLabel
        || value.is_some_and(|value| !all.iter().any(|series| split(series.labels()).any(|own| own == value)))
}
