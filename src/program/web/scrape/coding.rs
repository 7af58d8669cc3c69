//! Content codings, and negotiation from the `Accept-Encoding` header.

use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};

/// The content coding of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) enum ContentCoding {
    /// No compression.
    Identity,
    Gzip,
    Zstd,
}

/// The quality of one coding, from 0 (not acceptable) to 1000; `None` if the header does not name the coding.
type Quality = Option<u16>;

impl ContentCoding {
    /// The coding that the client prefers. With equal qualities, gzip precedes zstd, because every scraper supports it. If the
    /// header names zstd before gzip, as Prometheus does if it is configured for zstd, zstd precedes gzip. `None` if the client
    /// accepts no coding, not even identity.
    pub(in crate::program::web) fn of(headers: &HeaderMap) -> Option<Self> {
        let (mut gzip, mut zstd, mut identity, mut any): (Quality, Quality, Quality, Quality) = Default::default();
        let mut zstd_is_first = false;
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for coding in values.flat_map(|value| value.split(',')) {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let quality = parameters.split(';').map(str::trim).find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
            let quality = Some(quality.map_or(1000, quality_of));
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = quality,
                "zstd" => {
                    zstd = quality;
                    zstd_is_first = gzip.is_none();
                }
                "identity" => identity = quality,
                "*" => any = quality,
                _ => {}
            }
        }
        // An unnamed coding has the quality of `*`, except zstd, which not every client that sends `*` can decode. Without `*`, an
        // unnamed compression is not acceptable, and identity is the last choice.
        let of = |named: Quality, default: u16| named.or(any).unwrap_or(default);
        let (gzip, zstd) = ((of(gzip, 0), Self::Gzip), (zstd.unwrap_or(0), Self::Zstd));
        let (first, second) = if zstd_is_first { (zstd, gzip) } else { (gzip, zstd) };
        let all = [first, second, (of(identity, 1), Self::Identity)];
        let best = all.into_iter().reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.filter(|(quality, _)| *quality > 0).map(|(_, coding)| coding)
    }

    /// The value of `Content-Encoding`; `None` for identity.
    pub(in crate::program::web) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }
}

/// An invalid quality counts as 0, because the client can still decode another coding.
fn quality_of(text: &str) -> u16 {
    match text.trim().parse::<f32>() {
        // A quality below 0.001 is still acceptable.
        Ok(q) if q > 0.0 && q <= 1.0 => ((q * 1000.0) as u16).max(1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &'static str) -> Option<ContentCoding> {
        ContentCoding::of(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))]))
    }

    #[test]
    fn the_preferred_coding_is_chosen() {
        use ContentCoding::{Gzip, Identity, Zstd};
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
            // Prometheus 3.16 with its feature zstd-scrape.
            ("zstd,gzip", Zstd),
            ("zstd;q=0.9, gzip", Gzip),
            ("zstd;q=0, gzip", Gzip),
            ("zstd, *", Zstd),
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
        assert_eq!(ContentCoding::of(&HeaderMap::new()), Some(Identity));
    }
}
