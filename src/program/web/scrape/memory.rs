//! Keeps buffers and compressors for the next exposition.
//!
//! Threads other than the rendering ones free an exposition's memory. If every exposition allocated new memory, each thread's malloc
//! arena would retain some of it, and scrapes would use several times the memory they need.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::coding::ContentCoding;
use super::compressor::Compressor;

/// The capacity of a buffer: a chunk, and what one rendering step may add to it.
const CHUNK_BYTES: usize = 80 << 10;

/// The number of buffers kept; enough for about two concurrent expositions.
const MAX_BUFFERS: usize = 12;

/// The number of compressors kept; the default of concurrently rendered expositions.
const MAX_COMPRESSORS: usize = 2;

/// Buffers and compressors that are not in use.
#[derive(Default)]
pub(in crate::program::web) struct SpareMemory {
    buffers: Mutex<Vec<Vec<u8>>>,
    compressors: Mutex<Vec<Compressor>>,
}

/// Bytes whose buffer is kept once they are sent.
struct SpareBytes {
    bytes: Vec<u8>,
    memory: Arc<SpareMemory>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SpareMemory {
    /// An empty buffer with capacity for a chunk.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let kept = lock(&self.buffers).pop();
        kept.unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES))
    }

    /// Keeps a buffer, unless there are enough or its capacity is not that of a chunk.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffers.len() < MAX_BUFFERS && (CHUNK_BYTES..=2 * CHUNK_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Shares the bytes among recipients; keeps the buffer when the last one drops it.
    pub(super) fn share(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(SpareBytes { bytes, memory: Arc::clone(self) })
    }

    /// A compressor that another exposition has used, reset for the next one.
    pub(super) fn compressor(&self, coding: ContentCoding) -> Option<Compressor> {
        let mut compressors = lock(&self.compressors);
        let at = compressors.iter().position(|compressor| compressor.coding() == coding)?;
        Some(compressors.remove(at))
    }

    /// Keeps a compressor; drops the least recently used one if there are enough.
    pub(super) fn keep_compressor(&self, compressor: Compressor) {
        let mut compressors = lock(&self.compressors);
        if compressors.len() >= MAX_COMPRESSORS {
            compressors.remove(0);
        }
        compressors.push(compressor);
    }
}

impl AsRef<[u8]> for SpareBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for SpareBytes {
    fn drop(&mut self) {
        self.memory.keep(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_after_the_last_recipient() {
        let memory = Arc::new(SpareMemory::default());
        let kept = || lock(&memory.buffers).len();
        let mut buffer = memory.buffer();
        buffer.extend_from_slice(b"some");
        let chunk = memory.share(buffer);
        let other = chunk.clone();
        drop(chunk);
        assert_eq!((kept(), &*other), (0, &b"some"[..]), "another recipient still has it");
        drop(other);
        assert_eq!(kept(), 1);
        let buffer = memory.buffer();
        assert!(buffer.is_empty() && buffer.capacity() >= CHUNK_BYTES && kept() == 0);
        for capacity in [10, 3 * CHUNK_BYTES] {
            memory.keep(Vec::with_capacity(capacity));
            assert_eq!(kept(), 0, "{capacity}");
        }
        (0..2 * MAX_BUFFERS).map(|_| Vec::with_capacity(CHUNK_BYTES)).for_each(|buffer| memory.keep(buffer));
        assert_eq!(kept(), MAX_BUFFERS, "the limit holds");
    }
}
