//! Expired series whose values are kept for a while, so that a counter that comes back goes on instead of falling to zero.
//!
//! Bounded in time, in number and in bytes; the oldest go first. A series rests only while it is in no family's table: it is
//! put here, and taken from here, under its family's lock.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::labels::identity;
use super::members::bytes_of;
use super::{FamilyKind, Series, lock};
use crate::Timestamp;
use crate::name::FamilyName;
use crate::options::Limits;

/// Resting series may take this part of the bytes that all series may take.
const BYTES_PART: usize = 4;

/// The series that rest.
pub(super) struct Resting {
    grace_ms: u64,
    most: usize,
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_identity: HashTable<Rested>,
    hasher: RandomState,
    /// Hash, number and end of each that was put here, oldest first; some are taken meanwhile.
    order: VecDeque<(u64, u64, u64)>,
    next: u64,
    bytes: usize,
}

struct Rested {
    number: u64,
    name: FamilyName,
    kind: FamilyKind,
    series: Arc<Series>,
}

impl Resting {
    pub(super) fn new(grace_ms: u64, limits: &Limits) -> Self {
        Self { grace_ms, most: limits.resting_series, most_bytes: limits.series_bytes / BYTES_PART, state: Mutex::default() }
    }

    /// Keeps a series that expired, if its kind has something to lose.
    pub(super) fn put(&self, name: &FamilyName, kind: &FamilyKind, series: &Arc<Series>, now: Timestamp) {
        let accumulates = *kind == FamilyKind::Counter || kind.is_observer();
        if self.grace_ms == 0 || self.most == 0 || !accumulates {
            return;
        }
        let state = &mut *lock(&self.state);
        // What came back leaves its place in the order behind.
        let is_full =
            |state: &State| state.by_identity.len() >= self.most || state.order.len() >= 2 * self.most || state.bytes >= self.most_bytes;
        while is_full(state) {
            state.forget_oldest();
        }
        let hash = state.hash(name, series.labels());
        let number = state.next;
        state.next += 1;
        state.bytes += bytes_of(series.labels(), kind);
        state.order.push_back((hash, number, now.as_millis() + self.grace_ms));
        let rested = Rested { number, name: name.clone(), kind: kind.clone(), series: Arc::clone(series) };
        let hasher = &state.hasher;
        state.by_identity.insert_unique(hash, rested, |known| hash_of(hasher, &known.name, known.series.labels()));
    }

    /// Gives a series back that rested, if it is still of this kind.
    pub(super) fn take(&self, name: &FamilyName, kind: &FamilyKind, labels: &str) -> Option<Arc<Series>> {
        if self.grace_ms == 0 {
            return None;
        }
        let state = &mut *lock(&self.state);
        let hash = state.hash(name, labels);
        let wanted = identity(labels);
        let is_it = |known: &Rested| known.name == *name && identity(known.series.labels()) == wanted;
        let (rested, _) = state.by_identity.find_entry(hash, is_it).ok()?.remove();
        state.bytes -= bytes_of(rested.series.labels(), &rested.kind);
        (rested.kind == *kind).then_some(rested.series)
    }

    /// Forgets those whose time is over.
    pub(super) fn expire(&self, now: Timestamp) {
        let state = &mut *lock(&self.state);
        while state.order.front().is_some_and(|(.., end)| *end <= now.as_millis()) {
            state.forget_oldest();
        }
    }

    /// How many rest.
    pub(super) fn len(&self) -> usize {
        lock(&self.state).by_identity.len()
    }
}

impl State {
    fn hash(&self, name: &FamilyName, labels: &str) -> u64 {
        hash_of(&self.hasher, name, labels)
    }

    fn forget_oldest(&mut self) {
        let Some((hash, number, _)) = self.order.pop_front() else {
            // Nothing is left that could be forgotten.
            self.bytes = 0;
            return self.by_identity.clear();
        };
        if let Ok(entry) = self.by_identity.find_entry(hash, |known| known.number == number) {
            let (rested, _) = entry.remove();
            self.bytes -= bytes_of(rested.series.labels(), &rested.kind);
        }
    }
}

fn hash_of(hasher: &RandomState, name: &FamilyName, labels: &str) -> u64 {
    hasher.hash_one((name.as_str(), identity(labels)))
}
