//! Compression of requests, into memory that is used again.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use snap::raw::{Encoder, max_compress_len};

use super::dialect::Coding;

/// The level of gzip: messages are repetitive, so a higher one costs more time than it saves bytes.
const GZIP_LEVEL: u32 = 2;

/// Compresses the requests of a cycle.
pub(super) struct Compressor {
    coding: Coding,
    encoder: Encoder,
    /// Room for a result. A queued request shares no memory with it: if each had its own, shrunk to fit, the rest
    /// of each would be a gap between queued requests that nothing larger fits into, and the queue would take several times its bytes.
    room: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(coding: Coding) -> Self {
        Self { coding, encoder: Encoder::new(), room: Vec::new() }
    }

    /// The compressed bytes, without spare capacity, so that the queue counts what is really taken. `None` if the body is too large.
    pub(super) fn compress(&mut self, body: &[u8]) -> Option<Bytes> {
        let length = match self.coding {
            Coding::Snappy => {
                let most = max_compress_len(body.len());
                if self.room.len() < most {
                    self.room.resize(most, 0);
                }
                self.encoder.compress(body, &mut self.room).ok()?
            }
            Coding::Gzip => {
                self.room.clear();
                let mut encoder = GzEncoder::new(std::mem::take(&mut self.room), Compression::new(GZIP_LEVEL));
                self.room = encoder.write_all(body).and_then(|()| encoder.finish()).ok()?;
                self.room.len()
            }
            Coding::None => return Some(Bytes::copy_from_slice(body)),
        };
        self.room.get(..length).map(Bytes::copy_from_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_compressed_and_back() {
        let body: Vec<u8> = (0..10_000_u32).flat_map(|n| (n / 100).to_le_bytes()).collect();
        for (coding, is_smaller) in [(Coding::Snappy, true), (Coding::Gzip, true), (Coding::None, false)] {
            let mut compressor = Compressor::new(coding);
            for body in [&body[..], &body[..100], &body[..9_000]] {
                let coded = compressor.compress(body).expect("a body that fits");
                assert_eq!(coded.len() < body.len() / 2, is_smaller, "{coding:?}");
                assert_eq!(coding.decode(&coded).as_deref(), Some(body), "{coding:?}");
            }
        }
        assert_eq!(Coding::Gzip.decode(b"no gzip"), None);
    }
}
