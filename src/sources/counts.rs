//! The sums of one sender, or of all that are no longer listed.

use crate::source::{Sender, Source};
use crate::time::Timestamp;

/// What one source sent since the last call of [`Sources::add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) source: Source,
    /// Datagrams, or pieces of a stream.
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) samples: u64,
}

/// The rejections of one source under one reason since the last call of [`Sources::add`].
#[derive(Debug)]
pub(crate) struct RejectedOf {
    pub(crate) source: Source,
    pub(crate) reason: &'static str,
    pub(crate) count: u64,
    /// Samples among them that turned out to be rejected lines.
    pub(crate) not_samples: u64,
    /// The beginning of the last rejected input.
    pub(crate) input: Vec<u8>,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) samples: u64,
    /// By reason. There are as many entries as reasons at most.
    pub(super) rejected: Vec<(&'static str, u64)>,
}

impl Counts {
    /// Adds what one source sent.
    pub(super) fn add(&mut self, received: &Received) {
        if Sender::from(received.source).sends_datagrams() {
            self.datagrams += received.datagrams;
        }
        self.bytes += received.bytes;
        self.lines += received.lines;
        self.samples += received.samples;
    }

    /// Adds rejections. Returns the samples that these counts do not have, so that they must be subtracted elsewhere.
    pub(super) fn reject(&mut self, rejected: &RejectedOf) -> u64 {
        self.add_rejected(rejected.reason, rejected.count);
        self.subtract_samples(rejected.not_samples)
    }

    /// Subtracts samples. Returns how many there were too few.
    pub(super) fn subtract_samples(&mut self, samples: u64) -> u64 {
        let missing = samples.saturating_sub(self.samples);
        self.samples -= samples - missing;
        missing
    }

    /// Adds other counts.
    pub(super) fn merge(&mut self, other: &Self) {
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.samples += other.samples;
        other.rejected.iter().for_each(|(reason, count)| self.add_rejected(reason, *count));
    }

    fn add_rejected(&mut self, reason: &'static str, count: u64) {
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => self.rejected.push((reason, count)),
        }
    }
}
