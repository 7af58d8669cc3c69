//! Upkeep of a worker's bindings, between two batches and at their limit: which ones are removed, when, and in how many steps.
//!
//! Knows neither bytes nor values.

use std::sync::Arc;

use crate::ingest::bindings::{BindingId, Bindings};
use crate::ingest::protocol::Sample;
use crate::ingest::resolve::{Binding, Resolver};
use crate::memory::{Account, Charge};
use crate::telemetry::Tally;

/// Steps of upkeep between two batches. A step takes 10 to 50 ns.
pub(super) const STEPS_OF_BATCH: usize = 1 << 10;

/// Steps of upkeep if there is nothing to ingest.
pub(super) const STEPS_OF_TICK: usize = 1 << 14;

/// Maximum number of bindings removed for a new one.
const MAX_EVICTED: usize = 8;

/// The bindings of all workers may use the memory of all series divided by this number.
const BUDGET_PART: usize = 2;

/// The bindings of all workers may use that memory divided by this number even if memory is scarce.
const RESERVED_PART: usize = 8;

/// A worker's table of bindings, with the counts that change with it.
pub(super) struct Upkeep<'w> {
    pub(super) bindings: &'w mut Bindings<Binding>,
    pub(super) resolver: &'w mut Resolver,
    pub(super) tally: &'w mut Tally,
    pub(super) memory: &'w mut BindingMemory,
}

/// The memory of a worker's bindings.
pub(super) struct BindingMemory {
    charge: Charge,
    /// Memory of bindings without their places in the table.
    extra_bytes: usize,
}

impl BindingMemory {
    pub(super) fn new(account: &Arc<Account>) -> Self {
        Self { charge: Charge::new(account, 0), extra_bytes: 0 }
    }

    /// Whether the table may grow. Samples without a binding are slower, but are recorded nevertheless.
    fn may_grow(&self) -> bool {
        let (account, memory) = (self.charge.account(), self.charge.account().memory());
        match account.used() {
            used if used < memory.part(RESERVED_PART) => !memory.is_exhausted(),
            used => used < memory.part(BUDGET_PART) && !memory.is_scarce(),
        }
    }
}

impl Upkeep<'_> {
    /// Does a few steps of upkeep: removes bindings that are outdated or may have another target now, and frees memory.
    #[cold]
    pub(super) fn run(&mut self, steps: usize) {
        let before = self.bindings.len();
        let (resolver, memory) = (&mut *self.resolver, &mut *self.memory);
        self.bindings.maintain(steps, Binding::prefetch_cell, |binding| {
            let is_outdated = binding.is_expired() || binding.lacks_own_series();
            if is_outdated {
                resolver.removed(binding);
                memory.extra_bytes -= binding.heap_bytes();
            }
            is_outdated
        });
        self.tally.bindings -= (before - self.bindings.len()) as i64;
        self.update_charge();
    }

    /// Charges the memory of the table.
    fn update_charge(&mut self) {
        self.memory.charge.set(self.bindings.bytes() + self.memory.extra_bytes);
    }

    /// Counts a removed binding.
    fn removed(&mut self, binding: &Binding) {
        self.resolver.removed(binding);
        self.memory.extra_bytes -= binding.heap_bytes();
        self.tally.bindings -= 1;
    }

    /// Removes all bindings.
    pub(super) fn forget_all(&mut self) {
        self.tally.bindings -= self.bindings.len() as i64;
        self.bindings.clear();
        self.resolver.removed_all();
        self.memory.extra_bytes = 0;
        self.update_charge();
    }

    /// Adds a binding, and evicts others if there is no room. If the table may not grow, each new binding replaces an old one. But
    /// a binding whose samples are folded or rejected replaces none, because a sender can create any number of them.
    pub(super) fn keep(&mut self, (sample, origin): (&Sample<'_>, &[u8]), hash: u64, binding: Binding) {
        let may_grow = self.bindings.bytes() == 0 || self.memory.may_grow();
        if !may_grow && (binding.lacks_own_series() || !self.evict()) {
            return self.resolver.removed(&binding);
        }
        // Places and bytes of keys have separate limits. A long key may need the bytes of several others.
        for _ in 0..MAX_EVICTED {
            if !self.bindings.is_full() {
                break;
            }
            self.evict();
        }
        let bytes = binding.heap_bytes();
        match self.bindings.insert(hash, sample, origin, binding) {
            Ok(()) => {
                self.tally.bindings += 1;
                self.memory.extra_bytes += bytes;
            }
            Err(binding) => self.resolver.removed(&binding),
        }
        self.update_charge();
    }

    /// Removes one binding to make room. False if it found none.
    fn evict(&mut self) -> bool {
        let Some(evicted) = self.bindings.evict() else { return false };
        self.removed(&evicted);
        self.tally.bindings_cleared += 1;
        true
    }

    /// Removes one binding.
    pub(super) fn remove(&mut self, id: BindingId) {
        if let Some(removed) = self.bindings.remove(id) {
            self.removed(&removed);
        }
    }
}
