//! The form of a family in OpenMetrics. That format is stricter about names than text: a counter `x_total` is the family `x`,
//! every type reserves some names, and some types forbid some numbers.
//!
//! Samples have the same names as in text, so that no query breaks when a scraper changes its
//! format. So a counter whose name does not end in `_total` has the type `unknown`. Where a type would reserve a
//! name of another family, or forbid a number, the type is dropped: a counter becomes `unknown`, and a histogram or summary
//! is split into an `unknown` family for each name of its lines. This depends only on the content of the exposition,
//! not on any order.

use std::sync::Arc;

use super::escape::exposed_name;
use crate::name::Escaping;
use crate::registry::{Family, FamilyKind, Series};
use crate::telemetry::{SelfFamily, SelfKind};
use crate::time::Timestamp;

/// The distance of prefetches, in series.
const AHEAD: usize = 16;

/// The type of a family in text, which decides the names that it reserves.
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

/// The form of a family in OpenMetrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One family with its type.
    Typed,
    /// One family with the type `unknown`, under its full name.
    Unknown,
    /// Split into `unknown` families, one for each name of its lines.
    Apart,
}

/// The families of an exposition. Both lists are sorted by the names in the exposition.
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
            // A histogram with negative bounds must not have a sum.
            FamilyKind::Histogram { bounds } => bounds.iter().any(|bound| *bound < 0.0),
            FamilyKind::Summary(_) => false,
        };
        // Last, because it reads every series.
        if is_odd || self.has(&[name, "_created"]) || self.any_is_odd(series, now) { Shape::Apart } else { Shape::Typed }
    }

    /// The shape of a self-family.
    pub(super) fn shape_of_self_family(&self, family: &SelfFamily) -> Shape {
        match Claim::of_self_family(family) {
            Claim::Counter => self.of_counter(family.name()),
            Claim::Gauge | Claim::Histogram | Claim::Summary => Shape::Typed,
        }
    }

    /// A counter `x_total` is the family `x`, and reserves `x_created`.
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

    /// Whether a series has a number that its type forbids.
    fn any_is_odd(&self, series: &[Arc<Series>], now: Timestamp) -> bool {
        // Series are scattered in memory: prefetch some while the ones before them are read.
        let ahead = series.iter().skip(AHEAD).map(Some).chain(std::iter::repeat(None));
        series.iter().zip(ahead).any(|(series, ahead)| {
            ahead.into_iter().for_each(|ahead| ahead.prefetch());
            series.has_negative(now) || !self.fractions_keep_type && series.has_fraction()
        })
    }

    fn has(&self, name: &[&str]) -> bool {
        self.claim(name).is_some()
    }

    /// The type of the family with this name, which is given in pieces.
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
