//! Finds or admits the series of a new binding. Limits and conflicts are checked here.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Registry;
use super::arrival::Arrival;
use super::conflicts::{Conflict, Reason, Side};
use super::families::lines_collide;
use super::family::Family;
use super::kind::FamilyKind;
use super::limited::{Limit, Limited};
use super::request::{Admitted, NotAdmitted, Request};
use crate::lock::lock;
use crate::options::{Limits, Overflow};

impl Registry {
    /// Finds or admits the requested series, and returns the worker's cell of it.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`]. The caller counts it.
    pub(crate) fn admit(&self, request: &Request<'_>) -> Result<Admitted, NotAdmitted> {
        let limits = Limits {
            series_per_family: request.limits.series.unwrap_or(self.limits.series_per_family),
            values_per_label: request.limits.values_per_label.unwrap_or(self.limits.values_per_label),
            overflow: request.limits.overflow.unwrap_or(self.limits.overflow),
            ..self.limits
        };
        let budget = self.budget(limits);
        if request.ttl_ms > 0 {
            self.expiry.expect_ttl();
        }
        // A family that is removed at this moment is created again. Several removals in a row are unlikely.
        loop {
            let family = match self.families.get(request.name.as_str()) {
                Some(family) if family.is_outdated(request) => {
                    self.end(family.end(request, &budget));
                    if family.is_gone() {
                        self.families.forget(&family);
                    }
                    continue;
                }
                Some(family) => family,
                None => self.create(request, limits.overflow)?,
            };
            if !family.kind().same_type(request.kind) {
                return Err(self.conflict(Reason::Type, request, &family));
            }
            if let Some(result) = family.admit(request, &budget) {
                if let Ok(Admitted { has_other_help: true, .. }) = &result {
                    self.note_other_help(request, &family);
                }
                if family.is_gone() {
                    self.families.forget(&family);
                }
                return result;
            }
            self.families.forget(&family);
        }
    }

    fn note_other_help(&self, request: &Request<'_>, family: &Family) {
        let text = |help: Option<Arc<str>>| help.as_deref().unwrap_or_default().to_owned();
        let came = Side::of_arrival(request.name.as_str(), request.kind, &request.arrival);
        let arrival = Arrival { text: &|| text(request.help.clone()), ..request.arrival };
        let kept = || Some(Side { example: text(family.help()).into(), ..family.side() });
        self.conflicts.of(Reason::Help, came, &arrival, kept).count();
    }

    /// Rejects a family that a limit leaves no room for.
    fn reject_family(&self, limit: Limit, request: &Request<'_>) -> NotAdmitted {
        let mut all = lock(&self.limited);
        let known = all.iter().find(|known| known.limit == limit).map(Arc::clone);
        let limited = known.unwrap_or_else(|| {
            let new = Arc::new(Limited::new("", limit, "", Overflow::Reject, &request.arrival, &self.offenders));
            all.push(Arc::clone(&new));
            new
        });
        limited.note_value(request.name.as_str());
        NotAdmitted::Limited(limited)
    }

    /// Records a conflict that involves no other family: the name or a label is reserved.
    pub(crate) fn note_reserved(&self, reason: Reason, name: &str, kind: &FamilyKind, arrival: &Arrival<'_>) -> Arc<Conflict> {
        self.conflicts.of(reason, Side::of_arrival(name, kind, arrival), arrival, || None)
    }

    /// Rejects a series because of a family that exists.
    fn conflict(&self, reason: Reason, request: &Request<'_>, kept: &Family) -> NotAdmitted {
        let came = Side::of_arrival(request.name.as_str(), request.kind, &request.arrival);
        NotAdmitted::Conflict(self.conflicts.of(reason, came, &request.arrival, || Some(kept.side())))
    }

    /// Creates a family. Where limits leave no room for the series, the family starts with its overflow series, provided that samples
    /// of its kind can be folded.
    pub(super) fn create(&self, request: &Request<'_>, overflow: Overflow) -> Result<Arc<Family>, NotAdmitted> {
        let name = request.name.as_str();
        let may_fold = *request.kind != FamilyKind::Gauge && overflow != Overflow::Reject;
        self.families.get_or_create(name, |index| {
            if let Some(other) = lines_collide(index, name, request.kind, self.set_times.is_some()) {
                return Err(self.conflict(Reason::Lines, request, other));
            }
            if index.len() >= self.limits.families {
                return Err(self.reject_family(Limit::Families, request));
            }
            if let Some(limit) = self.totals.limit(&self.limits, &self.grace).filter(|_| !may_fold || self.totals.memory.is_exhausted()) {
                let limit = if may_fold { Limit::SeriesBytes } else { limit };
                return Err(self.reject_family(limit, request));
            }
            let family = Arc::new(Family::new(request, &self.totals.memory));
            // `want_native` sets the flag before it takes the lock of the index, so a family is either in the index by then or reads
            // the flag here.
            if self.is_native_wanted.load(Relaxed) {
                family.kind().want_native();
            }
            Ok(family)
        })
    }
}
