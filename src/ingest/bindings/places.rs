//! The bindings themselves, by number, in chunks: no binding moves when more come, and an empty chunk gives its memory back.
//!
//! Knows neither hashes nor the bytes of keys.

use crate::ingest::protocol::Kind;

/// Bindings of one chunk: 64 KiB.
pub(super) const CHUNK: usize = 1 << 10;

/// Not larger than a cache line, so that a look-up misses memory once for it.
#[repr(align(64))]
pub(crate) struct Place<T> {
    /// `None` if the place is free.
    pub(super) target: Option<T>,
    /// The upper half of the hash, enough to find the slot. In a free place: the next free one of its chunk, plus one.
    pub(super) hash: u32,
    pub(super) key_at: u32,
    pub(super) name_len: u16,
    pub(super) tags_len: u16,
    pub(super) kind: Kind,
}

impl<T> Place<T> {
    /// A free place, and the next free one of its chunk plus one.
    fn free(next: u32) -> Self {
        Self { target: None, hash: next, key_at: 0, name_len: 0, tags_len: 0, kind: Kind::Counter }
    }

    /// Bytes of the key.
    pub(super) fn key_len(&self) -> usize {
        usize::from(self.name_len) + usize::from(self.tags_len)
    }
}

pub(super) struct Places<T> {
    chunks: Vec<Chunk<T>>,
    /// No chunk before this one has room.
    room_from: usize,
    len: usize,
    /// Chunks that have memory.
    taken: usize,
}

struct Chunk<T> {
    /// `None` while nothing of the chunk is in use. An array, so that a number within a chunk needs no check of its bounds.
    places: Option<Box<[Place<T>; CHUNK]>>,
    /// Places that were ever in use: the first ones.
    opened: usize,
    /// The first free place among them plus one; 0 for none.
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

    /// Places in use.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// One more than the highest number that may be in use.
    pub(super) fn end(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.opened)
    }

    /// A place of a chunk in use, free or not.
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

    /// Whether the chunk of this number holds nothing, so that it may be passed over.
    pub(super) fn is_chunk_empty(&self, number: usize) -> bool {
        self.chunks.get(number / CHUNK).is_none_or(|chunk| chunk.used == 0)
    }

    /// The number that the next insertion will give: the lowest chunk with room comes first, so that high ones fall empty.
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

    /// Puts a binding where [`next_number`](Self::next_number) said.
    pub(super) fn insert(&mut self, number: u32, place: Place<T>) {
        let at = number as usize / CHUNK;
        if at == self.chunks.len() {
            self.chunks.push(Chunk::EMPTY);
        }
        let Some(chunk) = self.chunks.get_mut(at) else { return };
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

    /// Frees a place, and the chunk with the last of it. `None` if it is free already.
    pub(super) fn remove(&mut self, number: u32) -> Option<Place<T>> {
        let at = number as usize / CHUNK;
        let chunk = self.chunks.get_mut(at)?;
        let place = &mut chunk.places.as_mut()?[number as usize % CHUNK];
        place.target.as_ref()?;
        let gone = std::mem::replace(place, Place::free(chunk.free));
        chunk.free = number % CHUNK as u32 + 1;
        chunk.used -= 1;
        // The first chunk stays: a small table would otherwise allocate again and again.
        if chunk.used == 0 && at > 0 {
            *chunk = Chunk::EMPTY;
            self.taken -= 1;
        }
        self.len -= 1;
        self.room_from = self.room_from.min(at);
        while self.chunks.len() > 1 && self.chunks.last().is_some_and(|chunk| chunk.used == 0) {
            self.chunks.pop();
        }
        Some(gone)
    }

    /// Drops the last place, for a table that is taken apart; false if there is none.
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

    /// Places that take memory.
    pub(super) fn capacity(&self) -> usize {
        self.taken * CHUNK
    }

    /// Bytes that take memory.
    pub(super) fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<Place<T>>()
    }
}
