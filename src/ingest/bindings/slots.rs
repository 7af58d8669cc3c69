//! The slots: a hash table with open addressing, from a hash to the number of a binding. Grows and shrinks a few slots at a time.
//!
//! A slot contains the upper bits of the hash, which determine its position. So slots move to a table of another size without hashing a
//! key again. During a move there are two tables, and a look-up searches the new one first. Knows no keys.

/// Bits of a slot that contain a binding's number plus one; the others contain the upper bits of the hash. 0 is an empty slot.
const NUMBER_BITS: u32 = 26;

/// Maximum number of bindings that have numbers.
pub(super) const MAX_NUMBERS: usize = (1 << NUMBER_BITS) - 2;

/// Slots of an empty table.
const FIRST: usize = 1 << 10;

/// Slots that an insertion moves. Growth begins when half of the slots are in use, and again after as many insertions, so two slots
/// would be enough.
pub(super) const MOVED_WITH_INSERTION: usize = 16;

pub(super) struct Slots {
    table: Table,
    /// The previous table, while its slots move.
    old: Option<Moving>,
    /// Slots checked during moves.
    #[cfg(test)]
    moved: usize,
}

/// A table with a power of two of slots, of which at most half are in use.
struct Table {
    slots: Vec<u64>,
    /// A hash shifted right by this is the index of its first slot.
    shift: u32,
    used: usize,
}

/// A table whose slots move, cluster by cluster. A cluster is a run of slots in use between two empty ones. A search ends at an empty
/// slot, so moving a whole cluster does not affect searches for others.
struct Moving {
    table: Table,
    next: usize,
    left: usize,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(FIRST),
            old: None,
            #[cfg(test)]
            moved: 0,
        }
    }

    /// The address of the first slot of a hash, for a prefetch.
    #[inline(always)]
    pub(super) fn address(&self, hash: u64) -> *const u64 {
        self.table.slots.as_ptr().wrapping_add(self.table.first(hash))
    }

    /// The first number with a matching hash, most likely the right one.
    #[inline(always)]
    pub(super) fn candidate(&self, hash: u64) -> Option<u32> {
        let found = self.table.find(hash, |_| true);
        if found.is_none() && self.old.is_some() { self.find_old(hash, |_| true) } else { found }
    }

    /// The number with a matching hash for which `is` returns true.
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.table.find(hash, &is).or_else(|| self.find_old(hash, is))
    }

    #[cold]
    fn find_old(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.old.as_ref()?.table.find(hash, is)
    }

    /// Adds a new number, of at most [`MAX_NUMBERS`].
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        self.advance(&mut { MOVED_WITH_INSERTION });
        let used = self.table.used + self.old.as_ref().map_or(0, |old| old.table.used);
        if (used + 1) * 2 > self.table.slots.len() {
            self.resize(self.table.slots.len() * 2);
        }
        self.table.place(hash >> NUMBER_BITS << NUMBER_BITS | u64::from(number + 1));
    }

    /// Removes a number. Uses the upper half of the hash only.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let is_removed = self.table.remove(hash, number) || self.old.as_mut().is_some_and(|old| old.table.remove(hash, number));
        debug_assert!(is_removed, "a number that was never inserted");
    }

    /// Whether [`advance`](Self::advance) has work to do.
    #[inline]
    pub(super) fn needs_upkeep(&self) -> bool {
        self.old.is_some() || self.is_sparse()
    }

    fn is_sparse(&self) -> bool {
        self.table.slots.len() > FIRST && self.table.used * 8 < self.table.slots.len()
    }

    /// Begins to move to a smaller table if few slots are in use.
    pub(super) fn shrink(&mut self) {
        if self.old.is_none() && self.is_sparse() {
            self.resize(self.table.slots.len() / 2);
        }
    }

    /// Moves clusters of the old table until the budget is spent, and the last cluster to its end.
    pub(super) fn advance(&mut self, budget: &mut usize) {
        let Some(old) = &mut self.old else { return };
        let mut in_cluster = false;
        while old.left > 0 && (*budget > 0 || in_cluster) {
            debug_assert!(old.next < old.table.slots.len(), "an index within the mask");
            let slot = old.table.slots.get_mut(old.next).map_or(0, std::mem::take);
            in_cluster = slot != 0;
            if in_cluster {
                old.table.used -= 1;
                self.table.place(slot);
            }
            old.next = (old.next + 1) & old.table.mask();
            old.left -= 1;
            *budget = budget.saturating_sub(1);
            #[cfg(test)]
            {
                self.moved += 1;
            }
        }
        if old.left == 0 {
            self.old = None;
        }
    }

    /// Begins to move to a table of `len` slots. Completes an earlier move first; insertions have usually done so.
    #[cold]
    fn resize(&mut self, len: usize) {
        self.advance(&mut { usize::MAX });
        let table = std::mem::replace(&mut self.table, Table::new(len));
        let empty = table.slots.iter().position(|slot| *slot == 0);
        debug_assert!(empty.is_some(), "half of the slots are empty");
        let next = empty.map_or(0, |empty| (empty + 1) & table.mask());
        self.old = Some(Moving { left: table.slots.len(), table, next });
    }

    #[cfg(test)]
    pub(super) fn moved(&self) -> usize {
        self.moved
    }

    /// Memory of both tables.
    pub(super) fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<u64>()
    }

    /// Number of slots of both tables.
    pub(super) fn capacity(&self) -> usize {
        self.table.slots.len() + self.old.as_ref().map_or(0, |old| old.table.slots.len())
    }
}

impl Table {
    fn new(len: usize) -> Self {
        Self { slots: vec![0; len], shift: u64::BITS - len.trailing_zeros(), used: 0 }
    }

    #[inline(always)]
    fn first(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    #[inline(always)]
    fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    #[inline(always)]
    fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.first(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            let number = number_in(slot);
            if (slot ^ hash) >> NUMBER_BITS == 0 && is(number) {
                return Some(number);
            }
            at = (at + 1) & self.mask();
        }
    }

    fn place(&mut self, slot: u64) {
        let mut at = self.first(slot);
        let mask = self.mask();
        while let Some(place) = self.slots.get_mut(at) {
            if *place == 0 {
                *place = slot;
                self.used += 1;
                return;
            }
            at = (at + 1) & mask;
        }
        debug_assert!(false, "an index within the mask");
    }

    /// Empties the slot of a number, and moves the slots behind it that a search would not find otherwise.
    fn remove(&mut self, hash: u64, number: u32) -> bool {
        let mask = self.mask();
        let mut gap = self.first(hash);
        loop {
            match self.slots.get(gap) {
                None | Some(0) => return false,
                Some(slot) if number_in(*slot) == number => break,
                Some(_) => gap = (gap + 1) & mask,
            }
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            debug_assert!(at < self.slots.len(), "an index within the mask");
            let slot = self.slots.get(at).copied().unwrap_or(0);
            if slot == 0 {
                break;
            }
            // A slot can move to the gap unless that is before its first slot.
            let (from_first, from_gap) = (at.wrapping_sub(self.first(slot)) & mask, at.wrapping_sub(gap) & mask);
            if from_first >= from_gap {
                self.put(gap, slot);
                gap = at;
            }
        }
        self.put(gap, 0);
        self.used -= 1;
        true
    }

    fn put(&mut self, at: usize, slot: u64) {
        debug_assert!(at < self.slots.len(), "an index within the mask");
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }
}

#[inline(always)]
fn number_in(slot: u64) -> u32 {
    (slot as u32 & ((1 << NUMBER_BITS) - 1)).wrapping_sub(1)
}
