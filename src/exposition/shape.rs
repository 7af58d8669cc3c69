//! What OpenMetrics makes of a family. That format knows more of names than text does: a counter `x_total` is the family `x`,
//! every type keeps a few names for itself, and not every number is allowed everywhere.
//!
//! Samples have the names that they have in text, whatever the scraper asks for, so that no query breaks when it begins to ask
//! for something else. So a counter whose name does not end in `_total` is of the type `unknown`, and where a type would claim a
//! name that another family has, or forbid a number, the type gives way: the counter becomes `unknown`, a histogram or summary
//! is taken apart into an `unknown` family for each name of its lines. This depends on what is in the exposition and on nothing else,
//! not on an order.

use std::sync::Arc;

use super::escape::exposed_name;
use crate::name::Escaping;
use crate::registry::{Family, FamilyKind, Series};
use crate::telemetry::{SelfFamily, SelfKind};
use crate::time::Timestamp;

/// How far ahead memory is asked for, in series.
const AHEAD: usize = 16;

/// What is claimed of names: the type of a family in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl Claim {
    fn of(kind: &FamilyKind) -> Self {
        match kind {
            FamilyKind::Counter => Self::Counter,
            FamilyKind::Gauge | FamilyKind::Set => Self::Gauge,
            FamilyKind::Histogram { .. } => Self::Histogram,
            FamilyKind::Summary(_) => Self::Summary,
        }
    }

    fn of_self_family(family: &SelfFamily) -> Self {
        match family.head.kind {
            SelfKind::Counter => Self::Counter,
            SelfKind::Histogram => Self::Histogram,
            SelfKind::Gauge => Self::Gauge,
        }
    }
}

/// What a family is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As what it is.
    Typed,
    /// A number of the type `unknown` under its full name.
    Unknown,
    /// As `unknown` families, one for each name of its lines.
    Apart,
}

/// The families of an exposition by name; both lists are sorted by the names that the exposition has.
#[derive(Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) families: &'a [Arc<Family>],
    pub(super) self_families: &'a [SelfFamily],
    pub(super) escaping: Option<Escaping>,
    /// See [`Style`](super::Style).
    pub(super) fractions_keep_type: bool,
}

impl Contents<'_> {
    /// The shape of a family with these series.
    pub(super) fn shape(&self, family: &Family, (name, series): (&str, &[Arc<Series>]), now: Timestamp) -> Shape {
        let kind = family.kind();
        let is_odd = match kind {
            FamilyKind::Counter => return self.of_counter(name),
            FamilyKind::Gauge | FamilyKind::Set => return Shape::Typed,
            // Such a histogram must not have a sum.
            FamilyKind::Histogram { bounds } => bounds.iter().any(|bound| *bound < 0.0),
            FamilyKind::Summary(_) => false,
        };
        // Last, because it looks at each series.
        if is_odd || self.has(&[name, "_created"]) || self.any_is_odd(series, now) { Shape::Apart } else { Shape::Typed }
    }

    /// The shape of one of the self-families.
    pub(super) fn shape_of_self_family(&self, family: &SelfFamily) -> Shape {
        match Claim::of_self_family(family) {
            Claim::Counter => self.of_counter(family.name()),
            Claim::Gauge | Claim::Histogram | Claim::Summary => Shape::Typed,
        }
    }

    /// A counter `x_total` is the family `x`, and claims `x_created`.
    fn of_counter(&self, name: &str) -> Shape {
        let Some(base) = name.strip_suffix("_total").filter(|base| !base.is_empty()) else { return Shape::Unknown };
        let is_of_other = |suffix: &str| {
            let owner = base.strip_suffix(suffix).and_then(|stem| self.claim(&[stem]));
            matches!((owner, suffix), (Some(Claim::Histogram), _) | (Some(Claim::Summary), "_sum" | "_count" | "_created"))
        };
        let is_created_of_counter =
            || base.strip_suffix("_created").is_some_and(|stem| self.claim(&[stem, "_total"]) == Some(Claim::Counter));
        let is_taken = self.has(&[base])
            || self.has(&[base, "_created"])
            || ["_sum", "_count", "_bucket", "_created"].into_iter().any(is_of_other)
            || is_created_of_counter();
        if is_taken { Shape::Unknown } else { Shape::Typed }
    }

    /// Whether a series has a number that its type must not have.
    fn any_is_odd(&self, series: &[Arc<Series>], now: Timestamp) -> bool {
        // Series lie anywhere: their memory is asked for while those before them are looked at.
        let ahead = series.iter().skip(AHEAD).map(Some).chain(std::iter::repeat(None));
        series.iter().zip(ahead).any(|(series, ahead)| {
            ahead.into_iter().for_each(|ahead| ahead.prefetch());
            series.has_negative(now) || !self.fractions_keep_type && series.has_fraction()
        })
    }

    fn has(&self, name: &[&str]) -> bool {
        self.claim(name).is_some()
    }

    /// What the family of this name is, the name given in pieces.
    fn claim(&self, name: &[&str]) -> Option<Claim> {
        let name = || name.iter().flat_map(|piece| piece.bytes());
        let of_wire = self.families.binary_search_by(|family| exposed_name(family, self.escaping).bytes().cmp(name()));
        let family = of_wire.ok().and_then(|at| self.families.get(at));
        family.map(|family| Claim::of(family.kind())).or_else(|| {
            let at = self.self_families.binary_search_by(|family| family.name().bytes().cmp(name())).ok()?;
            self.self_families.get(at).map(Claim::of_self_family)
        })
    }
}
