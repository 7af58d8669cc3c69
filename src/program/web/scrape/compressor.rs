//! The state of a compression, reused for one exposition after another.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, Encoder as ZstdEncoder, InBuffer, Operation, OutBuffer};

use super::coding::ContentCoding;

/// Twice as fast as the default level 6; expositions are repetitive, so the output is hardly larger.
const GZIP_LEVEL: u32 = 2;

/// 32 KiB, the maximum.
const GZIP_WINDOW: u8 = 15;

/// Smaller output than gzip, and faster. Higher levels cost more time and memory than they save.
const ZSTD_LEVEL: i32 = 1;

/// 128 KiB, several hundred lines: repetitions in an exposition are close together. The default window is 512 KiB.
const ZSTD_WINDOW: u32 = 17;

/// Capacity for the output of one step.
const STEP_BYTES: usize = 8 << 10;

/// The state of a compression. It has hundreds of KiB, so it is kept for the next exposition.
pub(super) enum Compressor {
    Identity,
    Gzip(Compress),
    Zstd(ZstdEncoder<'static>),
}

impl Compressor {
    /// Fails only if memory cannot be allocated.
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

    /// Compresses some of `raw`, appends the output to `out`, and returns the rest of `raw`.
    pub(super) fn step<'raw>(&mut self, raw: &'raw [u8], out: &mut Vec<u8>) -> io::Result<&'raw [u8]> {
        out.reserve(STEP_BYTES);
        let consumed = match self {
            Self::Identity => raw.len(),
            Self::Gzip(state) => {
                let before = state.total_in();
                state.compress_vec(raw, out, FlushCompress::None)?;
                usize::try_from(state.total_in() - before).map_err(io::Error::other)?
            }
            Self::Zstd(state) => {
                let (at, mut input) = (out.len(), InBuffer::around(raw));
                state.run(&mut input, &mut OutBuffer::around_pos(out, at))?;
                input.pos()
            }
        };
        raw.get(consumed..).ok_or_else(|| io::Error::other("the compressor consumed more than its input"))
    }

    /// Appends the last bytes to `out`.
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

    /// Resets the state for the next exposition.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        match self {
            Self::Identity => {}
            Self::Gzip(state) => state.reset(),
            Self::Zstd(state) => state.reinit()?,
        }
        Ok(())
    }
}
