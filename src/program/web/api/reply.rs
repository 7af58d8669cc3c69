//! API responses: JSON in the envelope of the Prometheus API.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::program::clock;
use crate::time::Timestamp;

/// A status code and a JSON document.
pub(in crate::program::web) struct ApiReply {
    pub(in crate::program::web) status: StatusCode,
    pub(in crate::program::web) body: Bytes,
}

impl ApiReply {
    /// The response to a request that a browser may have sent for another website.
    pub(in crate::program::web) fn cross_site() -> Self {
        let text = "Cross-site requests are rejected; see --web.allowed-hosts.";
        ApiError::new(StatusCode::FORBIDDEN, "unavailable", text).into()
    }
}

/// The envelope of a successful response.
pub(super) struct ApiData(Value);

impl ApiData {
    pub(super) fn new(data: Value) -> Self {
        Self(json!({ "status": "success", "data": data }))
    }
}

impl From<ApiData> for Vec<u8> {
    fn from(data: ApiData) -> Self {
        data.0.to_string().into()
    }
}

impl From<ApiData> for ApiReply {
    fn from(data: ApiData) -> Self {
        Self { status: StatusCode::OK, body: Vec::from(data).into() }
    }
}

/// The envelope of an error response.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// The `errorType` of the Prometheus API.
    kind: &'static str,
    pub(super) text: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into() }
    }

    /// Too many requests are waiting.
    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Too many requests are waiting. Try again.")
    }

    /// Whether the client was too slow.
    pub(super) fn is_timeout(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT
    }

    /// The request is invalid.
    pub(super) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", text)
    }
}

impl From<ApiError> for ApiReply {
    fn from(error: ApiError) -> Self {
        let body = json!({ "status": "error", "errorType": error.kind, "error": error.text });
        Self { status: error.status, body: body.to_string().into() }
    }
}

/// Converts a timestamp to wall time: milliseconds since the epoch, and RFC 3339 unless the year is beyond 9999.
pub(super) fn time_of(time: Timestamp) -> (u64, Option<String>) {
    let millis = clock::to_wall(time).as_millis();
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    (millis, date.and_then(|date| date.format(&Rfc3339).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_both_forms() {
        let text = |millis| time_of(Timestamp::from_millis(millis));
        assert_eq!(text(1_700_000_000_123), (1_700_000_000_123, Some("2023-11-14T22:13:20.123Z".to_owned())));
        assert_eq!(text(0).1.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text(u64::MAX).1.as_deref(), Some("9999-12-31T23:59:59.999Z"), "the last time there is");
    }
}
