//! A worker's bindings between two batches and at their limit: which are taken out, when, and in how many steps.
//!
//! Knows no bytes and no values.

use crate::ingest::bindings::{BindingId, Bindings};
use crate::ingest::protocol::Sample;
use crate::ingest::resolve::{Binding, Resolver};
use crate::telemetry::Tally;

/// Steps of keeping the table of bindings in order between two batches; a step takes 10 to 50 ns.
pub(super) const STEPS_OF_BATCH: usize = 1 << 10;

/// The same where there is nothing to ingest.
pub(super) const STEPS_OF_TICK: usize = 1 << 14;

/// Bindings that one new binding may push out.
const EVICTED_AT_MOST: usize = 8;

/// A worker's table of bindings, with those who count what comes and goes.
pub(super) struct Upkeep<'w> {
    pub(super) bindings: &'w mut Bindings<Binding>,
    pub(super) resolver: &'w mut Resolver,
    pub(super) tally: &'w mut Tally,
}

impl Upkeep<'_> {
    /// Takes out bindings that lead nowhere, or may lead elsewhere now, and gives their memory back: a few steps of it.
    #[cold]
    pub(super) fn run(&mut self, steps: usize) {
        let before = self.bindings.len();
        let resolver = &mut *self.resolver;
        self.bindings.keep_up(steps, Binding::prefetch_cell, |binding| {
            let is_gone = binding.is_retired() || binding.is_side();
            if is_gone {
                resolver.forgot(binding);
            }
            is_gone
        });
        self.tally.bindings -= (before - self.bindings.len()) as i64;
    }

    /// Takes all bindings out.
    pub(super) fn forget_all(&mut self) {
        self.tally.bindings -= self.bindings.len() as i64;
        self.bindings.clear();
        self.resolver.forgot_all();
    }

    /// Adds a binding; where there is no room, others go.
    pub(super) fn keep(&mut self, sample: &Sample<'_>, hash: u64, binding: Binding) {
        // Places and key bytes have a limit each; a long key may need the bytes of several.
        for _ in 0..EVICTED_AT_MOST {
            if !self.bindings.is_full() {
                break;
            }
            if let Some(gone) = self.bindings.evict() {
                self.resolver.forgot(&gone);
                self.tally.bindings -= 1;
                self.tally.bindings_cleared += 1;
            }
        }
        match self.bindings.insert(hash, sample, binding) {
            Ok(()) => self.tally.bindings += 1,
            Err(binding) => self.resolver.forgot(&binding),
        }
    }

    /// Takes one binding out.
    pub(super) fn remove(&mut self, id: BindingId) {
        if let Some(gone) = self.bindings.remove(id) {
            self.resolver.forgot(&gone);
            self.tally.bindings -= 1;
        }
    }
}
