//! Content codings: which one a client wants, and the bytes of a page in it, a piece at a time. Knows no page and no thread.

use std::io;
use std::mem;

use flate2::{Compress, Compression, FlushCompress, Status};
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use zstd::stream::raw::{CParameter, Encoder as ZstdEncoder, InBuffer, Operation, OutBuffer};

use super::memory::Spares;

/// Fast and nearly as small on pages, which repeat themselves: twice the speed of the usual 6.
const GZIP_LEVEL: u32 = 2;

/// 32 KiB, the most that there is.
const GZIP_WINDOW: u8 = 15;

/// Smaller and faster than gzip; higher levels take more time and memory than they save.
const ZSTD_LEVEL: i32 = 1;

/// 128 KiB, some hundred lines: what repeats itself is near. A quarter of the memory of the usual 512 KiB.
const ZSTD_WINDOW: u32 = 17;

/// Compressed bytes that are worth being sent.
const WORTH_SENDING: usize = 32 << 10;

/// Room for what a step of compression puts out.
const ROOM: usize = 8 << 10;

/// How the bytes of a page are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) enum Coding {
    /// As they are.
    Identity,
    Gzip,
    Zstd,
}

/// What a client says of one coding, from 0 (never) to 1000; `None` if it does not name it.
type Quality = Option<u16>;

impl Coding {
    /// The coding that the client likes best of those there are; of equals gzip, which every scraper asks for, then zstd. `None` if
    /// it takes none, not even the plain bytes.
    pub(in crate::program::web) fn of(headers: &HeaderMap) -> Option<Self> {
        let (mut gzip, mut zstd, mut identity, mut any): (Quality, Quality, Quality, Quality) = Default::default();
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for coding in values.flat_map(|value| value.split(',')) {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = Some(parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q="))).map_or(1000, quality_of));
            match name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = quality,
                "zstd" => zstd = quality,
                "identity" => identity = quality,
                "*" => any = quality,
                _ => {}
            }
        }
        // What is not named is as `*` says, but for zstd, which not everybody who writes `*` knows. Without that, compression is
        // not wanted, and plain bytes are the last choice.
        let of = |named: Quality, silent: u16| named.or(any).unwrap_or(silent);
        let all = [(of(gzip, 0), Self::Gzip), (zstd.unwrap_or(0), Self::Zstd), (of(identity, 1), Self::Identity)];
        let best = all.into_iter().reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.filter(|(quality, _)| *quality > 0).map(|(_, coding)| coding)
    }

    /// The value of `Content-Encoding`; none for plain bytes.
    pub(in crate::program::web) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }
}

/// A quality that is no number from 0 to 1 is taken as a no: another coding is right for everybody.
fn quality_of(text: &str) -> u16 {
    match text.trim().parse::<f32>() {
        // Anything above nothing is a yes.
        Ok(q) if q > 0.0 && q <= 1.0 => ((q * 1000.0) as u16).max(1),
        _ => 0,
    }
}

/// Takes a page as it is rendered and gives it as it is sent.
pub(super) struct Encoder {
    packer: Packer,
    /// What is not yet worth being sent.
    packed: Vec<u8>,
}

/// The state of a coding. Worth being kept for the next page: it is hundreds of KiB.
pub(super) enum Packer {
    Identity,
    Gzip(Compress),
    Zstd(ZstdEncoder<'static>),
}

impl Packer {
    /// An error only where there is no memory for it.
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Identity => Self::Identity,
            Coding::Gzip => Self::Gzip(Compress::new_gzip(Compression::new(GZIP_LEVEL), GZIP_WINDOW)),
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW))?;
                Self::Zstd(encoder)
            }
        })
    }

    pub(super) fn coding(&self) -> Coding {
        match self {
            Self::Identity => Coding::Identity,
            Self::Gzip(_) => Coding::Gzip,
            Self::Zstd(_) => Coding::Zstd,
        }
    }

    /// Made ready for the next page.
    fn reset(&mut self) -> io::Result<()> {
        match self {
            Self::Identity => {}
            Self::Gzip(packer) => packer.reset(),
            Self::Zstd(packer) => packer.reinit()?,
        }
        Ok(())
    }
}

impl Encoder {
    /// An error only where there is no memory for it.
    pub(super) fn new(coding: Coding, spares: &Spares) -> io::Result<Self> {
        let packer = spares.packer(coding).map_or_else(|| Packer::new(coding), Ok)?;
        Ok(Self { packer, packed: Vec::new() })
    }

    /// Takes all of `raw`; returns what is to be sent now, which may be nothing. Plain bytes come back as they are, with their
    /// memory, and `raw` is empty; else `raw` is left for the caller to use again.
    pub(super) fn write(&mut self, raw: &mut Vec<u8>, spares: &Spares) -> io::Result<Vec<u8>> {
        if let Packer::Identity = self.packer {
            return Ok(mem::take(raw));
        }
        if self.packed.capacity() == 0 {
            self.packed = spares.buffer();
        }
        let mut rest = raw.as_slice();
        while !rest.is_empty() {
            self.packed.reserve(ROOM);
            let taken = self.step(rest)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(if self.packed.len() < WORTH_SENDING { Vec::new() } else { mem::take(&mut self.packed) })
    }

    /// Takes some of `raw`, and says how much.
    fn step(&mut self, raw: &[u8]) -> io::Result<usize> {
        match &mut self.packer {
            Packer::Identity => Ok(raw.len()),
            Packer::Gzip(packer) => {
                let before = packer.total_in();
                packer.compress_vec(raw, &mut self.packed, FlushCompress::None)?;
                Ok(usize::try_from(packer.total_in() - before).unwrap_or(raw.len()))
            }
            Packer::Zstd(packer) => {
                let (at, mut input) = (self.packed.len(), InBuffer::around(raw));
                packer.run(&mut input, &mut OutBuffer::around_pos(&mut self.packed, at))?;
                Ok(input.pos())
            }
        }
    }

    /// The last bytes. What the coding needed is kept for the next page.
    pub(super) fn finish(mut self, spares: &Spares) -> io::Result<Vec<u8>> {
        loop {
            self.packed.reserve(ROOM);
            let at = self.packed.len();
            let is_done = match &mut self.packer {
                Packer::Identity => return Ok(Vec::new()),
                Packer::Gzip(packer) => packer.compress_vec(&[], &mut self.packed, FlushCompress::Finish)? == Status::StreamEnd,
                Packer::Zstd(packer) => packer.finish(&mut OutBuffer::around_pos(&mut self.packed, at), true)? == 0,
            };
            if is_done {
                break;
            }
        }
        if self.packer.reset().is_ok() {
            spares.keep_packer(self.packer);
        }
        Ok(self.packed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn chosen(text: &'static str) -> Option<Coding> {
        Coding::of(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))]))
    }

    #[test]
    fn a_client_gets_the_coding_that_it_likes_best() {
        use Coding::{Gzip, Identity, Zstd};
        for (text, want) in [
            ("gzip", Gzip),
            ("GZIP", Gzip),
            ("x-gzip", Gzip),
            ("deflate, gzip;q=1.0, *;q=0.5", Gzip),
            ("br,gzip ; q=0.001", Gzip),
            ("br, gzip;q=0.5", Gzip),
            ("*", Gzip),
            ("*;q=0, gzip", Gzip),
            ("gzip;Q=0.5", Gzip),
            ("zstd", Zstd),
            ("gzip, zstd", Gzip),
            ("gzip;q=0.9, zstd", Zstd),
            ("zstd;q=0.9, gzip;q=0", Zstd),
            ("gzip;q=0.5, identity", Identity),
            ("", Identity),
            ("identity", Identity),
            ("br", Identity),
            ("gzip;q=0", Identity),
            ("gzip;q=0.000", Identity),
            ("gzip;q=0, zstd;q=0, *", Identity),
            ("gzip;q=abc", Identity),
            ("gzip;q=NaN", Identity),
            ("gzip;q=-1", Identity),
            ("gzip;q=7", Identity),
            ("gzippy", Identity),
            ("identity;q=0, gzip", Gzip),
        ] {
            assert_eq!(chosen(text), Some(want), "{text}");
        }
        for nothing in ["identity;q=0", "*;q=0", "gzip;q=0, *;q=0", "identity;q=0, br"] {
            assert_eq!(chosen(nothing), None, "{nothing}");
        }
        assert_eq!(Coding::of(&HeaderMap::new()), Some(Identity));
    }

    #[test]
    fn every_coding_gives_back_what_it_was_given() {
        let pieces: Vec<Vec<u8>> = (0..40).map(|i| format!("line {i} {}\n", i * 7919).repeat(1000).into_bytes()).collect();
        let spares = Spares::default();
        // Each also with what another page left.
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd, Coding::Gzip, Coding::Zstd] {
            let mut encoder = Encoder::new(coding, &spares).expect("memory");
            let mut sent = Vec::new();
            for piece in &pieces {
                let mut raw = piece.clone();
                sent.extend(encoder.write(&mut raw, &spares).expect("memory"));
            }
            sent.extend(encoder.finish(&spares).expect("memory"));
            let mut plain = Vec::new();
            match coding {
                Coding::Identity => plain = sent,
                Coding::Gzip => drop(GzDecoder::new(&sent[..]).read_to_end(&mut plain).expect("gzip")),
                Coding::Zstd => plain = zstd::decode_all(&sent[..]).expect("zstd"),
            }
            assert!(plain == pieces.concat(), "{coding:?}");
        }
    }
}
