//! memory: bytes counted against one budget, by whoever holds them. What is given back, or dropped, is counted no more.
//!
//! Counted is what was asked of the allocator, about, and with it what the allocator adds. Knows nothing of what the bytes are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// This part of the budget is kept for new families and what stands for many: totals are to be right when all else is taken.
const RESERVED_PART: usize = 8;

/// What all accounts have taken together, and how much they may take.
#[derive(Debug)]
pub(crate) struct Memory {
    used: AtomicUsize,
    limit: usize,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    /// Bytes taken.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether only the reserve is left: nothing new is to come, and what grows is to do with what it has.
    pub(crate) fn is_scarce(&self) -> bool {
        self.used() >= self.limit - self.limit / RESERVED_PART
    }

    /// Whether the reserve is taken, too.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.used() >= self.limit
    }

    /// One `part` of the budget.
    pub(crate) fn part(&self, part: usize) -> usize {
        self.limit / part
    }
}

/// What one holder has taken: a family, all bindings, all exemplars.
#[derive(Debug)]
pub(crate) struct Account {
    used: AtomicUsize,
    /// How often what it holds was made coarser.
    coarsened: AtomicU64,
    memory: Arc<Memory>,
}

impl Account {
    pub(crate) fn new(memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), coarsened: AtomicU64::new(0), memory: Arc::clone(memory) })
    }

    /// One that nobody else knows, and without a limit.
    pub(crate) fn unlimited() -> Arc<Self> {
        Self::new(&Memory::new(usize::MAX))
    }

    /// Bytes taken.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// How often what it holds was made coarser, because memory was short.
    pub(crate) fn coarsened(&self) -> u64 {
        self.coarsened.load(Relaxed)
    }

    /// The budget that it is part of.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes so many bytes, whatever is left: they are there.
    pub(crate) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Relaxed);
        self.memory.used.fetch_add(bytes, Relaxed);
    }

    /// Gives bytes back that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
        self.memory.used.fetch_sub(bytes, Relaxed);
    }
}

/// Bytes taken from an account by something that grows; given back with it.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    pub(crate) fn new(account: &Arc<Account>, bytes: usize) -> Self {
        account.take(bytes);
        Self { account: Arc::clone(account), bytes }
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether what grows is to do with what it has.
    pub(crate) fn is_scarce(&self) -> bool {
        self.account.memory.is_scarce()
    }

    /// What it is for was made coarser, because memory is short.
    pub(crate) fn note_coarser(&self) {
        self.account.coarsened.fetch_add(1, Relaxed);
    }

    /// It takes so many bytes now.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.account.take(bytes - self.bytes);
        } else {
            self.account.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

/// Of an account that nobody else knows, and without a limit.
impl Default for Charge {
    fn default() -> Self {
        Self::new(&Account::unlimited(), 0)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_until_it_is_dropped() {
        let memory = Memory::new(800);
        let (first, second) = (Account::new(&memory), Account::new(&memory));
        let mut charge = Charge::new(&first, 300);
        second.take(399);
        assert!(!memory.is_scarce() && memory.used() == 699);
        charge.set(301);
        assert!(charge.is_scarce() && !memory.is_exhausted() && first.used() == 301);
        second.take(100);
        assert!(memory.is_exhausted());
        charge.set(1);
        assert_eq!((first.used(), memory.used()), (1, 500));
        drop(charge);
        second.give_back(499);
        assert_eq!((first.used(), second.used(), memory.used()), (0, 0, 0));
    }
}
