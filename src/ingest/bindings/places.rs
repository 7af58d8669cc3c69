//! The bindings by number, in chunks: bindings do not move when the table grows, and the memory of an empty chunk is freed.
//!
//! Knows neither hashes nor the bytes of keys.

use crate::ingest::protocol::Kind;

/// Bindings in a chunk, which has 64 KiB.
pub(super) const CHUNK: usize = 1 << 10;

/// The place of a binding. It fits a cache line, so that a look-up has one cache miss for it.
#[repr(align(64))]
pub(crate) struct Place<T> {
    /// `None` if the place is free.
    pub(super) target: Option<T>,
    /// The upper half of the hash, which is enough to find the slot. In a free place: the next free place of the chunk, plus one.
    pub(super) hash: u32,
    pub(super) key_at: u32,
    pub(super) name_len: u16,
    pub(super) tags_len: u16,
    pub(super) kind: Kind,
}

impl<T> Place<T> {
    /// A free place. `next` is the next free place of the chunk, plus one.
    fn free(next: u32) -> Self {
        Self { target: None, hash: next, key_at: 0, name_len: 0, tags_len: 0, kind: Kind::Counter }
    }

    /// Length of the key in bytes.
    pub(super) fn key_len(&self) -> usize {
        usize::from(self.name_len) + usize::from(self.tags_len)
    }
}

pub(super) struct Places<T> {
    chunks: Vec<Chunk<T>>,
    /// All chunks before this one are full.
    room_from: usize,
    len: usize,
    /// Chunks that have memory.
    taken: usize,
}

struct Chunk<T> {
    /// `None` while the chunk is empty. An array, so that a number modulo [`CHUNK`] needs no bounds check.
    places: Option<Box<[Place<T>; CHUNK]>>,
    /// Number of places that were ever in use: the first ones of the chunk.
    opened: usize,
    /// The first free place among these, plus one; 0 for none.
    free: u32,
    used: usize,
}

impl<T> Chunk<T> {
    const EMPTY: Self = Self { places: None, opened: 0, free: 0, used: 0 };
}

impl<T> Places<T> {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), room_from: 0, len: 0, taken: 0 }
    }

    /// Number of bindings.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// An upper bound of all numbers in use.
    pub(super) fn end(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.opened)
    }

    /// The place of this number, free or not; `None` if its chunk is empty.
    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> Option<&Place<T>> {
        let places = self.chunks.get(number as usize / CHUNK)?.places.as_ref()?;
        Some(&places[number as usize % CHUNK])
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Place<T>> {
        let places = self.chunks.get_mut(number as usize / CHUNK)?.places.as_mut()?;
        Some(&mut places[number as usize % CHUNK])
    }

    /// Whether the chunk of this number is empty.
    pub(super) fn is_chunk_empty(&self, number: usize) -> bool {
        self.chunks.get(number / CHUNK).is_none_or(|chunk| chunk.used == 0)
    }

    /// The number of the next binding. It is in the lowest chunk with room, so that the highest chunks become empty.
    pub(super) fn next_number(&mut self) -> u32 {
        while self.chunks.get(self.room_from).is_some_and(|chunk| chunk.used == CHUNK) {
            self.room_from += 1;
        }
        let at = self.chunks.get(self.room_from).map_or(0, |chunk| match chunk.free {
            0 => chunk.opened,
            free => free as usize - 1,
        });
        (self.room_from * CHUNK + at) as u32
    }

    /// Inserts a binding at the number that [`next_number`](Self::next_number) returned.
    pub(super) fn insert(&mut self, number: u32, place: Place<T>) {
        let at = number as usize / CHUNK;
        if at == self.chunks.len() {
            self.chunks.push(Chunk::EMPTY);
        }
        let Some(chunk) = self.chunks.get_mut(at) else {
            debug_assert!(false, "a number that `next_number` did not return");
            return;
        };
        self.taken += usize::from(chunk.places.is_none());
        let places = chunk.places.get_or_insert_with(|| Box::new(std::array::from_fn(|_| Place::free(0))));
        let free = &mut places[number as usize % CHUNK];
        if number as usize % CHUNK < chunk.opened {
            chunk.free = free.hash;
        } else {
            chunk.opened += 1;
        }
        *free = place;
        chunk.used += 1;
        self.len += 1;
    }

    /// Removes a binding, and the memory of its chunk with the last one. `None` if the place is free.
    pub(super) fn remove(&mut self, number: u32) -> Option<Place<T>> {
        let at = number as usize / CHUNK;
        let chunk = self.chunks.get_mut(at)?;
        let place = &mut chunk.places.as_mut()?[number as usize % CHUNK];
        place.target.as_ref()?;
        let removed = std::mem::replace(place, Place::free(chunk.free));
        chunk.free = number % CHUNK as u32 + 1;
        chunk.used -= 1;
        // The first chunk keeps its memory: otherwise a small table would allocate again and again.
        if chunk.used == 0 && at > 0 {
            *chunk = Chunk::EMPTY;
            self.taken -= 1;
        }
        self.len -= 1;
        self.room_from = self.room_from.min(at);
        while self.chunks.len() > 1 && self.chunks.last().is_some_and(|chunk| chunk.used == 0) {
            self.chunks.pop();
        }
        Some(removed)
    }

    /// Drops the last binding of a cleared table; false if there is none.
    pub(super) fn drop_last(&mut self) -> bool {
        while let Some(chunk) = self.chunks.last_mut() {
            if let (Some(places), Some(last)) = (&mut chunk.places, chunk.opened.checked_sub(1)) {
                places[last % CHUNK].target = None;
                chunk.opened = last;
                return true;
            }
            self.taken -= usize::from(chunk.places.is_some());
            self.chunks.pop();
        }
        false
    }

    /// Number of places that have memory.
    pub(super) fn capacity(&self) -> usize {
        self.taken * CHUNK
    }

    /// Memory of the chunks.
    pub(super) fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<Place<T>>()
    }
}
