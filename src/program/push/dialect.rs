//! What the requests of each protocol are like: headers, compression, halves. Must not know what is sent, or how.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use snap::raw::{Decoder, Encoder};

use crate::exposition::write::{WriteBatch, WriteVersion, split, split_otlp};

const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");
const RETRY_ATTEMPT: HeaderName = HeaderName::from_static("retry-attempt");

/// The level of gzip: messages are repetitive, so a higher one costs more time than it saves bytes.
const GZIP_LEVEL: u32 = 2;

/// The protocol of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Remote write.
    Write(WriteVersion),
    /// OTLP over HTTP.
    Otlp,
}

/// The compression of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Blocks, without frames. Remote write has no other.
    Snappy,
    Gzip,
    None,
}

impl Coding {
    /// The names of those of OTLP, in files and variables.
    pub(crate) const NAMES: [(&str, Self); 2] = [("gzip", Self::Gzip), ("none", Self::None)];

    /// Compresses a body into memory of exactly its size, so that a queue counts what is really taken. The result is copied for that: if
    /// the longer memory of each were shrunk, a gap that nothing larger fits into would stay between queued requests. `None` if the body
    /// is too large.
    pub(super) fn encode(self, body: Vec<u8>) -> Option<Bytes> {
        let coded = match self {
            Self::Snappy => Encoder::new().compress_vec(&body).ok()?,
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
                encoder.write_all(&body).and_then(|()| encoder.finish()).ok()?
            }
            Self::None => body,
        };
        Some(Bytes::copy_from_slice(&coded))
    }

    /// The body that was compressed.
    pub(super) fn decode(self, coded: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Snappy => Decoder::new().decompress_vec(coded).ok(),
            Self::Gzip => {
                let mut body = Vec::new();
                GzDecoder::new(coded).read_to_end(&mut body).ok().map(|_| body)
            }
            Self::None => Some(coded.to_vec()),
        }
    }

    fn header(self) -> Option<&'static str> {
        match self {
            Self::Snappy => Some("snappy"),
            Self::Gzip => Some("gzip"),
            Self::None => None,
        }
    }
}

impl Dialect {
    /// The compression of a request, if this is that of OTLP.
    pub(super) fn coding(self, of_otlp: Coding) -> Coding {
        match self {
            Self::Write(_) => Coding::Snappy,
            Self::Otlp => of_otlp,
        }
    }

    /// The headers of a request.
    pub(super) fn headers(self, coding: Coding, attempt: u32) -> Vec<(HeaderName, HeaderValue)> {
        // Receivers compare these values byte by byte.
        let (content_type, version) = match self {
            Self::Write(WriteVersion::V1) => ("application/x-protobuf", Some("0.1.0")),
            Self::Write(WriteVersion::V2) => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", Some("2.0.0")),
            Self::Otlp => ("application/x-protobuf", None),
        };
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))];
        headers.extend(coding.header().map(|coding| (CONTENT_ENCODING, HeaderValue::from_static(coding))));
        headers.extend(version.map(|version| (VERSION, HeaderValue::from_static(version))));
        if attempt > 0 && version.is_some() {
            headers.push((RETRY_ATTEMPT, HeaderValue::from(attempt)));
        }
        headers
    }

    /// Two batches of about half the series each. A batch of one series is returned as it is.
    pub(super) fn split(self, batch: WriteBatch) -> Result<(WriteBatch, WriteBatch), WriteBatch> {
        match self {
            Self::Write(version) => split(version, batch),
            Self::Otlp => split_otlp(batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_compressed_and_back() {
        let body: Vec<u8> = (0..10_000_u32).flat_map(|n| (n / 100).to_le_bytes()).collect();
        for (coding, is_smaller) in [(Coding::Snappy, true), (Coding::Gzip, true), (Coding::None, false)] {
            let coded = coding.encode(body.clone()).expect("a body that fits");
            assert_eq!(coded.len() < body.len() / 4, is_smaller, "{coding:?}");
            assert_eq!(coding.decode(&coded), Some(body.clone()), "{coding:?}");
        }
        assert_eq!(Coding::Gzip.decode(b"no gzip"), None);
    }

    #[test]
    fn only_remote_write_has_its_headers() {
        let names = |dialect: Dialect, coding| dialect.headers(coding, 1).into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        let of_write = ["content-type", "content-encoding", "x-prometheus-remote-write-version", "retry-attempt"];
        assert_eq!(names(Dialect::Write(WriteVersion::V1), Coding::Snappy), of_write);
        assert_eq!(names(Dialect::Otlp, Coding::Gzip), ["content-type", "content-encoding"]);
        assert_eq!(names(Dialect::Otlp, Coding::None), ["content-type"]);
    }
}
