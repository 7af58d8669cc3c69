//! A worker's routes between two batches and at their limit: which are taken out, when, and in how many steps.
//!
//! Knows no bytes and no values.

use super::Worker;
use crate::ingest::bindings::RouteId;
use crate::ingest::protocol::Sample;
use crate::ingest::resolve::{Route, Target};

/// Steps of keeping the table of routes in order between two batches; a step takes 10 to 50 ns.
pub(super) const STEPS_OF_BATCH: usize = 1 << 10;

/// The same where there is nothing to ingest.
pub(super) const STEPS_OF_TICK: usize = 1 << 14;

/// Routes that one new route may push out.
const EVICTED_AT_MOST: usize = 8;

impl Worker {
    /// Takes out routes that lead nowhere, or may lead elsewhere now, and gives their memory back: a few steps of it.
    #[cold]
    pub(super) fn keep_up(&mut self, steps: usize) {
        let before = self.routes.len();
        let resolver = &mut self.resolver;
        self.routes.keep_up(steps, Route::prefetch_cell, |route| {
            let is_gone = route.is_retired() || route.is_side();
            if is_gone {
                resolver.forgot(route);
            }
            is_gone
        });
        self.tally.routes -= (before - self.routes.len()) as i64;
    }

    pub(super) fn forget_routes(&mut self) {
        self.tally.routes -= self.routes.len() as i64;
        self.routes.clear();
        self.resolver.forgot_all();
    }

    /// Adds a route; where there is no room, others go.
    pub(super) fn keep_route(&mut self, sample: &Sample<'_>, hash: u64, route: Route) {
        // Places and key bytes have a limit each; a long key may need the bytes of several.
        for _ in 0..EVICTED_AT_MOST {
            if !self.routes.is_full() {
                break;
            }
            if let Some(gone) = self.routes.evict() {
                self.resolver.forgot(&gone);
                self.tally.routes -= 1;
                self.tally.routes_cleared += 1;
            }
        }
        match self.routes.insert(hash, sample, route) {
            Ok(()) => self.tally.routes += 1,
            Err(route) => self.resolver.forgot(&route),
        }
    }

    pub(super) fn remove_route(&mut self, id: RouteId) {
        if let Some(gone) = self.routes.remove(id) {
            self.resolver.forgot(&gone);
            self.tally.routes -= 1;
        }
    }
}

impl Route {
    /// Whether it leads to a series that went, or is about to.
    fn is_retired(&self) -> bool {
        matches!(&self.target, Target::Cell(cell) if cell.stamp().last().is_none())
    }
}
