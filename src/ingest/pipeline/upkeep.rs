//! A worker's bindings between two batches and at their limit: which are taken out, when, and in how many steps.
//!
//! Knows no bytes and no values.

use std::sync::Arc;

use crate::ingest::bindings::{BindingId, Bindings};
use crate::ingest::protocol::Sample;
use crate::ingest::resolve::{Binding, Resolver};
use crate::memory::{Account, Charge};
use crate::telemetry::Tally;

/// Steps of keeping the table of bindings in order between two batches; a step takes 10 to 50 ns.
pub(super) const STEPS_OF_BATCH: usize = 1 << 10;

/// The same where there is nothing to ingest.
pub(super) const STEPS_OF_TICK: usize = 1 << 14;

/// Bindings that one new binding may push out.
const EVICTED_AT_MOST: usize = 8;

/// The bindings of all workers may take this part of the budget, and may take that part of it when all else is taken.
const MOST_OF_BUDGET: usize = 2;
const LEAST_OF_BUDGET: usize = 8;

/// A worker's table of bindings, with those who count what comes and goes.
pub(super) struct Upkeep<'w> {
    pub(super) bindings: &'w mut Bindings<Binding>,
    pub(super) resolver: &'w mut Resolver,
    pub(super) tally: &'w mut Tally,
    pub(super) memory: &'w mut BindingMemory,
}

/// What a worker's bindings take.
pub(super) struct BindingMemory {
    charge: Charge,
    /// Bytes that bindings have beside their place in the table.
    extra_bytes: usize,
}

impl BindingMemory {
    pub(super) fn new(account: &Arc<Account>) -> Self {
        Self { charge: Charge::new(account, 0), extra_bytes: 0 }
    }

    /// Whether the table may take more: bindings make samples cheap, but none is lost for want of one.
    fn may_grow(&self) -> bool {
        let (account, memory) = (self.charge.account(), self.charge.account().memory());
        match account.used() {
            used if used < memory.part(LEAST_OF_BUDGET) => !memory.is_exhausted(),
            used => used < memory.part(MOST_OF_BUDGET) && !memory.is_scarce(),
        }
    }
}

impl Upkeep<'_> {
    /// Takes out bindings that lead nowhere, or may lead elsewhere now, and gives their memory back: a few steps of it.
    #[cold]
    pub(super) fn run(&mut self, steps: usize) {
        let before = self.bindings.len();
        let (resolver, memory) = (&mut *self.resolver, &mut *self.memory);
        self.bindings.keep_up(steps, Binding::prefetch_cell, |binding| {
            let is_gone = binding.is_retired() || binding.is_side();
            if is_gone {
                resolver.forgot(binding);
                memory.extra_bytes -= binding.heap_bytes();
            }
            is_gone
        });
        self.tally.bindings -= (before - self.bindings.len()) as i64;
        self.settle();
    }

    /// Counts what the table takes.
    fn settle(&mut self) {
        self.memory.charge.set(self.bindings.bytes() + self.memory.extra_bytes);
    }

    fn forgot(&mut self, binding: &Binding) {
        self.resolver.forgot(binding);
        self.memory.extra_bytes -= binding.heap_bytes();
        self.tally.bindings -= 1;
    }

    /// Takes all bindings out.
    pub(super) fn forget_all(&mut self) {
        self.tally.bindings -= self.bindings.len() as i64;
        self.bindings.clear();
        self.resolver.forgot_all();
        self.memory.extra_bytes = 0;
        self.settle();
    }

    /// Adds a binding; where there is no room, others go. Where the table may not grow, one goes for each that comes; but none goes for
    /// one that leads to no cell of its own, of which a sender can make any number.
    pub(super) fn keep(&mut self, sample: &Sample<'_>, hash: u64, binding: Binding) {
        let may_grow = self.bindings.bytes() == 0 || self.memory.may_grow();
        if !may_grow && (binding.is_side() || !self.evict()) {
            return self.resolver.forgot(&binding);
        }
        // Places and key bytes have a limit each; a long key may need the bytes of several.
        for _ in 0..EVICTED_AT_MOST {
            if !self.bindings.is_full() {
                break;
            }
            self.evict();
        }
        let bytes = binding.heap_bytes();
        match self.bindings.insert(hash, sample, binding) {
            Ok(()) => {
                self.tally.bindings += 1;
                self.memory.extra_bytes += bytes;
            }
            Err(binding) => self.resolver.forgot(&binding),
        }
        self.settle();
    }

    /// Takes one out for another. False if none was met.
    fn evict(&mut self) -> bool {
        let Some(gone) = self.bindings.evict() else { return false };
        self.forgot(&gone);
        self.tally.bindings_cleared += 1;
        true
    }

    /// Takes one binding out.
    pub(super) fn remove(&mut self, id: BindingId) {
        if let Some(gone) = self.bindings.remove(id) {
            self.forgot(&gone);
        }
    }
}
