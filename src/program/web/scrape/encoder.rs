//! Applies a content coding to one exposition, chunk by chunk.

use std::io;
use std::mem;

use super::coding::ContentCoding;
use super::compressor::Compressor;
use super::memory::SpareMemory;

/// Compressed bytes are sent in chunks of at least this size.
const MIN_CHUNK: usize = 32 << 10;

/// Encodes one exposition.
pub(super) struct Encoder {
    compressor: Compressor,
    /// Compressed bytes, not yet enough for a chunk.
    compressed: Vec<u8>,
}

impl Encoder {
    /// Fails only if memory cannot be allocated.
    pub(super) fn new(coding: ContentCoding, memory: &SpareMemory) -> io::Result<Self> {
        let compressor = memory.compressor(coding).map_or_else(|| Compressor::new(coding), Ok)?;
        Ok(Self { compressor, compressed: Vec::new() })
    }

    /// Encodes all of `raw` and returns the bytes to send now, which may be none. Without compression it moves the bytes out of `raw`;
    /// with compression the caller can reuse the buffer.
    pub(super) fn write(&mut self, raw: &mut Vec<u8>, memory: &SpareMemory) -> io::Result<Vec<u8>> {
        if let Compressor::Identity = self.compressor {
            return Ok(mem::take(raw));
        }
        if self.compressed.capacity() == 0 {
            self.compressed = memory.buffer();
        }
        let mut rest = raw.as_slice();
        while !rest.is_empty() {
            rest = self.compressor.step(rest, &mut self.compressed)?;
        }
        Ok(if self.compressed.len() < MIN_CHUNK { Vec::new() } else { mem::take(&mut self.compressed) })
    }

    /// Returns the last bytes. Keeps the compressor for the next exposition.
    pub(super) fn finish(mut self, memory: &SpareMemory) -> io::Result<Vec<u8>> {
        if let Compressor::Identity = self.compressor {
            return Ok(Vec::new());
        }
        self.compressor.finish(&mut self.compressed)?;
        if self.compressor.reset().is_ok() {
            memory.keep_compressor(self.compressor);
        }
        Ok(self.compressed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn every_coding_is_lossless() {
        let pieces: Vec<Vec<u8>> = (0..40).map(|i| format!("line {i} {}\n", i * 7919).repeat(1000).into_bytes()).collect();
        let memory = SpareMemory::default();
        // The second use of a coding reuses the compressor.
        for coding in [ContentCoding::Identity, ContentCoding::Gzip, ContentCoding::Zstd, ContentCoding::Gzip, ContentCoding::Zstd] {
            let mut encoder = Encoder::new(coding, &memory).expect("there is memory");
            let mut sent = Vec::new();
            for piece in &pieces {
                let mut raw = piece.clone();
                sent.extend(encoder.write(&mut raw, &memory).expect("there is memory"));
            }
            sent.extend(encoder.finish(&memory).expect("there is memory"));
            let mut plain = Vec::new();
            match coding {
                ContentCoding::Identity => plain = sent,
                ContentCoding::Gzip => drop(GzDecoder::new(&sent[..]).read_to_end(&mut plain).expect("gzip")),
                ContentCoding::Zstd => plain = zstd::decode_all(&sent[..]).expect("zstd"),
            }
            assert!(plain == pieces.concat(), "{coding:?}");
        }
    }
}
