//! The grace period: values of expired series are kept for a while, so that a counter that returns continues instead of starting at
//! zero.
//!
//! Limited in time, number and memory; the oldest series are dropped first. A series in its grace period is in no family's table:
//! expiry adds it, and admission takes it out, under the lock of its family.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::kind::FamilyKind;
use super::label_set::identity;
use super::series::Series;
use crate::lock::lock;
use crate::memory::{Account, Charge, Memory};
use crate::name::FamilyName;
use crate::options::Limits;
use crate::time::Timestamp;

/// Series in their grace period may use the memory of all series divided by this number.
const BYTES_PART: usize = 4;

/// Memory of an entry without its name, with the overhead of the allocator.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>() + 2 * size_of::<Reverse<Place>>();

/// The series in their grace period.
pub(super) struct GracePeriod {
    grace_ms: u64,
    max_series: usize,
    max_bytes: usize,
    account: Arc<Account>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_identity: HashTable<Entry>,
    hasher: RandomState,
    /// One item for each entry, the earliest end on top. The item of an entry that was taken or deleted stays until it is popped.
    order: BinaryHeap<Reverse<Place>>,
    next_number: u64,
    bytes: usize,
}

/// The key of an entry in the order of ends. The ends of restored series do not ascend.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    end_ms: u64,
    number: u64,
    hash: u64,
}

struct Entry {
    number: u64,
    expired: Expired,
    /// Memory of the series when it expired.
    bytes: usize,
    /// Memory of the entry.
    _charge: Charge,
}

/// A series in its grace period.
#[derive(Clone)]
pub(super) struct Expired {
    pub(super) name: FamilyName,
    pub(super) kind: FamilyKind,
    pub(super) series: Arc<Series>,
    /// End of the grace period, on the timeline.
    pub(super) end_ms: u64,
}

impl GracePeriod {
    pub(super) fn new(grace_ms: u64, limits: &Limits, memory: &Arc<Memory>) -> Self {
        let max_bytes = memory.part(BYTES_PART);
        Self { grace_ms, max_series: limits.resting_series, max_bytes, account: Account::new(memory), kept: Mutex::default() }
    }

    /// The account of restored series that have no family yet.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Keeps a series that expired, if its kind is a sum.
    pub(super) fn put(&self, name: &FamilyName, kind: &FamilyKind, series: &Arc<Series>, now: Timestamp) {
        self.put_until(name, kind, series, now.as_millis().saturating_add(self.grace_ms));
    }

    /// Keeps a series until `end_ms`, for a grace period that began before a restart.
    pub(super) fn put_until(&self, name: &FamilyName, kind: &FamilyKind, series: &Arc<Series>, end_ms: u64) {
        if self.grace_ms == 0 || self.max_series == 0 || !kind.accumulates() {
            return;
        }
        let kept = &mut *lock(&self.kept);
        let is_full = |kept: &Kept| {
            // The order also has items of entries that were taken or deleted.
            let is_order_full = kept.order.len() / 2 >= self.max_series;
            kept.by_identity.len() >= self.max_series || is_order_full || kept.bytes >= self.max_bytes
        };
        // With a very small budget, the grace period is full even without entries.
        while is_full(kept) && kept.drop_oldest() {}
        let hash = kept.hash(name, series.labels());
        let number = kept.next_number;
        kept.next_number += 1;
        let charge = Charge::new(&self.account, ENTRY_BYTES + name.as_str().len());
        let bytes = series.bytes();
        kept.bytes += bytes;
        kept.order.push(Reverse(Place { end_ms, number, hash }));
        let expired = Expired { name: name.clone(), kind: kind.clone(), series: Arc::clone(series), end_ms };
        let entry = Entry { number, expired, bytes, _charge: charge };
        let hasher = &kept.hasher;
        kept.by_identity.insert_unique(hash, entry, |known| known.expired.hash(hasher));
    }

    /// Removes a series and returns it, if it exists and is of this kind.
    pub(super) fn take(&self, name: &FamilyName, kind: &FamilyKind, labels: &str) -> Option<Arc<Series>> {
        if self.grace_ms == 0 {
            return None;
        }
        let kept = &mut *lock(&self.kept);
        let hash = kept.hash(name, labels);
        let wanted = identity(labels);
        let is_it = |known: &Entry| known.expired.name == *name && identity(known.expired.series.labels()) == wanted;
        let (entry, _) = kept.by_identity.find_entry(hash, is_it).ok()?.remove();
        kept.bytes -= entry.bytes;
        (entry.expired.kind == *kind).then_some(entry.expired.series)
    }

    /// Removes and returns the series that `wanted` selects by name and labels. With `dry_run` it only returns them.
    pub(super) fn delete(&self, wanted: &dyn Fn(&FamilyName, &Series) -> bool, dry_run: bool) -> Vec<Expired> {
        // Outside the lock: selectors may take long, and expiry and ingest must not wait for them.
        let mut selected = self.all();
        selected.retain(|expired| wanted(&expired.name, &expired.series));
        let kept = &mut *lock(&self.kept);
        // A series that has returned meanwhile is in its family again, where the caller finds it.
        selected.retain(|expired| {
            let hash = expired.hash(&kept.hasher);
            let found = kept.by_identity.find_entry(hash, |known| Arc::ptr_eq(&known.expired.series, &expired.series));
            let is_here = found.is_ok();
            if let Ok(entry) = found
                && !dry_run
            {
                kept.bytes -= entry.remove().0.bytes;
            }
            is_here
        });
        selected
    }

    /// The kind of a series of this name, if there is one.
    #[cfg(feature = "cli")]
    pub(super) fn kind_of(&self, name: &str) -> Option<FamilyKind> {
        let kept = lock(&self.kept);
        kept.by_identity.iter().find(|entry| entry.expired.name.as_str() == name).map(|entry| entry.expired.kind.clone())
    }

    /// Drops the series whose grace period ends first. Returns false if there is none.
    pub(super) fn drop_oldest(&self) -> bool {
        let kept = &mut *lock(&self.kept);
        !kept.by_identity.is_empty() && kept.drop_oldest()
    }

    /// Drops the series whose grace period has ended.
    pub(super) fn expire(&self, now: Timestamp) {
        let kept = &mut *lock(&self.kept);
        while kept.order.peek().is_some_and(|Reverse(first)| first.end_ms <= now.as_millis()) {
            kept.drop_oldest();
        }
    }

    /// All series in their grace period, in any order.
    pub(super) fn all(&self) -> Vec<Expired> {
        lock(&self.kept).by_identity.iter().map(|entry| entry.expired.clone()).collect()
    }

    /// Number of series in their grace period.
    pub(super) fn len(&self) -> usize {
        lock(&self.kept).by_identity.len()
    }
}

impl Kept {
    fn hash(&self, name: &FamilyName, labels: &str) -> u64 {
        hash_of(&self.hasher, name, labels)
    }

    /// Removes the item with the earliest end, and its entry if it still exists. Returns false if there is no item.
    fn drop_oldest(&mut self) -> bool {
        let Some(Reverse(Place { number, hash, .. })) = self.order.pop() else {
            debug_assert!(self.by_identity.is_empty() && self.bytes == 0, "an entry without a place");
            return false;
        };
        if let Ok(entry) = self.by_identity.find_entry(hash, |known| known.number == number) {
            self.bytes -= entry.remove().0.bytes;
        }
        true
    }
}

impl Expired {
    fn hash(&self, hasher: &RandomState) -> u64 {
        hash_of(hasher, &self.name, self.series.labels())
    }
}

fn hash_of(hasher: &RandomState, name: &FamilyName, labels: &str) -> u64 {
    hasher.hash_one((name.as_str(), identity(labels)))
}
