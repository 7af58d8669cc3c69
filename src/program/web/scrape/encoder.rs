//! The bytes of one exposition in a content coding, chunk by chunk. Knows no exposition and no thread.

use std::io;
use std::mem;

use super::coding::ContentCoding;
use super::compressor::Compressor;
use super::memory::SpareMemory;

/// Compressed bytes that are worth sending.
const MIN_CHUNK: usize = 32 << 10;

/// Takes an exposition as it is rendered and returns it as it is sent.
pub(super) struct Encoder {
    compressor: Compressor,
    /// What is not yet worth sending.
    compressed: Vec<u8>,
}

impl Encoder {
    /// Fails only where there is no memory for it.
    pub(super) fn new(coding: ContentCoding, memory: &SpareMemory) -> io::Result<Self> {
        let compressor = memory.compressor(coding).map_or_else(|| Compressor::new(coding), Ok)?;
        Ok(Self { compressor, compressed: Vec::new() })
    }

    /// Takes all of `raw`; returns what is to be sent now, which may be nothing. Plain bytes come back as they are, with their
    /// memory, and `raw` is empty; else `raw` is left for the caller to use again.
    pub(super) fn write(&mut self, raw: &mut Vec<u8>, memory: &SpareMemory) -> io::Result<Vec<u8>> {
        if let Compressor::Identity = self.compressor {
            return Ok(mem::take(raw));
        }
        if self.compressed.capacity() == 0 {
            self.compressed = memory.buffer();
        }
        let mut rest = raw.as_slice();
        while !rest.is_empty() {
            let taken = self.compressor.step(rest, &mut self.compressed)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(if self.compressed.len() < MIN_CHUNK { Vec::new() } else { mem::take(&mut self.compressed) })
    }

    /// The last bytes. The state of the compression is kept for the next exposition.
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
    fn every_coding_gives_back_what_it_was_given() {
        let pieces: Vec<Vec<u8>> = (0..40).map(|i| format!("line {i} {}\n", i * 7919).repeat(1000).into_bytes()).collect();
        let memory = SpareMemory::default();
        // Each also with what another exposition left.
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
