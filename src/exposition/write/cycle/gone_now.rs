//! Stale markers of what a cycle no longer has.

use std::sync::Arc;

use super::{Full, Stage, WriteCycle};
use crate::exposition::write::changes::{lines_of, lines_of_self};
use crate::exposition::write::gone::GoneSeries;
use crate::exposition::write::kind::Form;
use crate::exposition::write::up;
use crate::telemetry::SelfSeries;

impl WriteCycle {
    /// Plans the stale markers of one series of a family that persists.
    pub(super) fn series_gone(&mut self, family: usize, series: usize) {
        let before = Arc::clone(&self.before);
        let Some(family) = before.families.get(family) else { return };
        let lines = family.series.get(series).map(|series| lines_of(family, series)).unwrap_or_default();
        if family.names.name() == up::NAME {
            // The bridge's own series may take its place.
            lines.into_iter().for_each(|line| self.gone_unless_known(line));
        } else {
            self.pending.extend(lines);
        }
    }

    /// Plans the stale markers of the next series of a family that is gone or has another form.
    pub(super) fn changed(&mut self, nth: usize, next: usize) -> Stage {
        let before = Arc::clone(&self.before);
        let Some(family) = self.changed.get(nth).and_then(|at| before.families.get(*at)) else {
            self.begin_self(0);
            return Stage::OfSelf(0, 0);
        };
        let Some(series) = family.series.get(next) else { return Stage::Changed(nth + 1, 0) };
        lines_of(family, series).into_iter().for_each(|line| self.gone_unless_known(line));
        Stage::Changed(nth, next + 1)
    }

    /// Plans a stale marker, unless the series exists now.
    pub(super) fn gone_unless_known(&mut self, gone: GoneSeries) {
        let form = Form::of_classic(&self.options);
        if !self.index_now.has(&self.sent, (&gone.name, &gone.labels), form) {
            self.pending.push_back(gone);
        }
    }

    pub(super) fn marker(&mut self, gone: GoneSeries) -> Result<(), Full> {
        if self.batches.is_full(1) {
            self.pending.push_front(gone);
            return Err(Full);
        }
        let time = self.sent.time.unwrap_or_default();
        // A marker that was lost may be that of a series whose marker is written in this cycle too.
        if self.sent.marked.insert(self.sent.hash(&gone.name, &gone.labels)) {
            self.writer.marker(gone, time, &mut self.batches);
        }
        Ok(())
    }

    /// Plans the stale markers of a self-family of the previous cycle.
    pub(super) fn gone_self(&mut self, nth: usize) -> Stage {
        let before = Arc::clone(&self.before);
        let Some(family) = before.self_families.get(nth) else { return Stage::Lost };
        let now = self
            .sent
            .self_families
            .binary_search_by(|now| now.name().cmp(family.name()))
            .ok()
            .and_then(|at| self.sent.self_families.get(at));
        let has = |series: &SelfSeries| now.is_some_and(|now| now.series.iter().any(|now| now.labels == series.labels));
        let gone: Vec<&SelfSeries> = family.series.iter().filter(|series| !has(series)).collect();
        let form = Form::of_classic(&self.options);
        gone.into_iter().flat_map(|series| lines_of_self(family, series, form)).for_each(|line| self.gone_unless_known(line));
        Stage::GoneSelf(nth + 1)
    }
}
