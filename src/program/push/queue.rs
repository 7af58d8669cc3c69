//! The compressed requests that wait for a receiver, bounded in bytes and age.
//!
//! The values of a registry are cumulative, so a later cycle replaces an earlier one: an overflow drops the values of the oldest cycle.
//! The first 0 of a new counter and stale markers have no such successor. They are in requests of their own ("edges"), and are dropped
//! only when nothing else is left. Must not know how requests are sent, and counts nothing itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::dialect::Dialect;
use super::options::QueueLimits;
use crate::exposition::write::{GoneSeries, WriteCounts};
use crate::time::Timestamp;

/// One request without its headers.
#[derive(Debug, Clone)]
pub(super) struct QueuedRequest {
    /// The time of the cycle, in wall time: the timestamp of its samples.
    pub(super) time: Timestamp,
    /// When it was made.
    pub(super) made: Instant,
    pub(super) dialect: Dialect,
    /// Whether it has first zeroes and stale markers instead of values.
    pub(super) is_edges: bool,
    /// Compressed.
    pub(super) body: Bytes,
    pub(super) counts: WriteCounts,
    /// The series whose stale markers it has.
    pub(super) gone: Vec<GoneSeries>,
}

/// Memory of a request beside its bytes.
const ENTRY_BYTES: usize = size_of::<QueuedRequest>() + 64;

impl QueuedRequest {
    /// Its memory.
    pub(super) fn bytes(&self) -> usize {
        ENTRY_BYTES + self.body.len() + self.gone.iter().map(GoneSeries::bytes).sum::<usize>()
    }

    /// Floats and histograms.
    pub(super) fn samples(&self) -> u64 {
        (self.counts.samples + self.counts.histograms) as u64
    }
}

/// A request that is being sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sending {
    bytes: usize,
    /// The time of its cycle; `None` if nothing is being sent.
    time: Option<Timestamp>,
    /// Floats and histograms.
    pub(super) samples: u64,
    pub(super) exemplars: u64,
}

/// The queue of one target. The request that is being sent is not in it, but counts.
#[derive(Debug)]
pub(super) struct Queue {
    limits: QueueLimits,
    requests: VecDeque<QueuedRequest>,
    bytes: usize,
    samples: u64,
    /// What the request that is being sent takes.
    sending: Sending,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self { limits, requests: VecDeque::new(), bytes: 0, samples: 0, sending: Sending::default() }
    }

    /// Adds a request. Returns those that were dropped to make room, this one included if nothing else helps.
    pub(super) fn push(&mut self, request: QueuedRequest) -> Vec<QueuedRequest> {
        self.bytes += request.bytes();
        self.samples += request.samples();
        self.requests.push_back(request);
        let mut dropped = Vec::new();
        while self.bytes() > self.limits.bytes && !self.requests.is_empty() {
            dropped.append(&mut self.drop_oldest());
        }
        dropped
    }

    /// Drops the values of the oldest cycle that has some; if none has, the oldest edges.
    fn drop_oldest(&mut self) -> Vec<QueuedRequest> {
        match self.requests.iter().find(|request| !request.is_edges).map(|request| request.time) {
            Some(time) => self.take_all(|request| !request.is_edges && request.time == time),
            None => self.pop().into_iter().collect(),
        }
    }

    /// Drops the values of cycles that are older than the limit. Edges have no maximum age.
    pub(super) fn drop_old(&mut self, now: Instant) -> Vec<QueuedRequest> {
        let limit = self.limits.age;
        self.take_all(|request| request.is_old(now, limit))
    }

    /// Removes all requests.
    pub(super) fn clear(&mut self) -> Vec<QueuedRequest> {
        self.take_all(|_| true)
    }

    fn take_all(&mut self, is_taken: impl Fn(&QueuedRequest) -> bool) -> Vec<QueuedRequest> {
        let (mut taken, mut kept) = (Vec::new(), VecDeque::with_capacity(self.requests.len()));
        for request in self.requests.drain(..) {
            if is_taken(&request) {
                (self.bytes, self.samples) = (self.bytes - request.bytes(), self.samples - request.samples());
                taken.push(request);
            } else {
                kept.push_back(request);
            }
        }
        self.requests = kept;
        taken
    }

    /// Takes the next request to send.
    pub(super) fn next(&mut self) -> Option<QueuedRequest> {
        let request = self.pop()?;
        let (bytes, samples, exemplars) = (request.bytes(), request.samples(), request.counts.exemplars as u64);
        self.sending = Sending { bytes, time: Some(request.time), samples, exemplars };
        Some(request)
    }

    fn pop(&mut self) -> Option<QueuedRequest> {
        let request = self.requests.pop_front()?;
        (self.bytes, self.samples) = (self.bytes - request.bytes(), self.samples - request.samples());
        Some(request)
    }

    /// Notes that the request that was being sent is settled. Returns what it took.
    pub(super) fn settled(&mut self) -> Sending {
        std::mem::take(&mut self.sending)
    }

    /// Puts requests back that are to be sent next, in this order: the halves of the one that was being sent.
    pub(super) fn put_back(&mut self, requests: [QueuedRequest; 2]) {
        self.settled();
        for request in requests.into_iter().rev() {
            self.bytes += request.bytes();
            self.samples += request.samples();
            self.requests.push_front(request);
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.sending.bytes
    }

    /// Samples that are not settled.
    pub(super) fn samples(&self) -> u64 {
        self.samples + self.sending.samples
    }

    /// Requests that wait.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The time of the cycle whose request is being sent.
    pub(super) fn sending(&self) -> Option<Timestamp> {
        self.sending.time
    }

    /// The time of the newest cycle that waits or is being sent.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.requests.back().map(|request| request.time).max(self.sending.time)
    }

    /// When the oldest waiting request was made.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.requests.front().map(|request| request.made)
    }
}

impl QueuedRequest {
    /// Whether it has values that are older than the limit.
    pub(super) fn is_old(&self, now: Instant, limit: Duration) -> bool {
        !self.is_edges && now.saturating_duration_since(self.made) > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::write::WriteVersion;

    fn request(time: u64, bytes: usize, is_edges: bool) -> QueuedRequest {
        let counts = WriteCounts { samples: 10, ..WriteCounts::default() };
        let body = Bytes::from(vec![0; bytes]);
        let time = Timestamp::from_millis(time);
        QueuedRequest { time, made: Instant::now(), dialect: Dialect::Write(WriteVersion::V2), is_edges, body, counts, gone: Vec::new() }
    }

    fn queue(bytes: usize) -> Queue {
        Queue::new(QueueLimits { bytes, age: Duration::from_secs(60) })
    }

    fn shown(requests: &[QueuedRequest]) -> Vec<(u64, bool)> {
        requests.iter().map(|request| (request.time.as_millis(), request.is_edges)).collect()
    }

    #[test]
    fn whole_cycles_of_values_are_dropped_oldest_first_and_edges_stay() {
        let each = ENTRY_BYTES + 1000;
        let mut queue = queue(6 * each);
        for (time, is_edges) in [(1, true), (1, false), (1, false), (2, true), (2, false), (2, false)] {
            assert!(queue.push(request(time, 1000, is_edges)).is_empty());
        }
        assert_eq!(shown(&queue.push(request(3, 1000, true))), [(1, false), (1, false)], "the whole cycle");
        assert!(queue.push(request(3, 1000, false)).is_empty());
        assert_eq!(shown(&queue.push(request(4, 1000, true))), [(2, false), (2, false)]);
        assert_eq!((queue.bytes(), queue.samples()), (5 * each, 50));
        let left: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(shown(&left), [(1, true), (2, true), (3, true), (3, false), (4, true)]);
    }

    #[test]
    fn edges_are_dropped_when_nothing_else_is_left() {
        let each = ENTRY_BYTES + 100;
        let mut queue = queue(2 * each);
        assert!(queue.push(request(1, 100, true)).is_empty());
        assert!(queue.push(request(2, 100, true)).is_empty());
        assert_eq!(shown(&queue.push(request(3, 100, true))), [(1, true)]);
        assert_eq!(shown(&queue.push(request(4, 10_000, false))), [(4, false)], "it does not fit at all");
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn a_request_that_is_being_sent_counts_and_its_halves_come_next() {
        let each = ENTRY_BYTES + 100;
        let mut queue = queue(100 * each);
        (1..=2).for_each(|time| assert!(queue.push(request(time, 100, false)).is_empty()));
        let first = queue.next().unwrap();
        assert_eq!((queue.bytes(), queue.samples(), queue.len()), (2 * each, 20, 1));
        queue.put_back([first.clone(), QueuedRequest { is_edges: true, ..first }]);
        assert_eq!((queue.bytes(), queue.samples(), queue.len()), (3 * each, 30, 3));
        assert_eq!(queue.next().map(|request| request.is_edges), Some(false));
        assert_eq!(queue.next().map(|request| request.is_edges), Some(true));
        queue.settled();
        assert_eq!(shown(&queue.clear()), [(2, false)]);
        assert_eq!((queue.bytes(), queue.samples()), (0, 0));
    }

    #[test]
    fn old_values_are_dropped() {
        let mut queue = queue(1 << 20);
        let made = Instant::now();
        for (time, is_edges) in [(1, true), (1, false), (2, false)] {
            queue.push(QueuedRequest { made: made + Duration::from_secs(time * 30), ..request(time, 10, is_edges) });
        }
        assert!(queue.drop_old(made + Duration::from_secs(90)).is_empty());
        assert_eq!(shown(&queue.drop_old(made + Duration::from_secs(91))), [(1, false)]);
        assert_eq!(queue.oldest(), Some(made + Duration::from_secs(30)));
    }
}
