//! bindings: a worker's own table from the raw bytes of an identity to where its samples go.
//!
//! Found without allocating, in three steps that can be prefetched for a whole batch: slot, binding, key. The key is always compared
//! in full, so that no sender can make two identities one. What the bindings lead to is not known here: a target is any value.
//!
//! No call takes long, however large the table is: it grows, shrinks, is swept and is forgotten in steps, and at its limit one
//! binding goes for each that comes. Each insertion takes a few of these steps, the others [`Bindings::keep_up`] between two batches.

mod key_bytes;
mod places;
mod slots;
#[cfg(test)]
mod tests;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

use self::key_bytes::KeyBytes;
use self::places::{CHUNK, Place, Places};
use self::slots::Slots;
use crate::ingest::protocol::Sample;
use crate::prefetch::prefetch;

/// Bytes of keys that a worker keeps for each binding that it may keep.
const KEY_BYTES: usize = 192;

/// What a table may have whatever memory there is: a chunk of bindings, the slots for it, and some keys.
const FREE_BYTES: usize = 160 << 10;

/// Steps that an insertion takes to keep keys in order. Two would do: a third of the keys' memory is garbage when it begins.
const STEPS_WITH_INSERTION: usize = 8;

/// What taking out a binding costs beside looking at it, in steps: slot, key and target are elsewhere in memory.
const STEPS_OF_REMOVAL: usize = 8;

/// Places that are asked for a binding to give up, one insertion at the limit.
const EVICTION_STEPS: usize = 256;

/// Forgotten tables that may wait to be taken apart beside the newest one.
const MOST_FORGOTTEN: usize = 1;

/// Bindings whose targets are prefetched together when they are swept.
const SWEPT_TOGETHER: usize = 16;

pub(crate) struct Bindings<T> {
    slots: Slots,
    places: Places<T>,
    keys: KeyBytes,
    /// What was forgotten and is still to be dropped.
    forgotten: Vec<(Places<T>, KeyBytes)>,
    secrets: RapidSecrets,
    max_bindings: usize,
    /// Where the sweep goes on, and how many numbers it has still to look at.
    sweep_at: usize,
    sweep_left: usize,
    /// Where the next binding to give up is looked for: after the last one, so that old ones go first.
    evict_at: usize,
}

/// The number of a binding. Once the binding went, it may be another's; only the key tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BindingId(u32);

impl<T> Bindings<T> {
    pub(crate) fn new(max_bindings: usize) -> Self {
        Self {
            slots: Slots::new(),
            places: Places::new(),
            keys: KeyBytes::new(),
            forgotten: Vec::new(),
            secrets: RapidSecrets::random(),
            max_bindings: max_bindings.min(slots::MOST),
            sweep_at: 0,
            sweep_left: 0,
            evict_at: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that it takes beside the targets' own, and beside what every table may have.
    pub(crate) fn bytes(&self) -> usize {
        let forgotten = self.forgotten.iter().map(|(places, keys)| places.heap_bytes() + keys.written()).sum::<usize>();
        (self.slots.heap_bytes() + self.places.heap_bytes() + self.keys.written() + forgotten).saturating_sub(FREE_BYTES)
    }

    /// The hash of a sample's identity. Random per table, so that a sender cannot aim at a slot.
    #[inline(always)]
    pub(crate) fn hash(&self, sample: &Sample<'_>) -> u64 {
        let name = rapidhash_v3_nano_inline::<false, false>(sample.name, &self.secrets);
        let tags = rapidhash_v3_nano_inline::<false, false>(sample.tags, &self.secrets);
        // One mixing step for both, instead of one for each and something to put them together.
        let [.., name_key, tags_key] = self.secrets.secrets;
        let kind = (sample.kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let wide = u128::from(name ^ name_key) * u128::from(tags ^ tags_key ^ kind);
        wide as u64 ^ (wide >> 64) as u64
    }

    /// First step of a look-up: asks the memory for the slot.
    #[inline(always)]
    pub(crate) fn prefetch_slot(&self, hash: u64) {
        prefetch(self.slots.address(hash));
    }

    /// Second step: the first place whose hash fits, most likely the one. Asks the memory for it.
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: u64) -> Option<&Place<T>> {
        let place = self.places.get(self.slots.candidate(hash)?)?;
        prefetch(place);
        Some(place)
    }

    /// Third step: asks the memory for the candidate's key, and says where its target is.
    #[inline(always)]
    pub(crate) fn prefetch_key<'r>(&self, place: &'r Place<T>) -> Option<&'r T> {
        let key = self.keys.address(place.key_at);
        prefetch(key);
        // A key rarely fits what is left of its first cache line.
        prefetch(key.wrapping_add(place.key_len()));
        place.target.as_ref()
    }

    /// Last step: the candidate's target, if its key is the sample's.
    #[inline(always)]
    pub(crate) fn target<'r>(&self, place: &'r Place<T>, sample: &Sample<'_>) -> Option<&'r T> {
        let (name_len, tags_len) = (sample.name.len(), sample.tags.len());
        if usize::from(place.name_len) != name_len || usize::from(place.tags_len) != tags_len || place.kind != sample.kind {
            return None;
        }
        let (name, tags) = self.keys.get(place.key_at)?.get(..name_len + tags_len)?.split_at_checked(name_len)?;
        if is_same(name, sample.name) && is_same(tags, sample.tags) { place.target.as_ref() } else { None }
    }

    /// The target of a binding, if its key is the sample's.
    pub(crate) fn get(&self, id: BindingId, sample: &Sample<'_>) -> Option<&T> {
        self.target(self.places.get(id.0)?, sample)
    }

    /// A whole look-up, for what the steps did not find.
    pub(crate) fn find(&self, hash: u64, sample: &Sample<'_>) -> Option<BindingId> {
        self.slots.find(hash, |number| self.get(BindingId(number), sample).is_some()).map(BindingId)
    }

    /// Adds a binding for an identity that has none.
    ///
    /// # Errors
    ///
    /// The target comes back if the key is too long to be kept, or the table is full: see [`evict`](Self::evict).
    pub(crate) fn insert(&mut self, hash: u64, sample: &Sample<'_>, target: T) -> Result<(), T> {
        self.drop_forgotten(&mut { STEPS_WITH_INSERTION });
        self.keys.compact(&mut self.places, &mut { STEPS_WITH_INSERTION });
        let key_len = sample.name.len() + sample.tags.len();
        let (Ok(name_len), Ok(tags_len)) = (u16::try_from(sample.name.len()), u16::try_from(sample.tags.len())) else {
            return Err(target);
        };
        if key_len > key_bytes::LONGEST || self.is_full() {
            return Err(target);
        }
        let number = self.places.next_number();
        let Some(key_at) = self.keys.insert(number, [sample.name, sample.tags]) else { return Err(target) };
        let place = Place { target: Some(target), hash: (hash >> 32) as u32, key_at, name_len, tags_len, kind: sample.kind };
        self.places.insert(number, place);
        self.slots.insert(hash, number);
        Ok(())
    }

    /// Takes a binding out.
    pub(crate) fn remove(&mut self, id: BindingId) -> Option<T> {
        let place = self.places.remove(id.0)?;
        self.slots.remove(u64::from(place.hash) << 32, id.0);
        self.keys.remove(place.key_at, place.key_len());
        place.target
    }

    /// Whether nothing can be inserted before something is taken out.
    pub(crate) fn is_full(&self) -> bool {
        self.places.len() >= self.max_bindings || self.keys.used() >= self.max_bindings.saturating_mul(KEY_BYTES)
    }

    /// Takes out one binding, about the oldest. `None` if none was met nearby.
    pub(crate) fn evict(&mut self) -> Option<T> {
        for _ in 0..EVICTION_STEPS {
            let number = next_number(&mut self.evict_at, &self.places);
            if let Some(target) = self.remove(BindingId(number)) {
                return Some(target);
            }
        }
        None
    }

    /// Has [`keep_up`](Self::keep_up) look at every binding once from now.
    pub(crate) fn sweep(&mut self) {
        self.sweep_left = self.places.end();
    }

    /// Whether [`keep_up`](Self::keep_up) has something to do.
    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.sweep_left > 0 || self.slots.is_unsettled() || self.keys.is_unsettled() || !self.forgotten.is_empty()
    }

    /// Does about `budget` steps of what is to be done: bindings that are `gone` are taken out and returned one by one, and memory
    /// is given back. `look_ahead` is told what `gone` will be asked soon. Returns the steps that it took, which may be a few
    /// more.
    pub(crate) fn keep_up(&mut self, budget: usize, look_ahead: impl Fn(&T), mut gone: impl FnMut(&T) -> bool) -> usize {
        let mut left = budget;
        let mut over = 0;
        self.slots.shrink();
        self.slots.advance(&mut left);
        self.drop_forgotten(&mut left);
        self.keys.compact(&mut self.places, &mut left);
        while self.sweep_left > 0 && left > 0 {
            let mut group = [0; SWEPT_TOGETHER];
            let size = SWEPT_TOGETHER.min(self.sweep_left).min(left);
            for number in group.iter_mut().take(size) {
                *number = next_number(&mut self.sweep_at, &self.places);
                self.places.get(*number).and_then(|place| place.target.as_ref()).into_iter().for_each(&look_ahead);
            }
            let mut steps = size;
            for number in group.into_iter().take(size) {
                if self.places.get(number).and_then(|place| place.target.as_ref()).is_some_and(&mut gone) {
                    self.remove(BindingId(number));
                    steps += STEPS_OF_REMOVAL;
                }
            }
            over += steps.saturating_sub(left);
            left = left.saturating_sub(steps);
            self.sweep_left = self.sweep_left.saturating_sub(size).min(self.places.end());
        }
        budget - left + over
    }

    fn drop_forgotten(&mut self, budget: &mut usize) {
        while *budget > 0 {
            let Some((places, keys)) = self.forgotten.last_mut() else { return };
            *budget = budget.saturating_sub(STEPS_OF_REMOVAL);
            if !places.drop_last() && !keys.drop_last() {
                self.forgotten.pop();
            }
        }
    }

    /// Forgets all bindings. Their memory is given back in steps.
    pub(crate) fn clear(&mut self) {
        let empty = Self { secrets: self.secrets, ..Self::new(self.max_bindings) };
        let old = std::mem::replace(self, empty);
        // Tables that are forgotten faster than they can be taken apart must not pile up.
        self.forgotten = old.forgotten.into_iter().take(MOST_FORGOTTEN).collect();
        self.forgotten.push((old.places, old.keys));
    }
}

/// Whether two short texts of the same length are equal: in place, as a call would cost more than the comparison.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    /// Their first and last `N` bytes, which may overlap.
    #[inline(always)]
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
    }
    match a.len() {
        32.. => {
            let (parts, _) = a.as_chunks::<16>();
            parts.iter().zip(b.as_chunks::<16>().0).all(|(a, b)| a == b) && a.last_chunk::<16>() == b.last_chunk()
        }
        16.. => ends::<16>(a, b),
        8.. => ends::<8>(a, b),
        4.. => ends::<4>(a, b),
        _ => a == b,
    }
}

/// The number at the hand, which goes on by one, or over a chunk that is empty.
fn next_number<T>(hand: &mut usize, places: &Places<T>) -> u32 {
    if *hand >= places.end() {
        *hand = 0;
    }
    let number = *hand;
    // A chunk may have fallen empty when the hand was in the midst of it.
    *hand = if places.is_chunk_empty(number) { (number / CHUNK + 1) * CHUNK } else { number + 1 };
    number as u32
}
