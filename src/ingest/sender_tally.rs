//! sender_tally: what a worker received from each source since its last flush, and what it rejected.
//!
//! A datagram from the same source as the one before it costs a comparison and two additions; its lines and samples cost nothing. The
//! lists have few entries: when one is full, it is flushed.

use std::sync::Arc;

use crate::rejections::SHOWN_BYTES;
use crate::source::Source;
use crate::sources::{Received, RejectedOf, SourceLimit, Sources};
use crate::time::Timestamp;

/// Maximum number of sources between two flushes of what was received.
const MAX_RECEIVED: usize = 64;

/// Maximum number of pairs of source and reason between two flushes of rejections. They are searched one by one.
const MAX_REJECTED: usize = 16;

/// What was received from each source.
pub(crate) struct SenderTally {
    sources: Arc<Sources>,
    received: Vec<Received>,
    /// What was received from the last source since the last flush; possibly nothing. It is not in `received` yet.
    current: Received,
    /// The sums when the last source began. Its lines and samples are the difference.
    began: Sums,
    now: Timestamp,
    /// Whether a sender may exceed a limit of lines.
    limits_lines: bool,
}

/// Lines and samples of all sources so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) lines: u64,
    pub(crate) samples: u64,
}

impl SenderTally {
    /// `None` if senders are not listed.
    pub(crate) fn new(sources: &Arc<Sources>) -> Option<Self> {
        let new = || Self {
            sources: Arc::clone(sources),
            received: Vec::with_capacity(MAX_RECEIVED),
            current: Received { source: Source::Unknown, datagrams: 0, bytes: 0, lines: 0, samples: 0 },
            began: Sums::default(),
            now: Timestamp::default(),
            limits_lines: sources.has(SourceLimit::Lines),
        };
        sources.is_on().then(new)
    }

    /// When the current batch began.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Begins a batch.
    pub(crate) fn enter(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Begins a datagram. `sums` are those before it.
    #[inline(always)]
    pub(crate) fn datagram(&mut self, source: &Source, bytes: usize, sums: impl FnOnce() -> Sums) {
        if self.current.source == *source {
            self.current.datagrams += 1;
            self.current.bytes += bytes as u64;
        } else {
            self.begin(Received { source: *source, datagrams: 1, bytes: bytes as u64, lines: 0, samples: 0 }, sums());
        }
    }

    /// The lines of a datagram if its sender exceeds its limit of lines, so that they must be rejected.
    #[inline(always)]
    pub(crate) fn lines_to_reject(&self, source: &Source, bytes: &[u8]) -> Option<u64> {
        if self.limits_lines { self.lines_over_limit(source, bytes) } else { None }
    }

    #[inline(never)]
    fn lines_over_limit(&self, source: &Source, bytes: &[u8]) -> Option<u64> {
        let lines = 1 + memchr::memchr_iter(b'\n', bytes).count() as u64;
        (!self.sources.admit(SourceLimit::Lines, *source, lines, self.now)).then_some(lines)
    }

    /// Begins another source, with counts that `sums` will not contain.
    #[inline(never)]
    fn begin(&mut self, received: Received, sums: Sums) {
        self.close(sums);
        self.current = received;
    }

    /// Adds a rejected line that is not in a datagram of its own, and that the sums already contain.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn line(&mut self, source: &Source, datagrams: u64, bytes: usize, sums: Sums, now: Timestamp) {
        self.now = now;
        let before = Sums { lines: sums.lines.saturating_sub(1), ..sums };
        self.begin(Received { source: *source, datagrams, bytes: bytes as u64, lines: 0, samples: 0 }, before);
    }

    /// Adds lines and samples to the last source, and puts it into the list.
    fn close(&mut self, sums: Sums) {
        self.current.lines += sums.lines.saturating_sub(self.began.lines);
        self.current.samples += sums.samples.saturating_sub(self.began.samples);
        self.began = sums;
        let nothing = Received { source: self.current.source, datagrams: 0, bytes: 0, lines: 0, samples: 0 };
        if self.current == nothing {
            return;
        }
        if self.received.len() >= MAX_RECEIVED {
            self.sources.add(&self.received, &[], self.now);
            self.received.clear();
        }
        self.received.push(std::mem::replace(&mut self.current, nothing));
    }

    /// Adds everything to the shared sums. The next sums start at 0.
    #[inline]
    pub(crate) fn flush(&mut self, sums: Sums, rejected: &mut SenderRejections) {
        self.close(sums);
        self.began = Sums::default();
        if !self.received.is_empty() || rejected.len > 0 {
            self.sources.add(&self.received, rejected.all(), self.now);
            self.received.clear();
            rejected.len = 0;
        }
    }
}

/// What was rejected, by source and reason.
pub(crate) struct SenderRejections {
    /// `None` if senders are not listed.
    sources: Option<Arc<Sources>>,
    /// The first `len` are in use. The others have memory for an input.
    entries: Vec<RejectedOf>,
    len: usize,
}

impl SenderRejections {
    pub(crate) fn new(sources: &Arc<Sources>) -> Self {
        Self { sources: sources.is_on().then(|| Arc::clone(sources)), entries: Vec::new(), len: 0 }
    }

    fn all(&self) -> &[RejectedOf] {
        self.entries.get(..self.len).unwrap_or_default()
    }

    /// Counts rejected lines or samples. `not_samples` is 1 for a sample that turned out to be a rejected line.
    pub(crate) fn rejected(
        &mut self,
        (reason, count): (&'static str, u64),
        input: &[u8],
        source: Source,
        not_samples: u64,
        now: Timestamp,
    ) {
        let Some(sources) = &self.sources else { return };
        let input = input.get(..SHOWN_BYTES).unwrap_or(input);
        let used = self.entries.get_mut(..self.len).unwrap_or_default();
        let known = used.iter_mut().find(|entry| entry.reason == reason && entry.source == source);
        let entry = match known {
            Some(entry) => entry,
            None => {
                if self.len >= MAX_REJECTED {
                    sources.add(&[], &self.entries, now);
                    self.len = 0;
                }
                if self.entries.len() <= self.len {
                    let input = Vec::with_capacity(SHOWN_BYTES);
                    self.entries.push(RejectedOf { source, reason, count: 0, not_samples: 0, input, at: now });
                }
                let Some(entry) = self.entries.get_mut(self.len) else { return };
                self.len += 1;
                (entry.source, entry.reason, entry.count, entry.not_samples) = (source, reason, 0, 0);
                entry
            }
        };
        entry.count += count;
        entry.not_samples += not_samples;
        entry.at = now;
        entry.input.clear();
        entry.input.extend_from_slice(input);
    }
}
