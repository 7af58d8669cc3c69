//! One scrape: waits for its turn, renders and compresses on a blocking thread, and keeps the page only until it is sent.
//!
//! Two bounds: pages being rendered, which is CPU, and pages in memory, because a client that reads slowly holds a whole
//! page. Neither turn is lost when a client goes away. Knows the bridge's `render` and nothing of what it writes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::server::Site;
use crate::Negotiated;
use crate::options::Prefix;

/// Fast and nearly as small on pages, which repeat themselves: twice the speed of the usual 6.
const GZIP_LEVEL: u32 = 2;

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPage {
    /// No turn in time.
    Busy,
    /// Rendering failed.
    Failed,
}

/// A body whose place in memory is given back when the last reference to it is dropped.
pub(super) struct Held {
    body: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl Held {
    pub(super) fn bytes(body: Vec<u8>, place: OwnedSemaphorePermit) -> Bytes {
        Bytes::from_owner(Self { body, _place: place })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The page in the format that is wanted, compressed if `gzip`. Waits at most `patience` for its turn.
pub(super) async fn page(site: &Arc<Site>, (wanted, gzip): (Negotiated, bool), patience: Duration) -> Result<Bytes, NoPage> {
    let state = &site.state;
    let turn = async {
        let place = Arc::clone(&state.pages).acquire_owned().await;
        let turn = Arc::clone(&state.renders).acquire_owned().await;
        place.and_then(|place| turn.map(|turn| (place, turn)))
    };
    let Ok(Ok((place, turn))) = timeout(patience, turn).await else {
        site.bridge.telemetry().scrape.busy.increment(1);
        return Err(NoPage::Busy);
    };
    let site = Arc::clone(site);
    let rendered = spawn_blocking(move || {
        let page = render(&site, wanted, gzip);
        drop(turn);
        page
    });
    match rendered.await {
        Ok(Ok(page)) => Ok(Held::bytes(page, place)),
        Ok(Err(_)) | Err(_) => Err(NoPage::Failed),
    }
}

/// Takes as long as the page is big; not for an async thread.
fn render(site: &Site, wanted: Negotiated, gzip: bool) -> io::Result<Vec<u8>> {
    let start = Instant::now();
    let scrape = &site.bridge.telemetry().scrape;
    let expected = site.state.last_page_bytes.load(Ordering::Relaxed);
    let mut page = Vec::with_capacity(expected + expected / 8);
    let mut parts = site.bridge.page_escaped(wanted.format, wanted.escaping, (site.state.clock)());
    while parts.more(&mut page) {}
    site.state.last_page_bytes.store(page.len(), Ordering::Relaxed);
    let bytes = page.len();
    if gzip {
        let mut encoder = GzEncoder::new(Vec::with_capacity(bytes / 8 + 64), Compression::new(GZIP_LEVEL));
        encoder.write_all(&page)?;
        page = encoder.finish()?;
    }
    page.shrink_to_fit();
    scrape.pages.increment(1);
    scrape.bytes.set(bytes as f64);
    scrape.seconds.record(start.elapsed().as_secs_f64());
    Ok(page)
}

/// What the client's `Accept` asks for. In the place of statsd_exporter, which has no OpenMetrics, that is not offered.
pub(super) fn negotiated(headers: &HeaderMap, prefix: Prefix) -> Negotiated {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    Negotiated::of(&accept.join(","), prefix != Prefix::Exporter)
}

/// Whether the client takes gzip: by name, or by `*` where it is not named, in either case with a quality above zero.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, None);
    for coding in headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
        // A quality that is no number is taken as a no: an uncompressed page is right for everybody.
        let yes = quality.is_none_or(|q| q.trim().parse::<f32>().is_ok_and(|q| q > 0.0));
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            named = Some(yes);
        } else if name == "*" {
            any = Some(yes);
        }
    }
    named.or(any).unwrap_or(false)
}

/// How long to wait for a turn: `most`, or less where the scraper says when it gives up. Three quarters of that time, so
/// that rest is left for the page itself.
pub(super) fn turn_patience(headers: &HeaderMap, most: Duration) -> Duration {
    let said = headers.get("x-prometheus-scrape-timeout-seconds").and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    match said.and_then(|seconds| Duration::try_from_secs_f64(seconds * 0.75).ok()) {
        Some(said) if !said.is_zero() => said.min(most),
        _ => most,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_taken_only_where_it_is_wanted() {
        let accepts = |text: &'static str| accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))]));
        for yes in ["gzip", "GZIP", "x-gzip", "deflate, gzip;q=1.0, *;q=0.5", "br,gzip ; q=0.001", "*", "*;q=0, gzip", "gzip;Q=0.5"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzip;q=0.000", "gzip;q=0, *", "*;q=0", "gzip;q=abc", "gzip;q=NaN", "gzip;q=-1", "gzippy"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_scraper_is_not_kept_waiting_past_its_own_limit() {
        let most = Duration::from_secs(5);
        let patience = |text: &'static str| {
            turn_patience(
                &HeaderMap::from_iter([("x-prometheus-scrape-timeout-seconds".parse().expect("a name"), HeaderValue::from_static(text))]),
                most,
            )
        };
        assert_eq!(patience("2"), Duration::from_millis(1500));
        for odd in ["10", "0", "-1", "NaN", "inf", "1e300", "soon", ""] {
            assert_eq!(patience(odd), most, "{odd}");
        }
        assert_eq!(turn_patience(&HeaderMap::new(), most), most);
    }
}
