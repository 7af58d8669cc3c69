//! Responses: a status, headers that every response has, and a body that is complete or comes as an exposition is rendered. Knows
//! no paths.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use super::scrape::body::ScrapeBody;

/// A body that is complete, or an exposition that is sent as it is rendered.
pub(super) type WebBody = Either<Full<Bytes>, ScrapeBody>;

/// A response of the server.
pub(super) type WebResponse = Response<WebBody>;

/// Plain text; also where another content type is not a valid header.
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The value of `X-Content-Type-Options`.
pub(super) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A response in plain text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> WebResponse {
    with_body(status, TEXT, body.into())
}

/// A response with a complete body of this content type.
pub(super) fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> WebResponse {
    // Set here, because hyper leaves it out where HEAD asks for an empty body.
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

/// Whether all of the response is there, and what is left is to write it.
pub(super) fn is_complete(response: &WebResponse) -> bool {
    matches!(response.body(), Either::Left(_))
}
