//! Compression in blocks of snappy, into memory that is used again.

use bytes::Bytes;
use snap::raw::{Encoder, max_compress_len};

/// Compresses the requests of a cycle.
pub(super) struct Compressor {
    encoder: Encoder,
    /// Room for the longest possible result. A queued request shares no memory with it: if each had its own, shrunk to fit, the rest
    /// of each would be a gap between queued requests that nothing larger fits into, and the queue would take several times its bytes.
    room: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> Self {
        Self { encoder: Encoder::new(), room: Vec::new() }
    }

    /// The compressed bytes, without spare capacity, so that the queue counts what is really taken.
    pub(super) fn compress(&mut self, body: &[u8]) -> Result<Bytes, snap::Error> {
        let most = max_compress_len(body.len());
        if self.room.len() < most {
            self.room.resize(most, 0);
        }
        let length = self.encoder.compress(body, &mut self.room)?;
        Ok(Bytes::copy_from_slice(self.room.get(..length).unwrap_or_default()))
    }
}
