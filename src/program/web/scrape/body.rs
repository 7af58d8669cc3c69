//! One scrape: waits for its turn, and is sent the page a piece at a time, as fast as its client takes it.
//!
//! ```text
//! turns       who may be sent a page when; which scrapes get the same one
//!   stream    the page being made, as far ahead of its clients as a few pieces
//!     coding  plain, gzip, zstd
//!     spares  memory for pieces and codings, used again
//! ```
//! Three bounds: threads that render, which is CPU; pages on their way, each some 100 KiB whatever its size; and what a client may
//! keep others waiting. Nothing is lost when a client goes away. Knows the bridge's page as bytes that come in parts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use hyper::header::ACCEPT;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::coding::Coding;
use super::queue::Member;
use super::rendering::{AHEAD, Piece, serve};
use crate::exposition::Negotiated;
use crate::options::Prefix;
use crate::program::web::activity::{Cut, Pulse};
use crate::program::web::connection::accept::Site;
use crate::telemetry::ScrapeCut;

/// No turn in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) struct Busy;

/// A body whose place in memory is given back when the last reference to it is dropped.
pub(in crate::program::web) struct Held {
    body: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl Held {
    pub(in crate::program::web) fn bytes(body: Vec<u8>, place: OwnedSemaphorePermit) -> Bytes {
        Bytes::from_owner(Self { body, _place: place })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// What the client's `Accept` asks for. In the place of statsd_exporter, which has no OpenMetrics, that is not offered.
pub(in crate::program::web) fn negotiated(headers: &HeaderMap, prefix: Prefix) -> Negotiated {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    Negotiated::of(&accept.join(","), prefix != Prefix::Exporter)
}

/// What a scraper says of its time.
#[derive(Debug, Clone, Copy)]
pub(in crate::program::web) struct Times {
    /// When it is answered that there is no turn.
    turn: Instant,
    /// When it gives up.
    end: Option<Instant>,
}

impl Times {
    /// Waits `most` for a turn, or less where the scraper says when it gives up: three quarters of that time, so that rest is
    /// left for the page itself.
    pub(in crate::program::web) fn of(headers: &HeaderMap, most: Duration) -> Self {
        let now = Instant::now();
        let said = said_timeout(headers);
        let turn = now + said.map_or(most, |said| most.min(said * 3 / 4));
        Self { turn, end: said.and_then(|said| now.checked_add(said)) }
    }
}

fn said_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-prometheus-scrape-timeout-seconds")?.to_str().ok()?;
    let said = Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()?;
    // Longer than a day is as good as nothing said.
    (!said.is_zero() && said < Duration::from_secs(86_400)).then_some(said)
}

/// The page, from its first byte on.
pub(in crate::program::web) async fn page(
    site: &Arc<Site>,
    (wanted, coding): (Negotiated, Coding),
    times: Times,
    pulse: Arc<Pulse>,
) -> Result<PageBody, Busy> {
    let (to, mut from) = channel(AHEAD);
    let member = Member { to, pulse: Arc::clone(&pulse) };
    if let Some(gathering) = site.state.pages.join(wanted, coding, member) {
        tokio::spawn(serve(Arc::clone(site), gathering));
    }
    match timeout_at(times.turn, from.recv()).await {
        Ok(Some(Piece::Begun)) => {
            let deadline = times.end.map(|end| Box::pin(sleep_until(end)));
            Ok(PageBody { from, deadline, site: Arc::clone(site), pulse, end: End::NotYet })
        }
        _ => {
            site.bridge.telemetry().scrape.busy.increment(1);
            Err(Busy)
        }
    }
}

/// The body of a page. Fails, and thereby ends the connection before the body's end, if the page cannot be completed.
pub(in crate::program::web) struct PageBody {
    from: Receiver<Piece>,
    deadline: Option<Pin<Box<Sleep>>>,
    site: Arc<Site>,
    pulse: Arc<Pulse>,
    end: End,
}

/// How the page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Complete,
    TimedOut,
    Failed,
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.end == End::Complete {
            return Poll::Ready(None);
        }
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            self.end = End::TimedOut;
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        loop {
            match ready!(self.from.poll_recv(cx)) {
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Begun) => {}
                Some(Piece::End) => {
                    self.end = End::Complete;
                    self.from.close();
                    return Poll::Ready(None);
                }
                None => {
                    self.end = End::Failed;
                    return Poll::Ready(Some(Err(io::Error::other("the page could not be completed"))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Complete
    }
}

impl Drop for PageBody {
    fn drop(&mut self) {
        self.pulse.answered();
        let cut = match (self.pulse.cut(), self.end) {
            (_, End::Complete) => return,
            (Some(Cut::Crowded), _) => ScrapeCut::Crowded,
            (Some(_), _) => ScrapeCut::Slow,
            (None, End::TimedOut) => ScrapeCut::Timeout,
            (None, End::Failed) => ScrapeCut::Failed,
            (None, End::NotYet) => ScrapeCut::Left,
        };
        self.site.bridge.telemetry().scrape.cut(cut);
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_scraper_is_not_kept_waiting_past_its_own_limit() {
        let most = Duration::from_secs(5);
        let times = |text: &'static str| {
            let name = "x-prometheus-scrape-timeout-seconds".parse().expect("a name");
            let before = Instant::now();
            let times = Times::of(&HeaderMap::from_iter([(name, HeaderValue::from_static(text))]), most);
            (times.turn - before, times.end.map(|end| end - before))
        };
        let (turn, end) = times("2");
        assert!(turn >= Duration::from_millis(1500) && turn < most, "{turn:?}");
        assert!(end.is_some_and(|end| end >= Duration::from_secs(2)), "{end:?}");
        let (turn, end) = times("10");
        assert!(turn >= most && end.is_some(), "{turn:?} {end:?}");
        for odd in ["0", "-1", "NaN", "inf", "1e300", "1e6", "soon", ""] {
            let (turn, end) = times(odd);
            assert!(turn >= most && end.is_none(), "{odd}: {turn:?} {end:?}");
        }
    }
}
