//! http2: one connection of HTTP/2 from its first byte to its end.
//!
//! Many requests run at once here, so what the connection waits for is noted request by request: each has a time to be answered
//! in, and each answer a time in which the client must take a piece of it. An answer is given out in pieces, and the next piece
//! only when there is room for it: a client that opens no room is seen.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::program::web::activity::{Cut, Patience, Pulse, STUCK};
use crate::program::web::connection::accept::{Ends, Site, guarded, stopped};

/// Requests of one connection at the same time.
const STREAMS: u32 = 16;
/// Streams reset by the client before they were looked at, and by us for the client's mistakes; one more ends the connection.
const RESETS: usize = 32;
/// Bytes of an answer that are given out at once, and that wait in the connection for each request.
const PIECE: usize = 16 << 10;
/// Bytes of a request's body that a client may send unasked; no body has more than 64 KiB.
const WINDOW: u32 = 64 << 10;

/// Serves until the client leaves, is cut, or the server stops.
pub(in crate::program::web) async fn connection<S>(
    stream: S,
    (site, pulse): (Arc<Site>, Arc<Pulse>),
    ends: Ends,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let streams = Arc::new(Streams::new(pulse));
    let patience = Patience::from(&site.options);
    let builder = builder(&site);
    let (noted, of) = (Arc::clone(&streams), Arc::clone(&site));
    let service = service_fn(move |mut request: Request<Incoming>| {
        // So that the connection of a slow client can be cut for others.
        request.extensions_mut().insert(Arc::clone(&noted.pulse));
        let stream = OpenStream::new(Arc::clone(&noted));
        let site = Arc::clone(&of);
        async move {
            let answer = guarded(&site, request, ends).await;
            stream.progress();
            Ok::<_, Infallible>(answer.map(|body| Pieces { body: Box::pin(body), rest: Bytes::new(), stream }))
        }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut lost = pin!(streams.lost(patience));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => break if let Err(error) = ended { debug!(%error, "HTTP/2 connection ended") },
            cut = lost.as_mut() => {
                site.bridge.telemetry().scrape.connection_cut(cut as usize);
                break debug!(?cut, "HTTP/2 connection cut");
            }
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder(site: &Site) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(site.options.max_header_bytes).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(header_bytes)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .max_send_buf_size(2 * PIECE)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 2);
    builder
}

/// The requests that are open on one connection.
struct Streams {
    open: Mutex<Open>,
    /// What the connection as a whole is doing.
    pulse: Arc<Pulse>,
}

struct Open {
    next: u64,
    by_number: HashMap<u64, Times>,
    /// When the last request ended, or the connection began.
    idle_since: Instant,
}

struct Times {
    asked: Instant,
    /// When the client last took a piece of the answer; none before there is one.
    took: Option<Instant>,
}

impl Streams {
    fn new(pulse: Arc<Pulse>) -> Self {
        Self { open: Mutex::new(Open { next: 0, by_number: HashMap::new(), idle_since: Instant::now() }), pulse }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overdue(&self, patience: &Patience, now: Instant) -> Option<Cut> {
        let open = self.open();
        let passed = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if open.by_number.is_empty() {
            return passed(open.idle_since, patience.idle).then_some(Cut::Idle);
        }
        open.by_number.values().find_map(|times| match times.took {
            Some(took) if passed(took, patience.write) => Some(Cut::Write),
            _ => passed(times.asked, patience.response).then_some(Cut::Response),
        })
    }

    /// Whether there are answers, and the client takes nothing of any.
    fn is_stuck(&self, now: Instant) -> bool {
        let open = self.open();
        let stuck = |times: &Times| times.took.is_some_and(|took| now.saturating_duration_since(took) >= STUCK);
        !open.by_number.is_empty() && open.by_number.values().all(stuck)
    }

    async fn lost(&self, patience: Patience) -> Cut {
        loop {
            tokio::select! {
                () = sleep(patience.step().min(STUCK)) => {}
                cut = self.pulse.ended() => return cut,
            }
            let now = Instant::now();
            self.pulse.wrote(self.is_stuck(now));
            if let Some(cut) = self.overdue(&patience, now) {
                self.pulse.end(cut);
                return cut;
            }
        }
    }
}

/// A request from its header to the last piece of its answer; ends when dropped.
struct OpenStream {
    streams: Arc<Streams>,
    number: u64,
}

impl OpenStream {
    fn new(streams: Arc<Streams>) -> Self {
        let mut open = streams.open();
        let number = open.next;
        open.next += 1;
        if open.by_number.is_empty() {
            streams.pulse.asked();
        }
        open.by_number.insert(number, Times { asked: Instant::now(), took: None });
        drop(open);
        Self { streams, number }
    }

    fn progress(&self) {
        if let Some(times) = self.streams.open().by_number.get_mut(&self.number) {
            times.took = Some(Instant::now());
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        open.by_number.remove(&self.number);
        open.idle_since = Instant::now();
        if open.by_number.is_empty() {
            self.streams.pulse.begin();
        }
    }
}

/// A body in pieces.
struct Pieces<B> {
    body: Pin<Box<B>>,
    rest: Bytes,
    stream: OpenStream,
}

impl<B: Body<Data = Bytes>> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.stream.progress();
        if self.rest.is_empty() {
            let frame = match self.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::program::web::Options;

    #[tokio::test]
    async fn a_body_comes_whole_and_in_pieces() {
        let whole: Vec<u8> = (0..3 * PIECE + 5).map(|n| n as u8).collect();
        let streams = Arc::new(Streams::new(Pulse::new()));
        let body = Box::pin(Full::new(Bytes::from(whole.clone())));
        let mut pieces = Pieces { body, rest: Bytes::new(), stream: OpenStream::new(Arc::clone(&streams)) };
        assert_eq!(pieces.size_hint().exact(), Some(whole.len() as u64));
        let (mut together, mut sizes) = (Vec::new(), Vec::new());
        while let Some(frame) = pieces.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            sizes.push(data.len());
            together.extend_from_slice(&data);
        }
        assert_eq!(sizes, [PIECE, PIECE, PIECE, 5]);
        assert!(together == whole && pieces.is_end_stream());
        assert_eq!(streams.open().by_number.len(), 1);
        drop(pieces);
        assert_eq!(streams.open().by_number.len(), 0);
    }

    #[test]
    fn each_request_has_its_own_time() {
        let second = Duration::from_secs(1);
        let options =
            Options { idle_timeout: 100 * second, write_timeout: 10 * second, response_timeout: 50 * second, ..Options::default() };
        let (patience, streams) = (Patience::from(&options), Arc::new(Streams::new(Pulse::new())));
        let after = |seconds: u32| streams.overdue(&patience, Instant::now() + seconds * second);
        assert_eq!((after(99), after(101)), (None, Some(Cut::Idle)));
        let asked = OpenStream::new(Arc::clone(&streams));
        assert_eq!((after(49), after(51)), (None, Some(Cut::Response)));
        asked.progress();
        let other = OpenStream::new(Arc::clone(&streams));
        assert_eq!((after(9), after(11)), (None, Some(Cut::Write)));
        drop(asked);
        assert_eq!((after(49), after(51)), (None, Some(Cut::Response)));
        drop(other);
        assert_eq!((after(99), after(101)), (None, Some(Cut::Idle)));
    }
}
