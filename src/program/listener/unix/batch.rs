//! Batches of Unix datagrams, including truncated ones. Must not know the socket.

use std::io;
use std::time::Instant;

use crate::ingest::pipeline::Datagram;
use crate::ingest::protocol::SampleError;
use crate::program::listener::intake::Intake;
use crate::source::Source;
use crate::telemetry::Telemetry;

/// Datagrams per batch.
const BATCH: usize = 16;

/// A batch of received datagrams.
pub(super) struct UnixgramBatch {
    memory: Vec<u8>,
    /// One byte more than the length limit. A datagram of this length is truncated.
    stride: usize,
    lengths: Vec<usize>,
}

impl UnixgramBatch {
    pub(super) fn new(datagram_bytes: usize) -> Self {
        let stride = datagram_bytes.saturating_add(1);
        Self { memory: vec![0; stride.saturating_mul(BATCH)], stride, lengths: Vec::with_capacity(BATCH) }
    }

    /// The number of datagrams.
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Fills the batch. Returns the error that ended it early.
    pub(super) fn receive(&mut self, receive: impl Fn(&mut [u8]) -> io::Result<usize>) -> Option<io::Error> {
        self.lengths.clear();
        for chunk in self.memory.chunks_exact_mut(self.stride) {
            match receive(chunk) {
                Ok(length) => {
                    debug_assert!(length <= self.stride, "more bytes than the buffer has");
                    self.lengths.push(length.min(self.stride));
                }
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Counts and records the batch. Of a truncated datagram, the complete lines are recorded and the last line is rejected.
    pub(super) fn record(&self, intake: &mut Intake, telemetry: &Telemetry) {
        if self.lengths.is_empty() {
            return;
        }
        telemetry.transport.unixgram_packets.increment(self.lengths.len() as u64);
        let received = self.memory.chunks_exact(self.stride).zip(&self.lengths);
        for (chunk, _) in received.clone().filter(|(_, length)| **length == self.stride) {
            telemetry.transport.unixgram_truncated.increment(1);
            let incomplete = chunk.rsplit(|byte| *byte == b'\n').next().unwrap_or(chunk);
            intake.reject_line(SampleError::TruncatedLine, incomplete, &Source::Unixgram, Instant::now());
        }
        let datagrams = received.filter_map(|(chunk, length)| {
            // A truncated datagram without a newline has no complete line.
            let end = if *length == self.stride { memchr::memrchr(b'\n', chunk)? } else { *length };
            debug_assert!(end <= chunk.len(), "receive() limits the length");
            chunk.get(..end).map(|bytes| Datagram { bytes, source: &Source::Unixgram })
        });
        intake.datagrams(datagrams, Instant::now());
    }
}
