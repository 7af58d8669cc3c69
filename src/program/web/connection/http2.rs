//! One connection of HTTP/2 from its first byte to its end, on any stream.
//!
//! Many requests run at once here, so progress is noted for each request: it has a deadline for its whole response, and one for the
//! client to take the next part of it. A response is given out in parts, and the next part only when there is room for it: a client
//! that opens no window is noticed. This module knows no paths and no TLS.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::client::ClientConnection;
use crate::program::web::activity::{Activity, CutReason, Deadlines, STALLED};

/// Requests of one connection at the same time.
const MAX_REQUESTS: u32 = 16;
/// Streams reset by the client before they were accepted, and streams reset for the client's mistakes; one more ends the
/// connection.
const MAX_RESETS: usize = 32;
/// Bytes of a response that are given out at once, and that wait in the connection for each request.
const PART_BYTES: usize = 16 << 10;
/// Bytes of a request's body that a client may send unasked; no body has more than 64 KiB.
const WINDOW_BYTES: u32 = 64 << 10;

/// Serves until the client leaves, is cut, or the server stops.
pub(in crate::program::web) async fn serve<S>(stream: S, connection: ClientConnection)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let requests = Arc::new(RequestProgress::new(Arc::clone(&connection.activity)));
    let service = service_fn(|request: Request<Incoming>| {
        let open = OpenRequest::new(Arc::clone(&requests));
        let response = connection.respond(request);
        async move {
            let response = response.await;
            open.progress();
            Ok::<_, Infallible>(response.map(|body| PartedBody { body: Box::pin(body), rest: Bytes::new(), open }))
        }
    });
    let mut serving = pin!(builder(connection.limits.header_bytes).serve_connection(TokioIo::new(stream), service));
    let mut overdue = pin!(requests.cut_when_overdue(connection.limits.deadlines));
    let mut ending = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => break if let Err(error) = ended {
                fault_of_client(&error).inspect(|reason| connection.count_cut(*reason));
                debug!(%error, "HTTP/2 connection ended");
            },
            cut = overdue.as_mut() => {
                connection.count_cut(cut);
                break debug!(?cut, "HTTP/2 connection cut");
            }
            () = connection.to_end(), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Why the connection was ended from here, where the reason is what the client did.
fn fault_of_client(error: &hyper::Error) -> Option<CutReason> {
    let error: &h2::Error = error.source()?.downcast_ref()?;
    match error.reason().filter(|_| error.is_library())? {
        Reason::ENHANCE_YOUR_CALM => Some(CutReason::Flood),
        _ => Some(CutReason::Malformed),
    }
}

fn builder(header_bytes: usize) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_REQUESTS)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .max_send_buf_size(2 * PART_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES * 2);
    builder
}

/// The progress of all open requests of one connection.
struct RequestProgress {
    open: Mutex<OpenRequests>,
    /// The activity of the connection as a whole.
    activity: Arc<Activity>,
}

struct OpenRequests {
    next: u64,
    by_number: HashMap<u64, RequestTimes>,
    /// When the last request ended, or the connection began.
    idle_since: Instant,
}

struct RequestTimes {
    began: Instant,
    /// When the client last took a part of the response; none before there is a response.
    took: Option<Instant>,
}

impl RequestProgress {
    fn new(activity: Arc<Activity>) -> Self {
        let open = OpenRequests { next: 0, by_number: HashMap::new(), idle_since: Instant::now() };
        Self { open: Mutex::new(open), activity }
    }

    fn open(&self) -> MutexGuard<'_, OpenRequests> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The deadline that is missed at `now`, if any.
    fn overdue(&self, deadlines: &Deadlines, now: Instant) -> Option<CutReason> {
        let open = self.open();
        let passed = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if open.by_number.is_empty() {
            return passed(open.idle_since, deadlines.idle).then_some(CutReason::Idle);
        }
        open.by_number.values().find_map(|times| match times.took {
            Some(took) if passed(took, deadlines.write) => Some(CutReason::Write),
            _ => passed(times.began, deadlines.response).then_some(CutReason::Response),
        })
    }

    /// Whether there are responses, and the client takes nothing of any.
    fn is_stalled(&self, now: Instant) -> bool {
        let open = self.open();
        let stalled = |times: &RequestTimes| times.took.is_some_and(|took| now.saturating_duration_since(took) >= STALLED);
        !open.by_number.is_empty() && open.by_number.values().all(stalled)
    }

    /// Waits until a request misses a deadline, or another task cuts the connection.
    async fn cut_when_overdue(&self, deadlines: Deadlines) -> CutReason {
        loop {
            tokio::select! {
                () = sleep(deadlines.check_interval().min(STALLED)) => {}
                cut = self.activity.cut_by_others() => return cut,
            }
            let now = Instant::now();
            self.activity.took(self.is_stalled(now));
            if let Some(cut) = self.overdue(&deadlines, now) {
                self.activity.cut(cut);
                return cut;
            }
        }
    }
}

/// One request from its header to the last part of its response; ends when dropped.
struct OpenRequest {
    requests: Arc<RequestProgress>,
    number: u64,
}

impl OpenRequest {
    fn new(requests: Arc<RequestProgress>) -> Self {
        let mut open = requests.open();
        let number = open.next;
        open.next += 1;
        if open.by_number.is_empty() {
            requests.activity.request_began();
        }
        open.by_number.insert(number, RequestTimes { began: Instant::now(), took: None });
        drop(open);
        Self { requests, number }
    }

    /// The client took a part of the response, or the response began.
    fn progress(&self) {
        if let Some(times) = self.requests.open().by_number.get_mut(&self.number) {
            times.took = Some(Instant::now());
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut open = self.requests.open();
        open.by_number.remove(&self.number);
        open.idle_since = Instant::now();
        if open.by_number.is_empty() {
            self.requests.activity.awaits_request();
        }
    }
}

/// A body that is given out in parts of bounded size.
struct PartedBody<B> {
    body: Pin<Box<B>>,
    rest: Bytes,
    open: OpenRequest,
}

impl<B: Body<Data = Bytes>> Body for PartedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.open.progress();
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
        let part = self.rest.len().min(PART_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(part)))))
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

    #[tokio::test]
    async fn a_body_comes_whole_and_in_parts() {
        let whole: Vec<u8> = (0..3 * PART_BYTES + 5).map(|n| n as u8).collect();
        let requests = Arc::new(RequestProgress::new(Activity::new()));
        let body = Box::pin(Full::new(Bytes::from(whole.clone())));
        let mut parts = PartedBody { body, rest: Bytes::new(), open: OpenRequest::new(Arc::clone(&requests)) };
        assert_eq!(parts.size_hint().exact(), Some(whole.len() as u64));
        let (mut together, mut sizes) = (Vec::new(), Vec::new());
        while let Some(frame) = parts.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            sizes.push(data.len());
            together.extend_from_slice(&data);
        }
        assert_eq!(sizes, [PART_BYTES, PART_BYTES, PART_BYTES, 5]);
        assert!(together == whole && parts.is_end_stream());
        assert_eq!(requests.open().by_number.len(), 1);
        drop(parts);
        assert_eq!(requests.open().by_number.len(), 0);
    }

    #[test]
    fn each_request_has_its_own_time() {
        let second = Duration::from_secs(1);
        let deadlines = Deadlines { idle: 100 * second, header: 10 * second, write: 10 * second, response: 50 * second };
        let requests = Arc::new(RequestProgress::new(Activity::new()));
        let after = |seconds: u32| requests.overdue(&deadlines, Instant::now() + seconds * second);
        assert_eq!((after(99), after(101)), (None, Some(CutReason::Idle)));
        let first = OpenRequest::new(Arc::clone(&requests));
        assert_eq!((after(49), after(51)), (None, Some(CutReason::Response)));
        first.progress();
        let other = OpenRequest::new(Arc::clone(&requests));
        assert_eq!((after(9), after(11)), (None, Some(CutReason::Write)));
        drop(first);
        assert_eq!((after(49), after(51)), (None, Some(CutReason::Response)));
        drop(other);
        assert_eq!((after(99), after(101)), (None, Some(CutReason::Idle)));
    }
}
