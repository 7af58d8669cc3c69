//! Splits a stream of bytes into complete lines within a bounded buffer. Must not know StatsD or sockets.

/// The initial size of a buffer in bytes, to which it shrinks again.
const START_BYTES: usize = 4096;

/// The buffer of one stream. It grows from 4 KiB up to the length limit of a line, while the stream fills it.
pub(super) struct Framing {
    buffer: Vec<u8>,
    /// Bytes in use; never more than the buffer has.
    filled: usize,
    line_bytes: usize,
    /// Whether the rest of a line that is too long is skipped, up to its newline.
    skipping: bool,
}

impl Framing {
    /// A buffer for lines of at most `line_bytes`, without the newline.
    pub(super) fn new(line_bytes: usize) -> Self {
        let size = START_BYTES.min(line_bytes.saturating_add(1));
        Self { buffer: vec![0; size], filled: 0, line_bytes, skipping: false }
    }

    /// The free part of the buffer, for the next read. It is never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        debug_assert!(self.filled < self.buffer.len(), "a full buffer grows, or its line is skipped");
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Adds `read` bytes, which were written to [`room`](Self::room). Passes all complete lines to `take`, in one piece and without the
    /// last newline. Returns how many lines are too long (0 or 1).
    pub(super) fn advance(&mut self, read: usize, take: impl FnOnce(&[u8])) -> usize {
        debug_assert!(read <= self.buffer.len() - self.filled, "more was read than there was room");
        self.filled = self.filled.saturating_add(read).min(self.buffer.len());
        let data = self.buffer.get(..self.filled).unwrap_or_default();
        let mut start = 0;
        if self.skipping {
            match memchr::memchr(b'\n', data) {
                Some(end) => (start, self.skipping) = (end + 1, false),
                None => start = self.filled,
            }
        }
        let lines = data.get(start..).unwrap_or_default();
        if let Some((whole, _)) = memchr::memrchr(b'\n', lines).and_then(|end| lines.split_at_checked(end)) {
            take(whole);
            start += whole.len() + 1;
        }
        let was_full = self.filled == self.buffer.len();
        self.buffer.copy_within(start..self.filled, 0);
        self.filled -= start;
        self.fit(read, was_full)
    }

    /// The last line of a stream that ended without a newline. `None` within a line that is too long.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        self.buffer.get(..self.filled).filter(|rest| !rest.is_empty() && !self.skipping)
    }

    /// Grows a full buffer, shrinks one that is much too large, and skips a line that is too long. Returns how many lines are too long.
    fn fit(&mut self, read: usize, was_full: bool) -> usize {
        // The buffer has one more byte for the newline of the longest line.
        let max = self.line_bytes.saturating_add(1);
        if self.filled > self.line_bytes {
            self.filled = 0;
            self.skipping = true;
            return 1;
        }
        if was_full {
            let size = self.buffer.len().saturating_mul(2).min(max);
            self.buffer.resize(size, 0);
        } else if self.filled < START_BYTES && read < self.buffer.len() / 4 && self.buffer.len() > START_BYTES {
            self.buffer.truncate(START_BYTES);
            self.buffer.shrink_to_fit();
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in pieces of `step` bytes. Returns its lines, how many were too long, and the largest size of the buffer.
    fn feed(stream: &[u8], step: usize, line_bytes: usize) -> (Vec<Vec<u8>>, usize, usize) {
        let mut framing = Framing::new(line_bytes);
        let (mut lines, mut too_long, mut largest) = (Vec::new(), 0, 0);
        let mut left = stream;
        while !left.is_empty() {
            let room = framing.room();
            let n = room.len().min(step).min(left.len());
            assert!(n > 0, "there is always room");
            room[..n].copy_from_slice(&left[..n]);
            left = &left[n..];
            too_long += framing.advance(n, |piece| lines.extend(piece.split(|b| *b == b'\n').map(<[u8]>::to_vec)));
            largest = largest.max(framing.buffer.len());
        }
        lines.extend(framing.rest().map(<[u8]>::to_vec));
        (lines, too_long, largest)
    }

    #[test]
    fn lines_are_complete_for_any_split_of_the_stream() {
        let stream = b"a:1|c\n\nbb:2|c\r\nlast:3|g";
        for step in 1..=stream.len() {
            let (lines, too_long, _) = feed(stream, step, 100);
            assert_eq!(lines, [&b"a:1|c"[..], b"", b"bb:2|c\r", b"last:3|g"], "step {step}");
            assert_eq!(too_long, 0);
        }
    }

    #[test]
    fn only_lines_that_are_too_long_are_lost() {
        let stream = b"ok:1|c\n12345678901234567890\nok:2|c\n1234567890\n12345678901";
        for step in 1..=stream.len() {
            let (lines, too_long, _) = feed(stream, step, 10);
            assert_eq!(lines, [&b"ok:1|c"[..], b"ok:2|c", b"1234567890"], "step {step}");
            assert_eq!(too_long, 2, "step {step}");
        }
    }

    #[test]
    fn the_buffer_grows_to_the_longest_line_only_and_shrinks_again() {
        let mut stream = vec![b'x'; 60_000];
        stream.extend(b"\nshort\n");
        let (lines, too_long, largest) = feed(&stream, 1 << 20, 65_535);
        assert_eq!((lines.len(), too_long, largest), (2, 0, 65_536));

        let mut framing = Framing::new(65_535);
        for step in [4096, 4096, 4096] {
            let room = framing.room();
            room[..step].fill(b'x');
            framing.advance(step, |_| ());
        }
        assert_eq!(framing.buffer.len(), 16_384, "it was filled twice");
        framing.room()[0] = b'\n';
        framing.advance(1, |_| ());
        assert_eq!(framing.buffer.len(), START_BYTES);
    }
}
