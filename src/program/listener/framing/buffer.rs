//! A buffer that grows while its stream fills it, up to a limit, and shrinks again. Must not know what it holds.

/// The initial size of a buffer in bytes, to which it shrinks again.
pub(super) const START_BYTES: usize = 4096;

/// The bytes of one stream that are not complete yet.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Bytes in use; never more than the buffer has.
    filled: usize,
    max: usize,
}

impl Buffer {
    /// An empty buffer for at most `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { bytes: vec![0; START_BYTES.min(max)], filled: 0, max }
    }

    /// The free part.
    pub(super) fn room(&mut self) -> &mut [u8] {
        debug_assert!(self.filled < self.bytes.len(), "a full buffer grows, or its contents are skipped");
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Adds bytes that were written to the free part.
    pub(super) fn add(&mut self, read: usize) {
        debug_assert!(read <= self.bytes.len() - self.filled, "more was read than there was room");
        self.filled = self.filled.saturating_add(read).min(self.bytes.len());
    }

    /// The bytes in use.
    pub(super) fn data(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Removes the first bytes after a read of `read` bytes. A full buffer grows, and one that is much too large shrinks.
    pub(super) fn remove(&mut self, first: usize, read: usize) {
        let first = first.min(self.filled);
        let was_full = self.filled == self.bytes.len();
        self.bytes.copy_within(first..self.filled, 0);
        self.filled -= first;
        if was_full {
            let size = self.bytes.len().saturating_mul(2).min(self.max);
            self.bytes.resize(size, 0);
        } else if self.filled < START_BYTES && read < self.bytes.len() / 4 && self.bytes.len() > START_BYTES {
            self.bytes.truncate(START_BYTES);
            self.bytes.shrink_to_fit();
        }
    }

    /// The size of the buffer, used or not.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }
}
