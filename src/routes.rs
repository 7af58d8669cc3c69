//! routes: a worker's own table from the raw bytes of an identity to where its samples go.
//!
//! Open addressing over 8-byte slots, found without allocating, in three steps that can be prefetched for a whole batch: slot,
//! route, key. The key is always compared in full, so that no sender can make two identities one. What the routes lead to is
//! not known here: a target is any value.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

use crate::protocol::{Kind, Sample};

/// Bytes of keys that a worker keeps for each route that it may keep.
const KEY_BYTES: usize = 192;

/// Slots of an empty table.
const FIRST_SLOTS: usize = 1 << 10;

pub(crate) struct Routes<T> {
    /// Upper half: the hash's upper half. Lower half: the route's number plus one, 0 for an empty slot.
    slots: Vec<u64>,
    routes: Vec<Route<T>>,
    keys: Vec<u8>,
    secrets: RapidSecrets,
    /// At more routes, or key bytes in proportion, the worker forgets all and finds them again, which no series notices.
    max_routes: usize,
}

/// Not larger than a cache line, so that a look-up misses memory once for it.
#[repr(align(64))]
struct Route<T> {
    key_at: u32,
    name_len: u16,
    tags_len: u16,
    kind: Kind,
    target: T,
}

/// The number of a route, valid until the table is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteId(u32);

impl<T> Routes<T> {
    pub(crate) fn new(max_routes: usize) -> Self {
        Self { slots: vec![0; FIRST_SLOTS], routes: Vec::new(), keys: Vec::new(), secrets: RapidSecrets::random(), max_routes }
    }

    pub(crate) fn len(&self) -> usize {
        self.routes.len()
    }

    /// The hash of a sample's identity. Random per table, so that a sender cannot aim at a slot.
    #[inline(always)]
    pub(crate) fn hash(&self, sample: &Sample<'_>) -> u64 {
        let name = rapidhash_v3_inline::<true, false, false>(sample.name, &self.secrets);
        let tags = rapidhash_v3_inline::<true, false, false>(sample.tags, &self.secrets);
        (name ^ (tags.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_add((sample.kind as u64).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    #[inline(always)]
    fn slot_of(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    /// First step of a look-up: asks the memory for the slot.
    #[inline(always)]
    pub(crate) fn prefetch_slot(&self, hash: u64) {
        prefetch(self.slots.as_ptr().wrapping_add(self.slot_of(hash)));
    }

    /// Second step: the first route whose hash fits, most likely the one. Asks the memory for it.
    #[inline(always)]
    pub(crate) fn candidate(&self, hash: u64) -> Option<RouteId> {
        let mut at = self.slot_of(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash >> 32 {
                let id = RouteId((slot as u32) - 1);
                prefetch(self.routes.as_ptr().wrapping_add(id.0 as usize));
                return Some(id);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Third step: asks the memory for the candidate's key, and says where its target is.
    #[inline(always)]
    pub(crate) fn prefetch_key(&self, id: RouteId) -> Option<&T> {
        let route = self.routes.get(id.0 as usize)?;
        prefetch(self.keys.as_ptr().wrapping_add(route.key_at as usize));
        Some(&route.target)
    }

    /// Last step: the candidate's target, if its key is the sample's.
    #[inline(always)]
    pub(crate) fn get(&self, id: RouteId, sample: &Sample<'_>) -> Option<&T> {
        let route = self.routes.get(id.0 as usize)?;
        let key = self.keys.get(route.key_at as usize..)?;
        let (name, tags) = key.split_at_checked(usize::from(route.name_len))?;
        let tags = tags.get(..usize::from(route.tags_len))?;
        (route.kind == sample.kind && name == sample.name && tags == sample.tags).then_some(&route.target)
    }

    /// A whole look-up, for what the steps did not find.
    #[cfg(test)]
    pub(crate) fn find(&self, hash: u64, sample: &Sample<'_>) -> Option<&T> {
        self.get(self.find_id(hash, sample)?, sample)
    }

    fn find_id(&self, hash: u64, sample: &Sample<'_>) -> Option<RouteId> {
        let mut at = self.slot_of(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            let id = RouteId((slot as u32).wrapping_sub(1));
            if slot >> 32 == hash >> 32 && self.get(id, sample).is_some() {
                return Some(id);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// As [`find`](Self::find), to be replaced.
    pub(crate) fn find_mut(&mut self, hash: u64, sample: &Sample<'_>) -> Option<&mut T> {
        let id = self.find_id(hash, sample)?;
        self.routes.get_mut(id.0 as usize).map(|route| &mut route.target)
    }

    /// Adds a route for an identity that has none. A key too long to be kept is not added; says whether it was.
    pub(crate) fn insert(&mut self, hash: u64, sample: &Sample<'_>, target: T) -> bool {
        let (Ok(name_len), Ok(tags_len)) = (u16::try_from(sample.name.len()), u16::try_from(sample.tags.len())) else { return false };
        let (Ok(key_at), Ok(number)) = (u32::try_from(self.keys.len()), u32::try_from(self.routes.len() + 1)) else { return false };
        if (self.routes.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.keys.extend_from_slice(sample.name);
        self.keys.extend_from_slice(sample.tags);
        self.routes.push(Route { key_at, name_len, tags_len, kind: sample.kind, target });
        self.place(hash >> 32 << 32 | u64::from(number), self.slot_of(hash));
        true
    }

    fn place(&mut self, entry: u64, first: usize) {
        let mask = self.slots.len() - 1;
        let mut at = first;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 {
                *slot = entry;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Twice the slots. The keys are hashed again, because a slot holds only half a hash.
    #[cold]
    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for number in 0..self.routes.len() {
            let Some(route) = self.routes.get(number) else { continue };
            let Some(key) = self.keys.get(route.key_at as usize..) else { continue };
            let Some((name, tags)) = key.split_at_checked(usize::from(route.name_len)) else { continue };
            let tags = tags.get(..usize::from(route.tags_len)).unwrap_or_default();
            let identity = Sample { name, tags, kind: route.kind, ..Sample::default() };
            let hash = self.hash(&identity);
            self.place(hash >> 32 << 32 | (number as u64 + 1), self.slot_of(hash));
        }
    }

    /// Whether the table is so full that it is to be cleared before the next insertion.
    pub(crate) fn is_full(&self) -> bool {
        self.routes.len() >= self.max_routes || self.keys.len() >= self.max_routes * KEY_BYTES
    }

    /// Keeps the routes whose target `keep` wants. Numbers of routes change.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let old = std::mem::replace(self, Self { secrets: self.secrets, ..Self::new(self.max_routes) });
        for route in old.routes.into_iter().filter(|route| keep(&route.target)) {
            let Some(key) = old.keys.get(route.key_at as usize..) else { continue };
            let Some((name, tags)) = key.split_at_checked(usize::from(route.name_len)) else { continue };
            let tags = tags.get(..usize::from(route.tags_len)).unwrap_or_default();
            let identity = Sample { name, tags, kind: route.kind, ..Sample::default() };
            self.insert(self.hash(&identity), &identity, route.target);
        }
    }

    /// Forgets all routes and gives their memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self { secrets: self.secrets, ..Self::new(self.max_routes) };
    }
}

/// Asks the memory for a cache line. The address may be anything.
#[inline(always)]
pub(crate) fn prefetch<P>(address: *const P) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing; an address that is not mapped is ignored by the processor.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn identity<'a>(name: &'a str, tags: &'a str, kind: Kind) -> Sample<'a> {
        Sample { name: name.as_bytes(), tags: tags.as_bytes(), kind, ..Sample::default() }
    }

    fn look_up(routes: &Routes<u32>, sample: &Sample<'_>) -> Option<u32> {
        let hash = routes.hash(sample);
        routes.prefetch_slot(hash);
        let quick = routes.candidate(hash).and_then(|id| {
            routes.prefetch_key(id);
            routes.get(id, sample).copied()
        });
        let whole = routes.find(hash, sample).copied();
        assert!(quick.is_none() || quick == whole);
        whole
    }

    #[test]
    fn name_tags_and_kind_are_the_identity() {
        let mut routes = Routes::new(1 << 20);
        let all = [
            identity("ab", "#k:v", Kind::Counter),
            identity("a", "b#k:v", Kind::Counter),
            identity("ab#k:v", "", Kind::Counter),
            identity("ab", "#k:v", Kind::Gauge),
            identity("ab", "", Kind::Counter),
        ];
        for (number, sample) in (0..).zip(&all) {
            assert_eq!(look_up(&routes, sample), None);
            routes.insert(routes.hash(sample), sample, number);
        }
        for (number, sample) in (0..).zip(&all) {
            assert_eq!(look_up(&routes, sample), Some(number));
        }
        routes.clear();
        assert_eq!((routes.len(), look_up(&routes, &all[0])), (0, None));
    }

    #[test]
    fn a_prefetch_of_any_address_is_harmless() {
        prefetch(std::ptr::null::<u8>());
        prefetch(std::ptr::without_provenance::<u8>(usize::MAX));
    }

    #[test]
    fn a_key_too_long_to_be_kept_is_just_not_kept() {
        let mut routes = Routes::new(1 << 20);
        let name = "n".repeat(70_000);
        let sample = identity(&name, "", Kind::Counter);
        routes.insert(routes.hash(&sample), &sample, 1);
        assert_eq!(look_up(&routes, &sample), None);
    }

    proptest! {
        #[test]
        fn it_is_a_map(keys in proptest::collection::vec(("[a-d]{1,3}", "[a-c]{0,3}"), 0..3000)) {
            let (mut routes, mut model) = (Routes::new(1 << 20), HashMap::new());
            for (number, (name, tags)) in (0..).zip(&keys) {
                let sample = identity(name, tags, Kind::Set);
                prop_assert_eq!(look_up(&routes, &sample), model.get(&(name, tags)).copied());
                model.entry((name, tags)).or_insert_with(|| {
                    routes.insert(routes.hash(&sample), &sample, number);
                    number
                });
            }
            prop_assert_eq!(routes.len(), model.len());
        }
    }
}
