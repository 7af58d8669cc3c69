//! Some Unix datagrams at once, and the cut ones among them. Must not know where they come from.

use std::io;
use std::time::Instant;

use crate::ingest::pipeline::Datagram;
use crate::ingest::protocol::SampleError;
use crate::program::listener::intake::Intake;
use crate::source::Source;
use crate::telemetry::Telemetry;

/// Datagrams taken before they are handed in.
const BATCH: usize = 16;

/// Some datagrams on their way from the kernel to the intake.
pub(super) struct UnixgramBatch {
    memory: Vec<u8>,
    /// One more than a datagram may have, which tells the ones that are cut.
    stride: usize,
    lengths: Vec<usize>,
}

impl UnixgramBatch {
    pub(super) fn new(datagram_bytes: usize) -> Self {
        let stride = datagram_bytes.saturating_add(1);
        Self { memory: vec![0; stride.saturating_mul(BATCH)], stride, lengths: Vec::with_capacity(BATCH) }
    }

    /// How many datagrams it holds.
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Fills the batch; the error that ended it, if one did.
    pub(super) fn receive(&mut self, receive: impl Fn(&mut [u8]) -> io::Result<usize>) -> Option<io::Error> {
        self.lengths.clear();
        for chunk in self.memory.chunks_exact_mut(self.stride) {
            match receive(chunk) {
                Ok(length) => self.lengths.push(length),
                Err(error) => return Some(error),
            }
        }
        None
    }

    pub(super) fn hand_in(&self, intake: &mut Intake, telemetry: &Telemetry) {
        if self.lengths.is_empty() {
            return;
        }
        telemetry.transport.unixgram_packets.increment(self.lengths.len() as u64);
        let received = self.memory.chunks_exact(self.stride).zip(&self.lengths);
        for (cut, _) in received.clone().filter(|(_, length)| **length == self.stride) {
            telemetry.transport.unixgram_truncated.increment(1);
            let start = memchr::memrchr(b'\n', cut).map_or(0, |end| end + 1);
            intake.reject_line(SampleError::TruncatedLine, cut.get(start..).unwrap_or_default(), &Source::Unixgram, Instant::now());
        }
        let datagrams = received.filter_map(|(chunk, length)| {
            let whole = chunk.get(..*length)?;
            let bytes = if *length == self.stride { whole.get(..memchr::memrchr(b'\n', whole)?)? } else { whole };
            Some(Datagram { bytes, source: &Source::Unixgram })
        });
        intake.datagrams(datagrams, Instant::now());
    }
}
