//! Serves one HTTP/1 connection on any stream.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::client::ClientConnection;
use super::observed::ObservedStream;
use crate::program::web::activity::CutReason;
use crate::program::web::response::{is_complete, is_endless};

/// The minimum buffer size of hyper.
const MIN_BUFFER: usize = 8192;

/// Serves the connection until the client disconnects, the connection is cut, or the server stops.
pub(in crate::program::web) async fn serve<S>(stream: S, connection: ClientConnection)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let activity = &connection.activity;
    let service = service_fn(|request: Request<Incoming>| {
        activity.start_request();
        let is_http_1_0 = request.version() == Version::HTTP_10;
        let (response, activity) = (connection.respond(request), Arc::clone(activity));
        async move {
            let mut response = response.await;
            // HTTP/1.0 has no chunked encoding: if the length of a body is unknown, closing the connection marks its end. hyper would
            // otherwise honor the client's keep-alive.
            if is_http_1_0 && !is_complete(&response) {
                *response.version_mut() = Version::HTTP_10;
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if is_endless(&response) {
                activity.start_endless_response();
            }
            // The body of a scrape reports its completion itself, because the connection may also be flushed between two chunks.
            if is_complete(&response) {
                activity.complete_response();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let header_bytes = connection.limits.header_bytes;
    let mut builder = http1::Builder::new();
    builder.max_header_size(header_bytes).max_buf_size(header_bytes.max(MIN_BUFFER)).half_close(true).header_read_timeout(None);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(ObservedStream::new(stream, Arc::clone(activity))), service));
    let mut overdue = pin!(activity.cut_when_overdue(connection.limits.deadlines));
    let mut ending = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => break if let Err(error) = ended {
                client_fault(&error).inspect(|reason| connection.count_cut(*reason));
                activity.record_failure();
                debug!(%error, "HTTP connection ended");
            },
            cut = overdue.as_mut() => {
                connection.count_cut(cut);
                break debug!(?cut, "HTTP connection cut");
            }
            () = connection.should_close(), if !ending => {
                ending = true;
                // An endless response ends then.
                activity.request_close();
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The reason if hyper closed the connection because of the client's input.
fn client_fault(error: &hyper::Error) -> Option<CutReason> {
    if error.is_parse_too_large() {
        return Some(CutReason::HeaderTooLarge);
    }
    error.is_parse().then_some(CutReason::Malformed)
}
