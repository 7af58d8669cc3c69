//! Lines that end with a newline. A line over the limit is skipped. Must not know StatsD or sockets.

use super::buffer::Buffer;
use super::pieces::{Advanced, FramingError, Pieces};

/// The first two bytes of a TLS handshake. The third is at most [`MAX_TLS_MINOR`]. No client begins a line with them.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 3];
/// The minor version of a TLS record that no version exceeds.
const MAX_TLS_MINOR: u8 = 4;

/// The lines of one stream. The buffer grows from 4 KiB up to the length limit of a line, while the stream fills it.
pub(super) struct Lines {
    buffer: Buffer,
    line_bytes: usize,
    /// Whether the first bytes of the stream are not decided yet: lines, or a TLS handshake by mistake.
    is_new: bool,
    /// Whether the rest of a line that is too long is skipped, up to its newline.
    skipping: bool,
}

impl Lines {
    /// A buffer for lines of at most `line_bytes`, without the newline.
    pub(super) fn new(line_bytes: usize) -> Self {
        // One more byte for the newline of the longest line.
        Self { buffer: Buffer::new(line_bytes.saturating_add(1)), line_bytes, is_new: true, skipping: false }
    }

    /// Adds the first bytes of a stream.
    pub(super) fn begin(&mut self, mut bytes: &[u8], take: &mut impl FnMut(Pieces<'_>)) -> Advanced {
        let mut all = Advanced::default();
        while let Some((now, later)) = bytes.split_at_checked(bytes.len().min(self.room().len())).filter(|(now, _)| !now.is_empty()) {
            self.room().iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            let advanced = self.advance(now.len(), take);
            all.too_long_lines += advanced.too_long_lines;
            if advanced.error.is_some() {
                return Advanced { error: advanced.error, ..all };
            }
            bytes = later;
        }
        all
    }

    /// The free part of the buffer. It is never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// Adds `read` bytes, which were written to [`room`](Self::room). Passes all complete lines to `take`, in one piece and without the
    /// last newline.
    pub(super) fn advance(&mut self, read: usize, take: &mut impl FnMut(Pieces<'_>)) -> Advanced {
        self.buffer.add(read);
        let data = self.buffer.data();
        if self.is_new {
            match data {
                [first, second, minor, ..] if [*first, *second] == TLS_HANDSHAKE && *minor <= MAX_TLS_MINOR => {
                    return Advanced::failed(FramingError::Tls);
                }
                begin => self.is_new = TLS_HANDSHAKE.starts_with(begin),
            }
        }
        let mut start = 0;
        if self.skipping {
            match memchr::memchr(b'\n', data) {
                Some(end) => (start, self.skipping) = (end + 1, false),
                None => start = data.len(),
            }
        }
        let lines = data.get(start..).unwrap_or_default();
        if let Some((whole, _)) = memchr::memrchr(b'\n', lines).and_then(|end| lines.split_at_checked(end)) {
            take(Pieces::lines(whole));
            start += whole.len() + 1;
        }
        let is_too_long = data.len() - start > self.line_bytes;
        if is_too_long {
            self.skipping = true;
            start = data.len();
        }
        self.buffer.remove(start, read);
        Advanced { too_long_lines: usize::from(is_too_long), ..Advanced::default() }
    }

    /// The last line of a stream that ended without a newline. `None` within a line that is too long.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        Some(self.buffer.data()).filter(|rest| !rest.is_empty() && !self.skipping)
    }

    /// The size of the buffer.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer.size()
    }
}
