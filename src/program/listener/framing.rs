//! Splits the stream of a connection into complete lines or frames, within a bounded buffer.
//!
//! ```text
//! pieces  complete lines or frames, and what else a step finds
//! buffer  the bytes that are not complete yet
//! lines   lines that end with a newline
//! frames  frames of DogStatsD: a length of four bytes, the lowest byte first, then that many bytes of lines
//! ```
//! With [`StreamFraming::Auto`], the first four bytes of a stream decide. Must not know StatsD, sockets or the time.

mod buffer;
mod frames;
mod lines;
mod pieces;

use self::frames::Frames;
use self::lines::Lines;
use self::pieces::PREFIX_BYTES;
pub use self::pieces::{Advanced, FramingError, Pieces};

/// How a stream is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFraming {
    /// The first four bytes of the stream decide. A length of at most 65,535 bytes has zeros in its last two bytes, which no line has.
    Auto,
    /// By the length in front of each frame.
    Length,
    /// By newlines.
    Newline,
}

/// The limits of what one stream keeps in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramingLimits {
    /// Length limit of a line in bytes, without the newline.
    pub line_bytes: usize,
    /// Length limit of a frame in bytes, without its length.
    pub frame_bytes: usize,
}

/// Splits one stream.
pub struct Framing {
    state: State,
    limits: FramingLimits,
}

enum State {
    Undecided(Start),
    Lines(Lines),
    Frames(Frames),
}

/// The first bytes of a stream, before it is known how to split it.
#[derive(Clone, Copy, Default)]
struct Start {
    bytes: [u8; PREFIX_BYTES],
    filled: usize,
}

/// What is left at the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest<'a> {
    /// Nothing.
    Nothing,
    /// A line without its newline.
    Line(&'a [u8]),
    /// The bytes of a frame that is not complete, without its length. There may be none.
    HalfFrame(&'a [u8]),
}

impl Framing {
    /// Splits a new stream.
    pub fn new(framing: StreamFraming, limits: FramingLimits) -> Self {
        let state = match framing {
            StreamFraming::Auto => State::Undecided(Start::default()),
            StreamFraming::Length => State::Frames(Frames::new(limits.frame_bytes)),
            StreamFraming::Newline => State::Lines(Lines::new(limits.line_bytes)),
        };
        Self { state, limits }
    }

    /// The free part of the buffer, for the next read. It is never empty.
    pub fn room(&mut self) -> &mut [u8] {
        match &mut self.state {
            State::Undecided(start) => start.bytes.get_mut(start.filled..).unwrap_or_default(),
            State::Lines(lines) => lines.room(),
            State::Frames(frames) => frames.room(),
        }
    }

    /// Adds `read` bytes, which were written to [`room`](Self::room). Passes all complete pieces to `take`.
    pub fn advance(&mut self, read: usize, mut take: impl FnMut(Pieces<'_>)) -> Advanced {
        match &mut self.state {
            State::Undecided(start) => {
                start.filled = start.filled.saturating_add(read).min(PREFIX_BYTES);
                let start = *start;
                if start.filled < PREFIX_BYTES { Advanced::default() } else { self.decide(start, &mut take) }
            }
            State::Lines(lines) => lines.advance(read, &mut take),
            State::Frames(frames) => frames.advance(read, &mut take),
        }
    }

    /// Whether the stream has begun, but with too few bytes to know how to split it.
    pub fn is_undecided(&self) -> bool {
        matches!(&self.state, State::Undecided(start) if start.filled > 0)
    }

    /// Ends the wait for the first four bytes: fewer bytes than a length begin a line, unless one of them is a NUL.
    pub fn stop_waiting(&mut self, mut take: impl FnMut(Pieces<'_>)) -> Advanced {
        match &self.state {
            State::Undecided(start) if start.filled > 0 => {
                let start = *start;
                start.error().map_or_else(|| self.split_lines(start, &mut take), Advanced::failed)
            }
            _ => Advanced::default(),
        }
    }

    /// Ends the stream. A stream of fewer bytes than a length has lines. `take` receives its complete lines; [`rest`](Self::rest) is the
    /// remainder.
    pub fn end(&mut self, mut take: impl FnMut(Pieces<'_>)) -> Advanced {
        match &self.state {
            State::Undecided(start) => {
                let start = *start;
                self.split_lines(start, &mut take)
            }
            _ => Advanced::default(),
        }
    }

    /// What is left after the last complete piece.
    pub fn rest(&self) -> Rest<'_> {
        match &self.state {
            State::Undecided(start) => start.bytes.get(..start.filled).filter(|bytes| !bytes.is_empty()).map_or(Rest::Nothing, Rest::Line),
            State::Lines(lines) => lines.rest().map_or(Rest::Nothing, Rest::Line),
            State::Frames(frames) => frames.rest().map_or(Rest::Nothing, Rest::HalfFrame),
        }
    }

    /// The bytes that the stream occupies in memory.
    pub fn buffer_bytes(&self) -> usize {
        match &self.state {
            State::Undecided(_) => PREFIX_BYTES,
            State::Lines(lines) => lines.buffer_bytes(),
            State::Frames(frames) => frames.buffer_bytes(),
        }
    }

    fn decide(&mut self, start: Start, take: &mut impl FnMut(Pieces<'_>)) -> Advanced {
        if let [_, _, 0, 0] = start.bytes {
            let mut frames = Frames::new(self.limits.frame_bytes);
            let advanced = frames.begin(start.bytes, take);
            self.state = State::Frames(frames);
            return advanced;
        }
        start.error().map_or_else(|| self.split_lines(start, take), Advanced::failed)
    }

    fn split_lines(&mut self, start: Start, take: &mut impl FnMut(Pieces<'_>)) -> Advanced {
        let mut lines = Lines::new(self.limits.line_bytes);
        let advanced = lines.begin(start.bytes.get(..start.filled).unwrap_or_default(), take);
        self.state = State::Lines(lines);
        advanced
    }
}

impl Start {
    fn error(self) -> Option<FramingError> {
        let has_nul = self.bytes.iter().take(self.filled).any(|byte| *byte == 0);
        has_nul.then_some(FramingError::Unknown(self.bytes))
    }
}

#[cfg(test)]
mod tests;
