//! Serves one HTTP/2 connection on any stream.
//!
//! Requests run concurrently, so progress is recorded for each request. Each has a deadline for its whole response, and one for the
//! client to read the next part. Responses are split into parts, and hyper polls for the next part only when the client's window has
//! room. Therefore a client that opens no window misses the deadline.

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
use crate::program::web::response::is_endless;

/// Concurrent requests of one connection.
const MAX_REQUESTS: u32 = 16;
/// Streams that the client resets before they are accepted, and streams reset because of protocol errors; one more ends the connection.
const MAX_RESETS: usize = 32;
/// The size of one part of a response.
const PART_BYTES: usize = 16 << 10;
/// The window for request bodies. No request body is larger than 64 KiB.
const WINDOW_BYTES: u32 = 64 << 10;

/// Serves the connection until the client disconnects, the connection is cut, or the server stops.
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
            if is_endless(&response) {
                open.start_endless_response();
            }
            Ok::<_, Infallible>(response.map(|body| SplitBody { body: Box::pin(body), rest: Bytes::new(), open }))
        }
    });
    let mut serving = pin!(builder(connection.limits.header_bytes).serve_connection(TokioIo::new(stream), service));
    let mut overdue = pin!(requests.cut_when_overdue(connection.limits.deadlines));
    let mut ending = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => break if let Err(error) = ended {
                client_fault(&error).inspect(|reason| connection.count_cut(*reason));
                debug!(%error, "HTTP/2 connection ended");
            },
            cut = overdue.as_mut() => {
                connection.count_cut(cut);
                break debug!(?cut, "HTTP/2 connection cut");
            }
            () = connection.should_close(), if !ending => {
                ending = true;
                // Endless responses end then.
                connection.activity.request_close();
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The reason if the server closed the connection because of the client's behavior.
fn client_fault(error: &hyper::Error) -> Option<CutReason> {
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
    /// When the client last read a part of the response; `None` before the response starts.
    last_read: Option<Instant>,
    /// Whether the response has no end of its own, and so no deadline.
    is_endless: bool,
}

impl RequestProgress {
    fn new(activity: Arc<Activity>) -> Self {
        let open = OpenRequests { next: 0, by_number: HashMap::new(), idle_since: Instant::now() };
        Self { open: Mutex::new(open), activity }
    }

    fn open(&self) -> MutexGuard<'_, OpenRequests> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reason to cut the connection if a deadline has passed at `now`.
    fn overdue(&self, deadlines: &Deadlines, now: Instant) -> Option<CutReason> {
        let open = self.open();
        let passed = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if open.by_number.is_empty() {
            return passed(open.idle_since, deadlines.idle).then_some(CutReason::Idle);
        }
        open.by_number.values().find_map(|times| match times.last_read {
            Some(last_read) if passed(last_read, deadlines.write) => Some(CutReason::Write),
            _ if times.is_endless => None,
            _ => passed(times.began, deadlines.response).then_some(CutReason::Response),
        })
    }

    /// Whether there are open responses and the client reads none of them.
    fn is_stalled(&self, now: Instant) -> bool {
        let open = self.open();
        let stalled = |times: &RequestTimes| times.last_read.is_some_and(|last| now.saturating_duration_since(last) >= STALLED);
        !open.by_number.is_empty() && open.by_number.values().all(stalled)
    }

    /// Waits until a request misses a deadline or another task cuts the connection.
    async fn cut_when_overdue(&self, deadlines: Deadlines) -> CutReason {
        loop {
            tokio::select! {
                () = sleep(deadlines.check_interval().min(STALLED)) => {}
                cut = self.activity.cut_by_others() => return cut,
            }
            let now = Instant::now();
            self.activity.set_stalled(self.is_stalled(now));
            if let Some(cut) = self.overdue(&deadlines, now) {
                self.activity.cut(cut);
                return cut;
            }
        }
    }
}

/// One request, from its headers to the last part of its response.
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
            requests.activity.start_request();
        }
        open.by_number.insert(number, RequestTimes { began: Instant::now(), last_read: None, is_endless: false });
        drop(open);
        Self { requests, number }
    }

    /// The response has no end of its own: only a client that does not read it misses a deadline.
    fn start_endless_response(&self) {
        if let Some(times) = self.requests.open().by_number.get_mut(&self.number) {
            times.is_endless = true;
        }
    }

    /// The client read a part of the response, or the response started.
    fn progress(&self) {
        let mut open = self.requests.open();
        let times = open.by_number.get_mut(&self.number);
        debug_assert!(times.is_some(), "a request is registered until it is dropped");
        if let Some(times) = times {
            times.last_read = Some(Instant::now());
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut open = self.requests.open();
        open.by_number.remove(&self.number);
        open.idle_since = Instant::now();
        if open.by_number.is_empty() {
            self.requests.activity.start_idle();
        }
    }
}

/// Splits a body into parts of limited size.
struct SplitBody<B> {
    body: Pin<Box<B>>,
    rest: Bytes,
    open: OpenRequest,
}

impl<B: Body<Data = Bytes>> Body for SplitBody<B> {
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
    async fn bodies_are_split_without_loss() {
        let whole: Vec<u8> = (0..3 * PART_BYTES + 5).map(|n| n as u8).collect();
        let requests = Arc::new(RequestProgress::new(Activity::new()));
        let body = Box::pin(Full::new(Bytes::from(whole.clone())));
        let mut parts = SplitBody { body, rest: Bytes::new(), open: OpenRequest::new(Arc::clone(&requests)) };
        assert_eq!(parts.size_hint().exact(), Some(whole.len() as u64));
        let (mut received, mut sizes) = (Vec::new(), Vec::new());
        while let Some(frame) = parts.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            sizes.push(data.len());
            received.extend_from_slice(&data);
        }
        assert_eq!(sizes, [PART_BYTES, PART_BYTES, PART_BYTES, 5]);
        assert!(received == whole && parts.is_end_stream());
        assert_eq!(requests.open().by_number.len(), 1);
        drop(parts);
        assert_eq!(requests.open().by_number.len(), 0);
    }

    #[test]
    fn each_request_has_its_own_deadlines() {
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
