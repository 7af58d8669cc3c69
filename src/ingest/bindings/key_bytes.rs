//! The bytes of the keys, appended to segments. Removed keys leave gaps. Compaction copies the keys of a segment with many gaps to
//! the last segment and frees its memory, a few keys at a time.
//!
//! Knows neither hashes nor targets.

use super::places::Places;

/// Bytes of a segment.
pub(super) const SEGMENT: usize = 1 << 18;

/// Maximum length of a key. A segment without room for one is filled to three quarters at least.
pub(super) const LONGEST: usize = SEGMENT / 4 - HEADER;

/// Keys begin at a multiple of this, so that 32 bits can address them.
const UNIT: usize = 4;

/// Bytes before a key: the number of its binding; for a removed key, [`REMOVED`] and its length in units.
const HEADER: usize = UNIT;

/// The bit of a header that marks a removed key.
const REMOVED: u32 = 1 << 31;

/// Units of a segment.
const UNITS: usize = SEGMENT / UNIT;

/// Maximum number of segments that 32 bits can address.
const MAX_SEGMENTS: usize = 1 << 16;

pub(super) struct KeyBytes {
    segments: Vec<KeySegment>,
    /// The segment that new keys are appended to.
    head: usize,
    /// Segments without memory.
    spare: Vec<usize>,
    /// Bytes in use, with headers.
    used: usize,
    /// Bytes written in segments that have memory: their resident memory.
    written: usize,
    compaction: Compaction,
}

/// The progress of compaction.
struct Compaction {
    /// The segment that is copied. If no segment is copied, the last one that was checked.
    segment: usize,
    /// Bytes of the segment that are copied.
    at: usize,
    is_copying: bool,
}

#[derive(Default)]
struct KeySegment {
    bytes: Vec<u8>,
    used: usize,
}

impl KeyBytes {
    pub(super) fn new() -> Self {
        let compaction = Compaction { segment: 0, at: 0, is_copying: false };
        Self { segments: vec![KeySegment::default()], head: 0, spare: Vec::new(), used: 0, written: 0, compaction }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Bytes written in segments that have memory.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Size of the segments that have memory.
    pub(super) fn held(&self) -> usize {
        (self.segments.len() - self.spare.len()) * SEGMENT
    }

    /// The bytes from `at` on: the key, and what follows it.
    #[inline(always)]
    pub(super) fn get(&self, at: u32) -> Option<&[u8]> {
        self.segments.get(at as usize / UNITS)?.bytes.get(at as usize % UNITS * UNIT..)
    }

    /// The address of a key, for a prefetch.
    #[inline(always)]
    pub(super) fn address(&self, at: u32) -> *const u8 {
        let segment = self.segments.get(at as usize / UNITS).map_or(std::ptr::null(), |segment| segment.bytes.as_ptr());
        segment.wrapping_add(at as usize % UNITS * UNIT)
    }

    /// Appends a key of at most [`LONGEST`] bytes. `None` if there are too many segments.
    pub(super) fn insert(&mut self, number: u32, parts: &[&[u8]]) -> Option<u32> {
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
            None if self.segments.len() < MAX_SEGMENTS => {
                self.segments.push(KeySegment::default());
                self.segments.len() - 1
            }
            None => return None,
        };
        Some(())
    }

    /// Removes the key of `len` bytes at `at`.
    pub(super) fn remove(&mut self, at: u32, len: usize) {
        let (number, from, size) = (at as usize / UNITS, (at as usize % UNITS * UNIT).wrapping_sub(HEADER), size_of_key(len));
        let segment = self.segments.get_mut(number);
        let Some(segment) = segment.and_then(|segment| {
            segment.bytes.get_mut(from..from.wrapping_add(HEADER))?.copy_from_slice(&(REMOVED | (size / UNIT) as u32).to_le_bytes());
            Some(segment)
        }) else {
            debug_assert!(false, "a key that was never inserted");
            return;
        };
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
        if self.compaction.segment == number {
            (self.compaction.at, self.compaction.is_copying) = (0, false);
        }
    }

    /// Whether [`compact`](Self::compact) has work to do: a third of the memory is gaps.
    #[inline]
    pub(super) fn needs_upkeep(&self) -> bool {
        self.compaction.is_copying || self.held() > self.used + self.used / 2 + 2 * SEGMENT
    }

    /// Copies keys out of segments with many gaps. Each key and each segment that it checks counts for the budget.
    pub(super) fn compact<T>(&mut self, places: &mut Places<T>, budget: &mut usize) {
        while *budget > 0 && self.needs_upkeep() {
            *budget -= 1;
            if self.compaction.is_copying {
                self.compaction.is_copying = self.copy_one(places).is_some();
                continue;
            }
            let next = if self.compaction.segment + 1 < self.segments.len() { self.compaction.segment + 1 } else { 0 };
            let has_gaps = |segment: &KeySegment| segment.used > 0 && segment.used < SEGMENT * 2 / 3;
            let is_copying = next != self.head && self.segments.get(next).is_some_and(has_gaps);
            self.compaction = Compaction { segment: next, at: 0, is_copying };
        }
    }

    /// Copies the next key of the segment. `None` at the end of the segment.
    fn copy_one<T>(&mut self, places: &mut Places<T>) -> Option<()> {
        let Compaction { segment: from, at, .. } = self.compaction;
        let (header, key) = self.segments.get(from)?.bytes.get(at..)?.split_first_chunk::<HEADER>()?;
        let header = u32::from_le_bytes(*header);
        if header & REMOVED != 0 {
            self.compaction.at += (header & !REMOVED) as usize * UNIT;
            return Some(());
        }
        let place = places.get_mut(header);
        let copy = place.and_then(|place| Some((key.get(..place.key_len())?.to_vec(), place)));
        debug_assert!(copy.is_some(), "a key without a binding, or longer than its segment");
        let (key, place) = copy?;
        self.compaction.at += size_of_key(key.len());
        if let Some(new) = self.insert(header, &[&key]) {
            place.key_at = new;
            self.remove((from * UNITS + (at + HEADER) / UNIT) as u32, key.len());
        }
        // `remove` ends the compaction of a segment that becomes empty.
        self.compaction.is_copying.then_some(())
    }

    /// Drops one segment of a cleared table; false if there is none.
    pub(super) fn drop_last(&mut self) -> bool {
        let Some(dropped) = self.segments.pop() else { return false };
        self.written = self.written.saturating_sub(dropped.bytes.len());
        true
    }
}

fn size_of_key(len: usize) -> usize {
    (HEADER + len).next_multiple_of(UNIT)
}
