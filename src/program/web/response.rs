//! HTTP responses: status, common headers, and a body that is either complete or streamed while an exposition is rendered. Does not
//! depend on paths.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use super::scrape::body::ScrapeBody;
use super::tail::TailBody;

/// A complete body, or one that is sent while it is made.
pub(super) type WebBody = Either<Full<Bytes>, Either<ScrapeBody, TailBody>>;

/// A response of the server.
pub(super) type WebResponse = Response<WebBody>;

/// The content type of plain text.
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The value of the `X-Content-Type-Options` header.
pub(super) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A plain-text response.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> WebResponse {
    with_body(status, TEXT, body.into())
}

/// A response with a complete body.
pub(super) fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> WebResponse {
    // hyper omits Content-Length from the response to HEAD if the body is empty.
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

/// Whether the response has no end of its own, so that it has no deadline.
pub(super) fn is_endless(response: &WebResponse) -> bool {
    matches!(response.body(), Either::Right(Either::Right(_)))
}

/// Whether the whole body is available, so that only writing it remains.
pub(super) fn is_complete(response: &WebResponse) -> bool {
    matches!(response.body(), Either::Left(_))
}
