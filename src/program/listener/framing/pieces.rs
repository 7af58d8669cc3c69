//! Complete pieces of a stream, and what else a step finds: too long pieces, and errors. Must not know a buffer.

/// The bytes of a length.
pub(super) const PREFIX_BYTES: usize = 4;
/// The longest frame that is skipped in bytes. A greater length ends the stream: it is probably no length, and what follows would be lost unseen.
pub(super) const MAX_SKIPPED_BYTES: usize = 1 << 20;

/// What one step has found, besides the pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Complete frames.
    pub frames: usize,
    /// Frames over the limit, whose bytes are skipped.
    pub too_long_frames: usize,
    /// Lines over the limit, whose bytes are skipped.
    pub too_long_lines: usize,
    /// Why the stream cannot be split further. All pieces before that point were passed.
    pub error: Option<FramingError>,
}

/// The reason why a stream cannot be split further. Most hold the first bytes of what is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The stream begins neither with a length nor with a line.
    #[error("the stream begins with neither a length nor a line: {0:02x?}")]
    Unknown([u8; PREFIX_BYTES]),
    /// The stream begins with a TLS handshake.
    #[error("the stream begins with a TLS handshake")]
    Tls,
    /// The length of a frame is far over the limit. The stream has probably no lengths.
    #[error("a frame of {length} bytes is over the limit of {MAX_SKIPPED_BYTES}", length = u32::from_le_bytes(*.0))]
    FrameTooLong([u8; PREFIX_BYTES]),
}

/// Complete pieces of a stream, each with one or more lines, like a datagram.
#[derive(Debug, Clone)]
pub struct Pieces<'a>(Kind<'a>);

#[derive(Debug, Clone)]
enum Kind<'a> {
    /// Complete lines in one piece, without the last newline.
    Lines(Option<&'a [u8]>),
    /// Complete frames, each with its length.
    Frames(&'a [u8]),
}

impl<'a> Pieces<'a> {
    /// Complete lines in one piece, without the last newline.
    pub(super) fn lines(lines: &'a [u8]) -> Self {
        Self(Kind::Lines(Some(lines)))
    }

    /// Complete frames, each with its length.
    pub(super) fn frames(bytes: &'a [u8]) -> Self {
        Self(Kind::Frames(bytes))
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match &mut self.0 {
            Kind::Lines(lines) => lines.take(),
            Kind::Frames(bytes) => {
                let (frame, later) = first(bytes)?;
                *bytes = later;
                Some(frame)
            }
        }
    }
}

impl Advanced {
    /// A step that ends the stream.
    pub(super) fn failed(error: FramingError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// The first frame without its length, and what follows it. `None` if it is not complete.
pub(super) fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, later) = length(bytes)?;
    later.split_at_checked(length)
}

/// The length at the start, and what follows it.
pub(super) fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (prefix, later) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    Some((usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX), later))
}
