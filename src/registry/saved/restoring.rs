//! Restores saved families and series, with the limits, conflicts and folding of new ones.

use std::sync::Arc;

use super::{RestoreRules, Restored, SavedFamily, SavedSeries};
use crate::name::{FamilyName, NameValidation};
use crate::registry::Registry;
use crate::registry::arrival::Arrival;
use crate::registry::kind::FamilyKind;
use crate::registry::label_set::{Labels, split};
use crate::registry::parts::BASE;
use crate::registry::request::{Admitted, Request};
use crate::registry::series::Series;
use crate::source::Source;
use crate::time::Timestamp;

impl SavedFamily {
    /// Restores this piece of a family. Call it before the first sample, from one thread.
    pub(crate) fn restore(self, registry: &Registry, rules: RestoreRules, now: Timestamp) -> Restored {
        let all_rejected = Restored { rejected: self.series.len() as u64, ..Restored::default() };
        let Some((name, kind)) = checked_name(&self.name, rules.names).zip(self.kind.restore()) else { return all_rejected };
        let no_labels = Labels::new(rules.names);
        let request = Request {
            name: &name,
            kind: &kind,
            labels: &no_labels,
            help: self.help.as_deref().map(Arc::from),
            // The first sample sets the unit.
            unit: None,
            origin: &self.origin,
            ttl_ms: rules.ttl_ms,
            limits: rules.limits,
            generation: 0,
            worker: BASE,
            created: registry.wall().of(now),
            arrival: Arrival { text: &|| "restored from the state file".to_owned(), source: Source::Unknown, now },
        };
        // A bridge that kept native buckets continues to keep them, also for new series.
        if self.series.iter().any(|series| series.value.has_native()) {
            registry.want_native();
            kind.want_native();
        }
        let from_zero = rules.sums_from_zero && kind.accumulates();
        let mut restored = Restored::default();
        let to_timeline_ms = registry.wall().millis().saturating_neg();
        for series in self.series {
            let series = series.shifted(to_timeline_ms, &self.kind);
            restored += match series.grace_until_ms {
                0 => series.restore(registry, &request, &self.first_names, from_zero),
                // The grace period keeps only the value, which would be 0.
                _ if from_zero => Restored::ONE_EXPIRED,
                end => series.restore_in_grace(registry, &request, end),
            };
        }
        restored
    }
}

impl SavedSeries {
    fn restore(self, registry: &Registry, request: &Request<'_>, first_names: &[String], from_zero: bool) -> Restored {
        // A time in the future, after the clock was set back, would keep the series for longer than its ttl.
        let now = request.arrival.now;
        let last = Timestamp::from_millis(self.last_ms.min(now.as_millis()));
        // New flags or rules may set a ttl for a series that had none. Without a sample, the series would never get it.
        let ttl_ms = if self.ttl_ms > 0 { self.ttl_ms } else { request.ttl_ms };
        if ttl_ms > 0 && now.as_millis() - last.as_millis() >= ttl_ms {
            return Restored::ONE_EXPIRED;
        }
        let rejected = Restored::ONE_REJECTED;
        let Some(labels) = checked_labels(&self.labels, request.kind, request.labels.names()) else { return rejected };
        if !self.value.is_of(request.kind) {
            return rejected;
        }
        let Ok(family) = registry.create(request, request.limits.overflow.unwrap_or(registry.limits.overflow)) else { return rejected };
        if family.kind() != request.kind {
            return rejected;
        }
        family.restore_first_names(first_names);
        let now_by_wall = request.created;
        let created = if from_zero { now_by_wall } else { now_by_wall.min(Timestamp::from_millis(self.created_ms)) };
        let arrival = Arrival { now: last, ..request.arrival };
        let request = Request { labels: &labels, help: request.help.clone(), ttl_ms, created, arrival, ..*request };
        let admitted = if self.overflow {
            let (cell, series) = family.restore_overflow(&request);
            Ok(Admitted { cell, series, folded: None, has_other_help: false })
        } else {
            registry.admit(&request)
        };
        let Ok(Admitted { cell, series, folded, .. }) = admitted else { return rejected };
        if !from_zero {
            // Expositions have shown the value of the overflow series, so it must not be shown at 0.
            series.set_shown_from_s(if folded.is_some() { 1 } else { self.value.shown_from_s() });
            if !self.value.absorbed_by(&cell, now) {
                return rejected;
            }
        }
        if folded.is_none() {
            return Restored::ONE;
        }
        // The overflow series may have been written later than this one.
        cell.stamp().touch(now.as_millis());
        Restored::ONE_FOLDED
    }

    /// Restores a series whose grace period has not ended.
    fn restore_in_grace(self, registry: &Registry, request: &Request<'_>, end_ms: u64) -> Restored {
        let now = request.arrival.now;
        let family = registry.families.get(request.name.as_str());
        if end_ms <= now.as_millis() || family.is_some_and(|family| family.has(&self.labels)) {
            return Restored::ONE_EXPIRED;
        }
        if checked_labels(&self.labels, request.kind, request.labels.names()).is_none() || !self.value.is_of(request.kind) {
            return Restored::ONE_REJECTED;
        }
        let created = Timestamp::from_millis(self.created_ms);
        let series = Arc::new(Series::new(&self.labels, request.kind, created, registry.grace.account()));
        series.set_shown_from_s(self.value.shown_from_s());
        if !self.value.absorbed_by(&series.cell(BASE, self.ttl_ms, now), now) {
            return Restored::ONE_REJECTED;
        }
        series.expire_now();
        registry.grace.put_until(request.name, request.kind, &series, end_ms);
        Restored::ONE
    }
}

/// The name, if it is valid as it is.
fn checked_name(text: &str, names: NameValidation) -> Option<FamilyName> {
    FamilyName::new(text, names).filter(|name| name.as_str() == text)
}

/// The labels, if the text is their rendered form and no name is reserved.
fn checked_labels(text: &str, kind: &FamilyKind, names: NameValidation) -> Option<Labels> {
    let (mut labels, mut legal) = (Labels::new(names), String::new());
    for (name, value) in split(text) {
        legal.clear();
        names.push_name(&name, &mut legal);
        if name.is_empty() || legal != *name || kind.reserves(&name) {
            return None;
        }
        labels.push(&name, &value);
    }
    labels.finish();
    Some(labels).filter(|labels| labels.text() == text)
}
