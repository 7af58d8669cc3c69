//! The relay of one receiver: packs the lines of each target, and adds them to its queue. Never waits. Must not know sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::filter::{Filter, Parts};
use super::queue::Queue;
use super::target::RelayTarget;
use crate::options::Dialect;
use crate::telemetry::RelayCounters;

/// The longest time that a line waits for other lines to fill its datagram.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(1);
/// Lines for a stream are written in pieces of about this size.
const STREAM_CHUNK: usize = 16 << 10;
/// The longest frame whose length DogStatsD can read.
const MAX_FRAME: usize = 65_535;

/// The relay of one receiver.
pub(crate) struct Relay {
    feeds: Vec<Feed>,
    dialect: Dialect,
    /// Whether a filter needs the parts of each line.
    has_filters: bool,
    parts: Parts,
}

impl Relay {
    pub(super) fn new(feeds: Vec<Feed>, dialect: Dialect) -> Self {
        let has_filters = feeds.iter().any(|feed| !feed.filter.is_empty());
        Self { feeds, dialect, has_filters, parts: Parts::default() }
    }

    /// Packs all non-empty lines of a datagram.
    pub(crate) fn lines(&mut self, datagram: &[u8], now: Instant) {
        for line in datagram.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            if self.has_filters {
                self.parts.read(line, &self.dialect);
            }
            self.feeds.iter_mut().for_each(|feed| feed.line(line, &self.parts, now));
        }
        self.tick(now);
    }

    /// Passes on the packed lines if the first of them has waited long enough.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.feeds.iter_mut().for_each(|feed| feed.tick(now));
    }

    /// Passes on all packed lines.
    pub(crate) fn finish(&mut self) {
        self.feeds.iter_mut().for_each(Feed::flush);
    }
}

/// The lines of one receiver for one target.
pub(super) struct Feed {
    filter: Filter,
    queue: Arc<Queue>,
    counters: RelayCounters,
    packet: Vec<u8>,
    /// The size at which the packed lines are passed on.
    chunk_bytes: usize,
    /// The length limit of a line with its newline.
    line_bytes: usize,
    /// When the first line of `packet` was added.
    since: Option<Instant>,
    /// Lines in `packet`.
    lines: u64,
    /// Lines that are not in `packet`, until they are added to the counters.
    filtered: u64,
    long: u64,
}

impl Feed {
    pub(super) fn new(target: &RelayTarget, queue: Arc<Queue>, counters: RelayCounters, packet_bytes: usize) -> Self {
        let (chunk_bytes, line_bytes) = match (target.endpoint.is_stream(), target.has_lengths) {
            (false, _) => (packet_bytes, packet_bytes),
            (true, true) => (STREAM_CHUNK, MAX_FRAME),
            (true, false) => (STREAM_CHUNK, usize::MAX),
        };
        let filter = target.filter.clone();
        Self { filter, queue, counters, packet: Vec::new(), chunk_bytes, line_bytes, since: None, lines: 0, filtered: 0, long: 0 }
    }

    fn line(&mut self, line: &[u8], parts: &Parts, now: Instant) {
        let needed = line.len().saturating_add(1);
        if !self.filter.lets_pass(parts) {
            self.filtered += 1;
        } else if needed > self.line_bytes {
            self.long += 1;
        } else {
            if self.packet.len().saturating_add(needed) > self.chunk_bytes {
                self.flush();
            }
            self.packet.extend_from_slice(line);
            self.packet.push(b'\n');
            self.lines += 1;
            self.since.get_or_insert(now);
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.filtered > 0 {
            self.counters.filtered_lines.increment(std::mem::take(&mut self.filtered));
        }
        if self.long > 0 {
            self.counters.long_lines.increment(std::mem::take(&mut self.long));
        }
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= MAX_WAIT) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.lines > 0 && !self.queue.push(&self.packet, self.lines) {
            self.counters.lost_full.increment(self.lines);
        }
        self.packet.clear();
        // A single long line must not keep its memory.
        self.packet.shrink_to(self.chunk_bytes);
        self.lines = 0;
        self.since = None;
    }
}
