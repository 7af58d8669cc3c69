//! The state of a compression, made once and used for one exposition after another. Knows bytes, not what they mean.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, Encoder as ZstdEncoder, InBuffer, Operation, OutBuffer};

use super::coding::ContentCoding;

/// Fast and nearly as small on expositions, which repeat themselves: twice the speed of the usual 6.
const GZIP_LEVEL: u32 = 2;

/// 32 KiB, the largest that there is.
const GZIP_WINDOW: u8 = 15;

/// Smaller and faster than gzip; higher levels take more time and memory than they save.
const ZSTD_LEVEL: i32 = 1;

/// 128 KiB, some hundred lines: what repeats itself is near. A quarter of the memory of the usual 512 KiB.
const ZSTD_WINDOW: u32 = 17;

/// Room for what one step puts out.
const STEP_BYTES: usize = 8 << 10;

/// The state of a compression. Worth keeping for the next exposition: it takes hundreds of KiB.
pub(super) enum Compressor {
    Identity,
    Gzip(Compress),
    Zstd(ZstdEncoder<'static>),
}

impl Compressor {
    /// Fails only where there is no memory for it.
    pub(super) fn new(coding: ContentCoding) -> io::Result<Self> {
        Ok(match coding {
            ContentCoding::Identity => Self::Identity,
            ContentCoding::Gzip => Self::Gzip(Compress::new_gzip(Compression::new(GZIP_LEVEL), GZIP_WINDOW)),
            ContentCoding::Zstd => {
                let mut encoder = ZstdEncoder::new(ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW))?;
                Self::Zstd(encoder)
            }
        })
    }

    pub(super) fn coding(&self) -> ContentCoding {
        match self {
            Self::Identity => ContentCoding::Identity,
            Self::Gzip(_) => ContentCoding::Gzip,
            Self::Zstd(_) => ContentCoding::Zstd,
        }
    }

    /// Takes some of `raw`, adds what comes of it to `out`, and returns how much it took.
    pub(super) fn step(&mut self, raw: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        out.reserve(STEP_BYTES);
        match self {
            Self::Identity => Ok(raw.len()),
            Self::Gzip(state) => {
                let before = state.total_in();
                state.compress_vec(raw, out, FlushCompress::None)?;
                Ok(usize::try_from(state.total_in() - before).unwrap_or(raw.len()))
            }
            Self::Zstd(state) => {
                let (at, mut input) = (out.len(), InBuffer::around(raw));
                state.run(&mut input, &mut OutBuffer::around_pos(out, at))?;
                Ok(input.pos())
            }
        }
    }

    /// Adds the last bytes to `out`.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        loop {
            out.reserve(STEP_BYTES);
            let at = out.len();
            let is_done = match self {
                Self::Identity => true,
                Self::Gzip(state) => state.compress_vec(&[], out, FlushCompress::Finish)? == Status::StreamEnd,
                Self::Zstd(state) => state.finish(&mut OutBuffer::around_pos(out, at), true)? == 0,
            };
            if is_done {
                return Ok(());
            }
        }
    }

    /// Makes it ready for the next exposition.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        match self {
            Self::Identity => {}
            Self::Gzip(state) => state.reset(),
            Self::Zstd(state) => state.reinit()?,
        }
        Ok(())
    }
}
