//! The senders with the most lines, in bounded memory: the Space-Saving algorithm of Metwally, Agrawal and El Abbadi, with exact sums.
//!
//! Each listed sender has a weight. At the limit, a new sender takes the place of the one with the lowest weight, and starts with that
//! weight, because it may have been listed before. The weights add up to all lines, so the lowest weight is at most the number of all
//! lines divided by the limit: a sender with more lines than that is always listed. The sums of a sender are exact since it was listed;
//! those of a sender that lost its place are added to the others, so that no line is missing in the total.

#[cfg(any(feature = "cli", test))]
mod ended;

use std::collections::HashMap;

use super::client_report::{Clients, Growth, Reported};
use super::counts::{Counts, Received, RejectedOf};
use super::limit::{Excess, Limiter, MessageLimit, SourceLimit};
use crate::options::SourceOptions;
use crate::rejections::{RejectedInput, SHOWN_BYTES};
use crate::source::{Sender, Source};
use crate::time::Timestamp;

/// The listed senders. A look-up of the last sender costs a comparison, and one of another sender a hash.
pub(super) struct HeavySenders {
    limits: SourceOptions,
    messages: MessageLimit,
    places: HashMap<Sender, usize>,
    senders: Vec<Tracked>,
    /// Weights and places, as a binary heap with the lowest weight first.
    heap: Vec<(u64, usize)>,
    others: Counts,
    evicted: u64,
    /// The place of the last look-up.
    last: usize,
}

/// A listed sender.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) sender: Sender,
    pub(super) counts: Counts,
    /// The lines that it may have sent before it was listed.
    pub(super) missing: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) last_rejected: Option<Box<LastRejected>>,
    /// The reports of its clients, once there was one.
    pub(super) clients: Option<Box<Clients>>,
    lines: Limiter,
    new_series: Limiter,
    /// Its index in the heap.
    heap_at: usize,
}

/// The last rejected input of a sender.
#[derive(Debug)]
pub(super) struct LastRejected {
    pub(super) reason: &'static str,
    bytes: Vec<u8>,
    source: Source,
    at: Timestamp,
}

impl HeavySenders {
    pub(super) fn new(limits: SourceOptions) -> Self {
        let (places, senders, heap, messages) = Default::default();
        Self { limits, messages, places, senders, heap, others: Counts::default(), evicted: 0, last: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.senders.len()
    }

    /// How often a sender lost its place.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The sums of the senders that are not listed.
    pub(super) fn others(&self) -> &Counts {
        &self.others
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracked> {
        self.senders.iter()
    }

    /// Adds what a source sent to the sums and to the weight of its sender.
    pub(super) fn add(&mut self, received: &Received, now: Timestamp) {
        let at = self.place(received.source.into(), received.lines.max(1), now);
        match self.senders.get_mut(at) {
            Some(tracked) => {
                tracked.last = now;
                tracked.counts.add(received);
                if let Some(clients) = &mut tracked.clients {
                    clients.arrived(received);
                }
            }
            None => self.others.add(received),
        }
    }

    /// Adds a report of a client.
    pub(super) fn report(&mut self, reported: &Reported, now: Timestamp) -> Growth {
        let at = self.place(reported.source.into(), 0, now);
        match self.senders.get_mut(at) {
            Some(tracked) => tracked.clients.get_or_insert_with(|| Box::new(Clients::new(now))).report(reported, now),
            None => Growth::default(),
        }
    }

    /// Adds rejections to the sums of a sender.
    pub(super) fn reject(&mut self, rejected: &RejectedOf) {
        let at = self.place(rejected.source.into(), 0, rejected.at);
        let missing = match self.senders.get_mut(at) {
            Some(tracked) => {
                tracked.note(rejected);
                tracked.counts.reject(rejected)
            }
            None => self.others.reject(rejected),
        };
        // The sender lost its place between its samples and their rejection.
        self.others.subtract_samples(missing);
    }

    /// Whether a limit of a sender leaves room for `count` lines or series; and what a message must say if not.
    pub(super) fn admit(&mut self, limit: SourceLimit, sender: Sender, count: u64, now: Timestamp) -> (bool, Option<Excess>) {
        let (limits, at) = (self.limits, self.place(sender, 0, now));
        let Some(tracked) = self.senders.get_mut(at) else { return (true, None) };
        let (limiter, per_second) = match limit {
            SourceLimit::Lines => (&mut tracked.lines, limits.lines_per_second),
            SourceLimit::NewSeries => (&mut tracked.new_series, limits.new_series_per_second),
        };
        let is_admitted = limiter.take(count, per_second, now);
        (is_admitted, if is_admitted { None } else { limiter.excess(sender, &mut self.messages, now) })
    }

    /// The place of a sender, which gets one if it has none.
    fn place(&mut self, sender: Sender, weight: u64, now: Timestamp) -> usize {
        let is_last = self.senders.get(self.last).is_some_and(|last| last.sender == sender);
        let at = if is_last { self.last } else { self.find(sender, now) };
        self.last = at;
        if let Some(heap_at) = self.senders.get(at).map(|tracked| tracked.heap_at) {
            if let Some((sum, _)) = self.heap.get_mut(heap_at) {
                *sum = sum.saturating_add(weight);
            }
            self.sift_down(heap_at);
        }
        at
    }

    fn find(&mut self, sender: Sender, now: Timestamp) -> usize {
        if let Some(at) = self.places.get(&sender) {
            return *at;
        }
        let limits = self.limits;
        let new = |heap_at, missing| Tracked {
            sender,
            counts: Counts::default(),
            missing,
            first: now,
            last: now,
            last_rejected: None,
            clients: None,
            heap_at,
            lines: Limiter::new(limits.lines_per_second, now),
            new_series: Limiter::new(limits.new_series_per_second, now),
        };
        let at = if self.senders.len() < self.limits.max {
            let (at, heap_at) = (self.senders.len(), self.heap.len());
            self.senders.push(new(heap_at, 0));
            self.heap.push((0, at));
            self.sift_up(heap_at);
            at
        } else {
            let Some(&(lowest, at)) = self.heap.first() else { return usize::MAX };
            let Some(tracked) = self.senders.get_mut(at) else { return usize::MAX };
            let evicted = std::mem::replace(tracked, new(0, lowest));
            self.places.remove(&evicted.sender);
            self.others.merge(&evicted.counts);
            self.evicted += 1;
            at
        };
        self.places.insert(sender, at);
        at
    }

    fn weight(&self, heap_at: usize) -> u64 {
        self.heap.get(heap_at).map_or(u64::MAX, |(weight, _)| *weight)
    }

    /// Moves a weight that rose to its place in the heap.
    fn sift_down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let lower = if self.weight(right) < self.weight(left) { right } else { left };
            if lower >= self.heap.len() || self.weight(lower) >= self.weight(at) {
                return;
            }
            self.swap(at, lower);
            at = lower;
        }
    }

    fn sift_up(&mut self, mut at: usize) {
        while at > 0 && self.weight(at) < self.weight((at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for heap_at in [a, b] {
            let place = self.heap.get(heap_at).map(|(_, place)| *place);
            if let Some(tracked) = place.and_then(|place| self.senders.get_mut(place)) {
                tracked.heap_at = heap_at;
            }
        }
    }
}

impl Tracked {
    fn note(&mut self, rejected: &RejectedOf) {
        let RejectedOf { reason, source, at, .. } = *rejected;
        let new = || Box::new(LastRejected { reason, bytes: Vec::with_capacity(SHOWN_BYTES), source, at });
        let last = self.last_rejected.get_or_insert_with(new);
        last.bytes.clear();
        last.bytes.extend_from_slice(rejected.input.get(..SHOWN_BYTES).unwrap_or(&rejected.input));
        (last.reason, last.source, last.at) = (reason, source, at);
        self.last = self.last.max(at);
    }
}

impl LastRejected {
    pub(super) fn input(&self) -> RejectedInput {
        RejectedInput { input: self.bytes.escape_ascii().to_string(), source: self.source, at: self.at }
    }
}
