//! Memory that expositions are made with, kept for the next one.
//!
//! Expositions are rendered on many threads and freed on others. If each took its memory from the allocator, every thread's arena
//! would keep some, and a scrape would cost several times what it needs. Knows no exposition.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::coding::ContentCoding;
use super::compressor::Compressor;

/// Room for a chunk, and for what a step of rendering may exceed it by.
const CHUNK_BYTES: usize = 80 << 10;

/// Buffers that are kept, about what two expositions need at once.
const MAX_BUFFERS: usize = 12;

/// States of compressions that are kept, for as many expositions as are rendered at once by default.
const MAX_COMPRESSORS: usize = 2;

/// Memory that is not used now.
#[derive(Default)]
pub(in crate::program::web) struct SpareMemory {
    buffers: Mutex<Vec<Vec<u8>>>,
    compressors: Mutex<Vec<Compressor>>,
}

/// Bytes whose memory is kept once they are sent.
struct SpareBytes {
    bytes: Vec<u8>,
    memory: Arc<SpareMemory>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SpareMemory {
    /// An empty buffer with room for a chunk.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let kept = lock(&self.buffers).pop();
        kept.unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES))
    }

    /// Keeps a buffer, unless there are enough, or its size is not that of a chunk.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffers.len() < MAX_BUFFERS && (CHUNK_BYTES..=2 * CHUNK_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Bytes to be shared by all recipients; the buffer is kept when the last one is done with it.
    pub(super) fn share(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(SpareBytes { bytes, memory: Arc::clone(self) })
    }

    /// The state of a compression that another exposition has left, ready for the next.
    pub(super) fn compressor(&self, coding: ContentCoding) -> Option<Compressor> {
        let mut compressors = lock(&self.compressors);
        let at = compressors.iter().position(|compressor| compressor.coding() == coding)?;
        Some(compressors.remove(at))
    }

    /// Keeps one; drops the one that has not been used for longest where there are enough.
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
    fn a_chunk_that_is_sent_leaves_its_memory_for_another() {
        let memory = Arc::new(SpareMemory::default());
        let kept = || lock(&memory.buffers).len();
        let mut buffer = memory.buffer();
        buffer.extend_from_slice(b"some");
        let chunk = memory.share(buffer);
        let other = chunk.clone();
        drop(chunk);
        assert_eq!((kept(), &*other), (0, &b"some"[..]), "somebody has not sent it yet");
        drop(other);
        assert_eq!(kept(), 1);
        let buffer = memory.buffer();
        assert!(buffer.is_empty() && buffer.capacity() >= CHUNK_BYTES && kept() == 0);
        for capacity in [10, 3 * CHUNK_BYTES] {
            memory.keep(Vec::with_capacity(capacity));
            assert_eq!(kept(), 0, "{capacity}");
        }
        (0..2 * MAX_BUFFERS).map(|_| Vec::with_capacity(CHUNK_BYTES)).for_each(|buffer| memory.keep(buffer));
        assert_eq!(kept(), MAX_BUFFERS, "not more than enough");
    }
}
