//! Rejections without parsing: of lines that the receiver does not have as a whole, and of the datagrams of a sender over its limit.

use super::Worker;
#[cfg(any(feature = "cli", test))]
use super::sums;
use crate::ingest::protocol::SampleError;
use crate::source::Source;
use crate::time::Timestamp;

impl Worker {
    /// Counts a rejected line that the receiver does not have as a whole: it is truncated, or longer than a limit.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn reject_line(&mut self, reason: SampleError) {
        self.count_line(reason);
        self.flush();
    }

    #[cfg(any(feature = "cli", test))]
    fn count_line(&mut self, reason: SampleError) {
        self.tally.lines += 1;
        self.count_error(reason);
    }

    /// As [`reject_line`](Self::reject_line). The log and reports show `source` and the beginning of the line. `datagrams` is 1 if the
    /// line is all that is known of a datagram.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn reject_line_from(&mut self, reason: SampleError, line: &[u8], (source, datagrams): (&Source, u64), now: Timestamp) {
        self.log.rejected(reason.as_str(), line, *source, now);
        self.count_line(reason);
        if let Some(senders) = &mut self.senders {
            senders.line(source, datagrams, line.len(), sums(&self.tally, 0), now);
        }
        #[cfg(feature = "cli")]
        if self.is_watched() {
            self.show_rejected(reason, line, source, now);
        }
        self.flush();
    }

    /// Rejects the lines of a datagram whose sender exceeds its limit. A newline at the end ends no line that is lost.
    #[cold]
    #[inline(never)]
    pub(super) fn reject_datagram(&mut self, lines: u64, bytes: &[u8], source: &Source, now: Timestamp) {
        const REASON: SampleError = SampleError::SourceLinesLimit;
        let empty = u64::from(bytes.last().is_none_or(|last| *last == b'\n'));
        self.tally.lines += lines;
        self.tally.lines_empty += empty;
        let rejected = lines.saturating_sub(empty);
        if rejected > 0 {
            if let Some(count) = self.tally.errors.get_mut(REASON as usize) {
                *count += rejected;
            }
            self.log.lines_rejected(REASON.as_str(), rejected, bytes, *source, now);
        }
    }

    #[cold]
    pub(super) fn reject(&mut self, reason: SampleError, line: &[u8], source: &Source, now: Timestamp) {
        self.count_error(reason);
        self.log.rejected(reason.as_str(), line, *source, now);
    }
}
