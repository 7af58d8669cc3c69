//! Frames of DogStatsD: a length of four bytes, the lowest byte first, then that many bytes of lines, as in a datagram.
//!
//! A frame over the limit is skipped without memory. Must not know StatsD or sockets.

use super::buffer::Buffer;
use super::pieces::{Advanced, FramingError, MAX_SKIPPED_BYTES, PREFIX_BYTES, Pieces, first, length};

/// The frames of one stream. The buffer grows from 4 KiB up to the length limit of a frame, while the stream fills it.
pub(super) struct Frames {
    buffer: Buffer,
    frame_bytes: usize,
    /// The bytes that are left of a frame over the limit.
    skipping: usize,
}

impl Frames {
    /// A buffer for frames of at most `frame_bytes`, without their lengths.
    pub(super) fn new(frame_bytes: usize) -> Self {
        Self { buffer: Buffer::new(frame_bytes.saturating_add(PREFIX_BYTES)), frame_bytes, skipping: 0 }
    }

    /// Adds the length of the first frame.
    pub(super) fn begin(&mut self, length: [u8; PREFIX_BYTES], take: &mut impl FnMut(Pieces<'_>)) -> Advanced {
        self.room().iter_mut().zip(length).for_each(|(to, from)| *to = from);
        self.advance(PREFIX_BYTES, take)
    }

    /// The free part of the buffer. It is never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// Adds `read` bytes, which were written to [`room`](Self::room). Passes all complete frames to `take`.
    pub(super) fn advance(&mut self, read: usize, take: &mut impl FnMut(Pieces<'_>)) -> Advanced {
        self.buffer.add(read);
        let data = self.buffer.data();
        let (mut left, mut advanced) = (data, Advanced::default());
        loop {
            left = skip(left, &mut self.skipping);
            let complete = Complete::of(left, self.frame_bytes);
            if complete.frames > 0 {
                take(Pieces::frames(complete.bytes));
                advanced.frames += complete.frames;
                left = complete.later;
            }
            match length(left) {
                Some((length, _)) if length > MAX_SKIPPED_BYTES => {
                    let prefix = left.first_chunk().copied().unwrap_or_default();
                    advanced.error = Some(FramingError::FrameTooLong(prefix));
                    break;
                }
                Some((length, later)) if length > self.frame_bytes => {
                    advanced.too_long_frames += 1;
                    self.skipping = length;
                    left = later;
                }
                Some(_) | None => break,
            }
        }
        let done = data.len() - left.len();
        self.buffer.remove(done, read);
        advanced
    }

    /// The bytes of the last frame, without its length, if the stream ended within it. `None` within a frame over the limit.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        let data = self.buffer.data();
        (!data.is_empty() && self.skipping == 0).then(|| data.get(PREFIX_BYTES..).unwrap_or_default())
    }

    /// The size of the buffer.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer.size()
    }
}

/// The bytes after those that are skipped.
fn skip<'a>(bytes: &'a [u8], skipping: &mut usize) -> &'a [u8] {
    let skipped = (*skipping).min(bytes.len());
    *skipping -= skipped;
    bytes.get(skipped..).unwrap_or_default()
}

/// The complete frames at the start of a buffer.
struct Complete<'a> {
    bytes: &'a [u8],
    later: &'a [u8],
    frames: usize,
}

impl<'a> Complete<'a> {
    fn of(data: &'a [u8], frame_bytes: usize) -> Self {
        let (mut later, mut frames) = (data, 0);
        while let Some((frame, rest)) = first(later).filter(|(frame, _)| frame.len() <= frame_bytes) {
            debug_assert!(frame.len() < later.len(), "a frame has a length");
            (later, frames) = (rest, frames + 1);
        }
        Self { bytes: data.get(..data.len() - later.len()).unwrap_or_default(), later, frames }
    }
}
