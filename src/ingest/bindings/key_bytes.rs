//! The bytes of the keys, written one behind the other into segments. What keys that went leave behind is taken back a few keys
//! at a time: a segment with little left is copied to the end and given back.
//!
//! Knows no hashes and no targets.

use super::places::Places;

/// Bytes of a segment.
pub(super) const SEGMENT: usize = 1 << 18;

/// The longest key that is kept: four fill a segment to three quarters at least.
pub(super) const LONGEST: usize = SEGMENT / 4 - HEADER;

/// Keys begin at a multiple of this, so that 32 bits say where.
const UNIT: usize = 4;

/// What stands before a key: the number of its binding, or, with the highest bit set, the units of a key that went.
const HEADER: usize = UNIT;
const GONE: u32 = 1 << 31;

/// Units of a segment.
const UNITS: usize = SEGMENT / UNIT;

/// More segments could not be told apart by 32 bits.
const MOST_SEGMENTS: usize = 1 << 16;

pub(super) struct KeyBytes {
    segments: Vec<KeySegment>,
    /// The segment that is written to.
    head: usize,
    /// Segments without memory.
    spare: Vec<usize>,
    /// Bytes in use, headers included.
    used: usize,
    /// Bytes written in segments that have memory: what the system had to give.
    written: usize,
    /// The segment that is copied, or is asked next whether it is to be, and how many of its bytes are done.
    copying: (usize, usize),
    is_copying: bool,
}

#[derive(Default)]
struct KeySegment {
    bytes: Vec<u8>,
    used: usize,
}

impl KeyBytes {
    pub(super) fn new() -> Self {
        Self { segments: vec![KeySegment::default()], head: 0, spare: Vec::new(), used: 0, written: 0, copying: (0, 0), is_copying: false }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Bytes written that take memory.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Bytes that take memory, as far as they were ever written.
    pub(super) fn held(&self) -> usize {
        (self.segments.len() - self.spare.len()) * SEGMENT
    }

    /// What begins at `at`: the key, and more.
    #[inline(always)]
    pub(super) fn get(&self, at: u32) -> Option<&[u8]> {
        self.segments.get(at as usize / UNITS)?.bytes.get(at as usize % UNITS * UNIT..)
    }

    /// Where a key is, for a prefetch.
    #[inline(always)]
    pub(super) fn address(&self, at: u32) -> *const u8 {
        let segment = self.segments.get(at as usize / UNITS).map_or(std::ptr::null(), |segment| segment.bytes.as_ptr());
        segment.wrapping_add(at as usize % UNITS * UNIT)
    }

    /// Writes a key of at most [`LONGEST`] bytes. `None` if there are too many.
    pub(super) fn insert(&mut self, number: u32, parts: [&[u8]; 2]) -> Option<u32> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let size = size_of_key(len);
        if self.segments.get(self.head).is_none_or(|head| head.bytes.len() + size > SEGMENT) {
            self.next_head()?;
        }
        let head = self.segments.get_mut(self.head)?;
        if head.bytes.capacity() == 0 {
            head.bytes.reserve_exact(SEGMENT);
        }
        let at = head.bytes.len() + HEADER;
        head.bytes.extend_from_slice(&number.to_le_bytes());
        parts.iter().for_each(|part| head.bytes.extend_from_slice(part));
        head.bytes.resize(at - HEADER + size, 0);
        head.used += size;
        self.used += size;
        self.written += size;
        Some((self.head * UNITS + at / UNIT) as u32)
    }

    fn next_head(&mut self) -> Option<()> {
        self.head = match self.spare.pop() {
            Some(spare) => spare,
            None if self.segments.len() < MOST_SEGMENTS => {
                self.segments.push(KeySegment::default());
                self.segments.len() - 1
            }
            None => return None,
        };
        Some(())
    }

    /// Frees the key of `len` bytes at `at`.
    pub(super) fn remove(&mut self, at: u32, len: usize) {
        let (number, from, size) = (at as usize / UNITS, (at as usize % UNITS * UNIT).wrapping_sub(HEADER), size_of_key(len));
        let Some(segment) = self.segments.get_mut(number) else { return };
        let Some(header) = segment.bytes.get_mut(from..from.wrapping_add(HEADER)) else { return };
        header.copy_from_slice(&(GONE | (size / UNIT) as u32).to_le_bytes());
        segment.used -= size;
        self.used -= size;
        if segment.used > 0 {
            return;
        }
        self.written -= segment.bytes.len();
        if number == self.head {
            segment.bytes.clear();
        } else {
            segment.bytes = Vec::new();
            self.spare.push(number);
        }
        if self.copying.0 == number {
            (self.copying.1, self.is_copying) = (0, false);
        }
    }

    /// Whether [`compact`](Self::compact) has something to do: a third of the memory is for keys that went.
    #[inline]
    pub(super) fn is_unsettled(&self) -> bool {
        self.is_copying || self.held() > self.used + self.used / 2 + 2 * SEGMENT
    }

    /// Copies keys out of segments with little left. Each key looked at, and each segment, is one of the budget.
    pub(super) fn compact<T>(&mut self, places: &mut Places<T>, budget: &mut usize) {
        while *budget > 0 && self.is_unsettled() {
            *budget -= 1;
            if self.is_copying {
                self.copy_one(places);
                continue;
            }
            let next = if self.copying.0 + 1 < self.segments.len() { self.copying.0 + 1 } else { 0 };
            let is_wanted = |segment: &KeySegment| segment.used > 0 && segment.used < SEGMENT * 2 / 3;
            self.is_copying = next != self.head && self.segments.get(next).is_some_and(is_wanted);
            self.copying = (next, 0);
        }
    }

    fn copy_one<T>(&mut self, places: &mut Places<T>) {
        let (from, at) = self.copying;
        let bytes = self.segments.get(from).and_then(|segment| segment.bytes.get(at..)).unwrap_or_default();
        let Some((header, key)) = bytes.split_first_chunk::<HEADER>() else {
            self.is_copying = false;
            return;
        };
        let header = u32::from_le_bytes(*header);
        if header & GONE != 0 {
            self.copying.1 += (header & !GONE) as usize * UNIT;
            return;
        }
        let Some(place) = places.get_mut(header) else {
            self.is_copying = false;
            return;
        };
        let len = place.key_len();
        // The borrow of one segment ends before another is written to; keys are short.
        let key = key.get(..len).unwrap_or_default().to_vec();
        self.copying.1 += size_of_key(len);
        if let Some(new) = self.insert(header, [&key, &[]]) {
            place.key_at = new;
            self.remove((from * UNITS + (at + HEADER) / UNIT) as u32, len);
        }
    }

    /// Gives back one segment, for keys that are taken apart; false if there is none.
    pub(super) fn drop_last(&mut self) -> bool {
        let Some(gone) = self.segments.pop() else { return false };
        self.written = self.written.saturating_sub(gone.bytes.len());
        true
    }
}

fn size_of_key(len: usize) -> usize {
    (HEADER + len).next_multiple_of(UNIT)
}
