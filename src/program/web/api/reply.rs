//! Replies of the API: JSON in the envelope of Prometheus' own API, and errors in it. Knows no bridge.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::program::clock;
use crate::time::Timestamp;

/// A status and a JSON document.
pub(in crate::program::web) struct ApiReply {
    pub(in crate::program::web) status: StatusCode,
    pub(in crate::program::web) body: Bytes,
}

impl ApiReply {
    /// Whoever sent it may be a page of another site.
    pub(in crate::program::web) fn of_another_site() -> Self {
        let text = "A page of another site may not delete series; see --web.allowed-hosts.";
        ApiError::new(StatusCode::FORBIDDEN, "unavailable", text).into()
    }
}

/// Data in the envelope of a success.
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

/// Why there is no data: in the envelope of an error, with what to do instead.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// Prometheus' word for it.
    kind: &'static str,
    pub(super) text: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into() }
    }

    /// Too many wait for an answer.
    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Too many answers are being made. Try again.")
    }

    /// Whether the client took too long.
    pub(super) fn is_timeout(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT
    }

    /// The request is wrong.
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

/// A time of the timeline, in wall time and both forms, milliseconds since 1970 and RFC 3339.
pub(super) fn time_of(time: Timestamp) -> (u64, Option<String>) {
    let millis = clock::to_wall(time).as_millis();
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    (millis, date.and_then(|date| date.format(&Rfc3339).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_both_forms() {
        let text = |millis| time_of(Timestamp::from_millis(millis));
        assert_eq!(text(1_700_000_000_123), (1_700_000_000_123, Some("2023-11-14T22:13:20.123Z".to_owned())));
        assert_eq!(text(0).1.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text(u64::MAX).1.as_deref(), Some("9999-12-31T23:59:59.999Z"), "the last time there is");
    }
}
