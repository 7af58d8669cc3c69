//! One connection of HTTP/1 from its first byte to its end, on any stream. Knows no paths and no TLS.

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
use crate::program::web::response::is_complete;

/// The smallest buffer that hyper takes.
const MIN_BUFFER: usize = 8192;

/// Serves until the client leaves, is cut, or the server stops.
pub(in crate::program::web) async fn serve<S>(stream: S, connection: ClientConnection)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let activity = &connection.activity;
    let service = service_fn(|request: Request<Incoming>| {
        activity.request_began();
        let is_old = request.version() == Version::HTTP_10;
        let (response, activity) = (connection.respond(request), Arc::clone(activity));
        async move {
            let mut response = response.await;
            // HTTP/1.0 has no chunks: the end of a body whose length is not known is the end of the connection. hyper would promise
            // to keep it where the client asks for that.
            if is_old && !is_complete(&response) {
                *response.version_mut() = Version::HTTP_10;
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            // A scrape says so itself when it ends: between two of its chunks nothing is left to write either.
            if is_complete(&response) {
                activity.response_complete();
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
                fault_of_client(&error).inspect(|reason| connection.count_cut(*reason));
                activity.failed();
                debug!(%error, "HTTP connection ended");
            },
            cut = overdue.as_mut() => {
                connection.count_cut(cut);
                break debug!(?cut, "HTTP connection cut");
            }
            () = connection.to_end(), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Why hyper ended the connection, where the reason is what the client sent.
fn fault_of_client(error: &hyper::Error) -> Option<CutReason> {
    if error.is_parse_too_large() {
        return Some(CutReason::HeaderTooLarge);
    }
    error.is_parse().then_some(CutReason::Malformed)
}
