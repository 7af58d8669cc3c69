//! memory: the memory budget. Each holder of memory has an account; all accounts count against one budget.
//!
//! The counts are estimates: the requested bytes plus the allocator's overhead. This module does not depend on what the bytes hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// One eighth of the budget is reserved for new families and overflow series, so that totals stay correct when the rest is used.
const RESERVED_PART: usize = 8;

/// The budget and the total of all accounts.
#[derive(Debug)]
pub(crate) struct Memory {
    used: AtomicUsize,
    limit: usize,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    /// The bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether only the reserve is left. Then callers create no new series, and existing data must not grow.
    pub(crate) fn is_scarce(&self) -> bool {
        self.used() >= self.limit - self.limit / RESERVED_PART
    }

    /// Whether the reserve is used up too.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.used() >= self.limit
    }

    /// The budget divided by `part`.
    pub(crate) fn part(&self, part: usize) -> usize {
        self.limit / part
    }
}

/// The memory of one holder: a family, all bindings or all exemplars.
#[derive(Debug)]
pub(crate) struct Account {
    used: AtomicUsize,
    /// How often the holder's data was made coarser.
    coarsened: AtomicU64,
    memory: Arc<Memory>,
}

impl Account {
    pub(crate) fn new(memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), coarsened: AtomicU64::new(0), memory: Arc::clone(memory) })
    }

    /// Makes an account with a separate budget without a limit.
    pub(crate) fn unlimited() -> Arc<Self> {
        Self::new(&Memory::new(usize::MAX))
    }

    /// The bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// How often the holder's data was made coarser because memory was scarce.
    pub(crate) fn coarsened(&self) -> u64 {
        self.coarsened.load(Relaxed)
    }

    /// The budget that the account counts against.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Adds bytes that are already allocated. This never fails, even beyond the budget.
    pub(crate) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Relaxed);
        self.memory.used.fetch_add(bytes, Relaxed);
    }

    /// Subtracts bytes that were added with [`take`](Self::take).
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
        self.memory.used.fetch_sub(bytes, Relaxed);
    }
}

/// The bytes of one value that can grow. Dropping the charge subtracts them from the account.
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

    /// The bytes of this charge.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the budget is scarce: see [`Memory::is_scarce`].
    pub(crate) fn is_scarce(&self) -> bool {
        self.account.memory.is_scarce()
    }

    /// Counts that the charged value was made coarser because memory is scarce.
    pub(crate) fn note_coarser(&self) {
        self.account.coarsened.fetch_add(1, Relaxed);
    }

    /// Changes the size of this charge to `bytes`.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.account.take(bytes - self.bytes);
        } else {
            self.account.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

/// A charge of 0 bytes on an [unlimited](Account::unlimited) account.
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
    fn accounts_and_budget_count_charges_until_they_are_dropped() {
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
