//! The queue to one target: packed lines, bounded by bytes. Adding never waits. Must not know the target.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::Gauge;

use crate::lock::lock;

/// What a chunk takes beside its lines.
const OVERHEAD: usize = 64;

/// Packed lines, each with its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
    /// What the chunk takes of the queue until it is released.
    pub(super) size: usize,
    /// When its lines are too old to be sent; `None` for never.
    pub(super) expires: Option<Instant>,
}

impl Chunk {
    /// Whether its lines are too old to be sent.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The result of waiting for a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Popped {
    Chunk(Chunk),
    /// The time is over.
    Nothing,
    /// The queue is closed and empty.
    End,
}

pub(super) struct Queue {
    max_bytes: usize,
    /// How long lines may wait; zero for any time.
    max_age: Duration,
    gauge: Gauge,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    is_closed: bool,
}

impl Queue {
    /// A queue of at most `max_bytes`, which `gauge` shows, for lines of at most `max_age`; zero is no limit.
    pub(super) fn new(max_bytes: usize, max_age: Duration, gauge: Gauge) -> Self {
        Self { max_bytes, max_age, gauge, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds lines. Returns false if the queue is full or closed. An empty queue takes a chunk of any size.
    pub(super) fn push(&self, bytes: &[u8], lines: u64) -> bool {
        let size = bytes.len() + OVERHEAD;
        let mut state = lock(&self.state);
        if state.is_closed || (state.bytes > 0 && state.bytes.saturating_add(size) > self.max_bytes) {
            return false;
        }
        state.bytes += size;
        let expires = if self.max_age.is_zero() { None } else { Instant::now().checked_add(self.max_age) };
        state.chunks.push_back(Chunk { bytes: bytes.to_vec(), lines, size, expires });
        self.gauge.set(state.bytes as f64);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Takes the oldest chunk, which still counts until it is released. Waits for one at most for `wait`.
    pub(super) fn pop(&self, wait: Duration) -> Popped {
        let has_nothing = |state: &mut State| state.chunks.is_empty() && !state.is_closed;
        let waited = self.changed.wait_timeout_while(lock(&self.state), wait, has_nothing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match state.chunks.pop_front() {
            Some(chunk) => Popped::Chunk(chunk),
            None if state.is_closed => Popped::End,
            None => Popped::Nothing,
        }
    }

    /// Lets new lines have the room of a chunk that was taken.
    pub(super) fn release(&self, size: usize) {
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_sub(size);
        self.gauge.set(state.bytes as f64);
    }

    /// Waits until the time is over or the queue is closed.
    pub(super) fn pause(&self, wait: Duration) {
        drop(self.changed.wait_timeout_while(lock(&self.state), wait, |state| !state.is_closed));
    }

    /// Lets the queue accept nothing more.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_nothing_more_and_a_closed_one_gives_the_rest() {
        let queue = Queue::new(2 * (OVERHEAD + 2), Duration::ZERO, Gauge::noop());
        assert_eq!(queue.pop(Duration::ZERO), Popped::Nothing);
        assert!(queue.push(b"a\n", 1) && queue.push(b"b\n", 1) && !queue.push(b"c\n", 1));
        let size = OVERHEAD + 2;
        assert_eq!(queue.pop(Duration::ZERO), Popped::Chunk(Chunk { bytes: b"a\n".to_vec(), lines: 1, size, expires: None }));
        assert!(!queue.push(b"c\n", 1), "the chunk is not released");
        queue.release(size);
        assert!(queue.push(b"d\n", 1));
        queue.close();
        assert!(!queue.push(b"e\n", 1) && queue.is_closed());
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Chunk(_)) && matches!(queue.pop(Duration::ZERO), Popped::Chunk(_)));
        assert_eq!(queue.pop(Duration::from_secs(60)), Popped::End);
        let small = Queue::new(1, Duration::ZERO, Gauge::noop());
        assert!(small.push(b"larger than the queue\n", 1) && !small.push(b"x\n", 1));
    }
}
