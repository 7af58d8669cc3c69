//! Memory that pages are made with, kept for the next one. Pages are made on many threads and freed on others; if each took its memory
//! from the allocator, every thread's part of that would keep some, and a scrape would cost several times what it needs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::coding::{Coding, Packer};

/// Room for a piece and for what a step may exceed it by.
const PIECE_BYTES: usize = 80 << 10;

/// Buffers that are kept, about what two pages need at once.
const BUFFERS: usize = 12;

/// States of codings that are kept, for as many pages as are rendered at once by default.
const PACKERS: usize = 2;

/// What is not used now.
#[derive(Default)]
pub(in crate::program::web) struct Spares {
    buffers: Mutex<Vec<Vec<u8>>>,
    packers: Mutex<Vec<Packer>>,
}

/// Bytes whose memory is kept once they are sent.
struct Piece {
    bytes: Vec<u8>,
    spares: Arc<Spares>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spares {
    /// Empty, with room for a piece.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let kept = lock(&self.buffers).pop();
        kept.unwrap_or_else(|| Vec::with_capacity(PIECE_BYTES))
    }

    /// Keeps a buffer, unless there are enough, or it is none of a piece.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffers.len() < BUFFERS && (PIECE_BYTES..=2 * PIECE_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Shared among all that send them.
    pub(super) fn piece(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Piece { bytes, spares: Arc::clone(self) })
    }

    /// The state of a coding that another page has left, ready for the next.
    pub(super) fn packer(&self, coding: Coding) -> Option<Packer> {
        let mut packers = lock(&self.packers);
        let at = packers.iter().position(|packer| packer.coding() == coding)?;
        Some(packers.remove(at))
    }

    /// Keeps one; the one goes that was not used for the longest.
    pub(super) fn keep_packer(&self, packer: Packer) {
        let mut packers = lock(&self.packers);
        if packers.len() >= PACKERS {
            packers.remove(0);
        }
        packers.push(packer);
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.spares.keep(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_sent_leaves_its_memory_for_another() {
        let spares = Arc::new(Spares::default());
        let kept = || lock(&spares.buffers).len();
        let mut buffer = spares.buffer();
        buffer.extend_from_slice(b"some");
        let piece = spares.piece(buffer);
        let other = piece.clone();
        drop(piece);
        assert_eq!((kept(), &*other), (0, &b"some"[..]), "somebody has not sent it yet");
        drop(other);
        assert_eq!(kept(), 1);
        let buffer = spares.buffer();
        assert!(buffer.is_empty() && buffer.capacity() >= PIECE_BYTES && kept() == 0);
        for capacity in [10, 3 * PIECE_BYTES] {
            spares.keep(Vec::with_capacity(capacity));
            assert_eq!(kept(), 0, "{capacity}");
        }
        (0..2 * BUFFERS).map(|_| Vec::with_capacity(PIECE_BYTES)).for_each(|buffer| spares.keep(buffer));
        assert_eq!(kept(), BUFFERS, "not more than enough");
    }
}
