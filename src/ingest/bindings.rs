//! bindings: a worker's table from the raw bytes of an identity to the target of its samples.
//!
//! A look-up does not allocate and has three steps that can be prefetched for a whole batch: slot, place, key. It always compares the
//! whole key, so that a sender cannot make two identities collide. A key may end with bytes that are not of the line (`origin`). A target
//! is a value of any type.
//!
//! No call takes long, however large the table is: it grows, shrinks and drops bindings in small steps, and at its limit each new
//! binding replaces one. An insertion does a few steps, [`Bindings::maintain`] does the others between two batches.

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

/// Limit on the bytes of keys, for each binding of the limit on bindings.
const KEY_BYTES: usize = 192;

/// Memory that is not counted, so that every worker can have a small table: a chunk of bindings, the slots for it, and some keys.
const FREE_BYTES: usize = 160 << 10;

/// Steps that an insertion does to compact keys. Compaction begins when a third of the keys' memory is garbage, so two steps would
/// be enough.
const STEPS_WITH_INSERTION: usize = 8;

/// Cost of a removal in steps, in addition to checking the binding: slot, key and target are elsewhere in memory.
const STEPS_OF_REMOVAL: usize = 8;

/// Places that an eviction checks to find a binding.
const EVICTION_STEPS: usize = 256;

/// Maximum number of cleared tables that still have memory, in addition to the newest one.
const MAX_CLEARED: usize = 1;

/// Bindings whose targets a sweep prefetches together.
const SWEPT_TOGETHER: usize = 16;

pub(crate) struct Bindings<T> {
    slots: Slots,
    places: Places<T>,
    keys: KeyBytes,
    /// Cleared tables whose memory must still be freed.
    cleared: Vec<Cleared<T>>,
    secrets: RapidSecrets,
    max_bindings: usize,
    /// The next number that the sweep checks.
    sweep_at: usize,
    /// Numbers that the sweep must still check.
    sweep_left: usize,
    /// The next number that an eviction checks. It follows the last evicted one, so that old bindings are evicted first.
    evict_at: usize,
}

/// The parts of a cleared table that take time to drop.
struct Cleared<T> {
    places: Places<T>,
    keys: KeyBytes,
}

/// The number of a binding. After a removal another binding may have it, so look-ups compare the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BindingId(u32);

impl<T> Bindings<T> {
    pub(crate) fn new(max_bindings: usize) -> Self {
        Self {
            slots: Slots::new(),
            places: Places::new(),
            keys: KeyBytes::new(),
            cleared: Vec::new(),
            secrets: RapidSecrets::random(),
            max_bindings: max_bindings.min(slots::MAX_NUMBERS),
            sweep_at: 0,
            sweep_left: 0,
            evict_at: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The memory of the table, without the targets and without the memory that every table may have.
    pub(crate) fn bytes(&self) -> usize {
        let cleared = self.cleared.iter().map(|cleared| cleared.places.heap_bytes() + cleared.keys.written()).sum::<usize>();
        (self.slots.heap_bytes() + self.places.heap_bytes() + self.keys.written() + cleared).saturating_sub(FREE_BYTES)
    }

    /// The hash of a sample's identity. The secrets are random per table, so that a sender cannot aim at a slot.
    #[inline(always)]
    pub(crate) fn hash(&self, sample: &Sample<'_>) -> u64 {
        let name = rapidhash_v3_nano_inline::<false, false>(sample.name, &self.secrets);
        let tags = rapidhash_v3_nano_inline::<false, false>(sample.tags, &self.secrets);
        // One mixing step for both hashes costs less than one for each and another that combines them.
        let [.., name_key, tags_key] = self.secrets.secrets;
        let kind = (sample.kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let wide = u128::from(name ^ name_key) * u128::from(tags ^ tags_key ^ kind);
        wide as u64 ^ (wide >> 64) as u64
    }

    /// The hash of what follows the identity in a key; 0 for nothing. Both are combined with `^`.
    #[inline]
    pub(crate) fn hash_of_origin(&self, origin: &[u8]) -> u64 {
        if origin.is_empty() { 0 } else { rapidhash_v3_nano_inline::<false, false>(origin, &self.secrets) }
    }

    /// First step of a look-up: prefetches the slot.
    #[inline(always)]
    pub(crate) fn prefetch_slot(&self, hash: u64) {
        prefetch(self.slots.address(hash));
    }

    /// Second step: the first place with a matching hash, most likely the right one. Prefetches it.
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: u64) -> Option<&Place<T>> {
        let place = self.places.get(self.slots.candidate(hash)?)?;
        prefetch(place);
        Some(place)
    }

    /// Third step: prefetches the candidate's key, and returns its target to be prefetched.
    #[inline(always)]
    pub(crate) fn prefetch_key<'r>(&self, place: &'r Place<T>) -> Option<&'r T> {
        let key = self.keys.address(place.key_at);
        prefetch(key);
        // A key rarely ends in the cache line that it begins in.
        prefetch(key.wrapping_add(place.key_len()));
        place.target.as_ref()
    }

    /// Last step: the candidate's target, if the key is that of the sample.
    #[inline(always)]
    pub(crate) fn target<'r>(&self, place: &'r Place<T>, sample: &Sample<'_>) -> Option<&'r T> {
        let (name_len, tags_len) = (sample.name.len(), sample.tags.len());
        if usize::from(place.name_len) != name_len || usize::from(place.tags_len) != tags_len || place.kind != sample.kind {
            return None;
        }
        let (name, tags) = self.keys.get(place.key_at)?.get(..name_len + tags_len)?.split_at_checked(name_len)?;
        if is_same(name, sample.name) && is_same(tags, sample.tags) { place.target.as_ref() } else { None }
    }

    /// As [`target`](Self::target), for a key that ends with `origin`.
    #[inline]
    pub(crate) fn target_of<'r>(&self, place: &'r Place<T>, sample: &Sample<'_>, origin: &[u8]) -> Option<&'r T> {
        let (name_len, tags_len) = (sample.name.len(), sample.tags.len());
        let is_as_long = usize::from(place.name_len) == name_len && usize::from(place.tags_len) == tags_len + origin.len();
        if !is_as_long || place.kind != sample.kind {
            return None;
        }
        let (name, rest) = self.keys.get(place.key_at)?.get(..place.key_len())?.split_at_checked(name_len)?;
        let (tags, end) = rest.split_at_checked(tags_len)?;
        if is_same(name, sample.name) && is_same(tags, sample.tags) && end == origin { place.target.as_ref() } else { None }
    }

    /// The target of a binding, if the key is that of the sample and ends with `origin`.
    pub(crate) fn get(&self, id: BindingId, sample: &Sample<'_>, origin: &[u8]) -> Option<&T> {
        self.target_of(self.places.get(id.0)?, sample, origin)
    }

    /// A complete look-up, for samples that the three steps did not find.
    pub(crate) fn find(&self, hash: u64, sample: &Sample<'_>, origin: &[u8]) -> Option<BindingId> {
        self.slots.find(hash, |number| self.get(BindingId(number), sample, origin).is_some()).map(BindingId)
    }

    /// Adds a binding for an identity that has none.
    ///
    /// # Errors
    ///
    /// Returns the target if the key is too long, or if the table is full: see [`evict`](Self::evict).
    pub(crate) fn insert(&mut self, hash: u64, sample: &Sample<'_>, origin: &[u8], target: T) -> Result<(), T> {
        self.drop_cleared(&mut { STEPS_WITH_INSERTION });
        self.keys.compact(&mut self.places, &mut { STEPS_WITH_INSERTION });
        let key_len = sample.name.len() + sample.tags.len() + origin.len();
        let (Ok(name_len), Ok(tags_len)) = (u16::try_from(sample.name.len()), u16::try_from(sample.tags.len() + origin.len())) else {
            return Err(target);
        };
        if key_len > key_bytes::LONGEST || self.is_full() {
            return Err(target);
        }
        let number = self.places.next_number();
        let Some(key_at) = self.keys.insert(number, &[sample.name, sample.tags, origin]) else { return Err(target) };
        let place = Place { target: Some(target), hash: (hash >> 32) as u32, key_at, name_len, tags_len, kind: sample.kind };
        self.places.insert(number, place);
        self.slots.insert(hash, number);
        Ok(())
    }

    /// Removes a binding.
    pub(crate) fn remove(&mut self, id: BindingId) -> Option<T> {
        let place = self.places.remove(id.0)?;
        self.slots.remove(u64::from(place.hash) << 32, id.0);
        self.keys.remove(place.key_at, place.key_len());
        place.target
    }

    /// Whether the table has no room for another binding.
    pub(crate) fn is_full(&self) -> bool {
        self.places.len() >= self.max_bindings || self.keys.used() >= self.max_bindings.saturating_mul(KEY_BYTES)
    }

    /// Removes one of the oldest bindings. `None` if none was found in a few steps.
    pub(crate) fn evict(&mut self) -> Option<T> {
        for _ in 0..EVICTION_STEPS {
            let number = next_number(&mut self.evict_at, &self.places);
            if let Some(target) = self.remove(BindingId(number)) {
                return Some(target);
            }
        }
        None
    }

    /// Makes [`maintain`](Self::maintain) check every binding once.
    pub(crate) fn sweep(&mut self) {
        self.sweep_left = self.places.end();
    }

    /// Whether [`maintain`](Self::maintain) has work to do.
    #[inline]
    pub(crate) fn needs_upkeep(&self) -> bool {
        self.sweep_left > 0 || self.slots.needs_upkeep() || self.keys.needs_upkeep() || !self.cleared.is_empty()
    }

    /// Does about `budget` steps of upkeep: removes bindings for which `gone` returns true, and gives memory back. Calls `look_ahead` with
    /// targets that it passes to `gone` shortly after. Returns the number of steps, which may be slightly more than `budget`.
    pub(crate) fn maintain(&mut self, budget: usize, look_ahead: impl Fn(&T), mut gone: impl FnMut(&T) -> bool) -> usize {
        let mut left = budget;
        let mut over = 0;
        self.slots.shrink();
        self.slots.advance(&mut left);
        self.drop_cleared(&mut left);
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

    fn drop_cleared(&mut self, budget: &mut usize) {
        while *budget > 0 {
            let Some(Cleared { places, keys }) = self.cleared.last_mut() else { return };
            *budget = budget.saturating_sub(STEPS_OF_REMOVAL);
            if !places.drop_last() && !keys.drop_last() {
                self.cleared.pop();
            }
        }
    }

    /// Removes all bindings. Their memory is freed in steps.
    pub(crate) fn clear(&mut self) {
        let empty = Self { secrets: self.secrets, ..Self::new(self.max_bindings) };
        let old = std::mem::replace(self, empty);
        // Tables may be cleared faster than they are dropped in steps. Then the older ones are dropped at once.
        self.cleared = old.cleared.into_iter().take(MAX_CLEARED).collect();
        self.cleared.push(Cleared { places: old.places, keys: old.keys });
    }
}

/// Whether two short texts of the same length are equal. Inline, because a call costs more than the comparison.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    /// Compares their first and last `N` bytes, which may overlap.
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

/// The number at the position, which advances by one, or to the end of an empty chunk.
fn next_number<T>(position: &mut usize, places: &Places<T>) -> u32 {
    if *position >= places.end() {
        *position = 0;
    }
    let number = *position;
    // The position may be inside a chunk that became empty.
    *position = if places.is_chunk_empty(number) { (number / CHUNK + 1) * CHUNK } else { number + 1 };
    number as u32
}
