//! API responses: JSON in the envelope of the Prometheus API.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

pub(super) use crate::program::wall_time::time_of;

/// A status code and a JSON document.
pub(in crate::program::web) struct ApiReply {
    pub(in crate::program::web) status: StatusCode,
    pub(in crate::program::web) body: Bytes,
}

impl ApiReply {
    /// The response to a request that a browser may have sent for another website.
    pub(in crate::program::web) fn cross_site() -> Self {
        let text =
            "Cross-site requests are rejected. A reverse proxy must pass on the Host header; --web.allowed-hosts adds names of the bridge.";
        ApiError::new(StatusCode::FORBIDDEN, "unavailable", text).into()
    }
}

/// The envelope of a successful response.
pub(in crate::program::web) struct ApiData(Value);

impl ApiData {
    pub(super) fn new(data: Value) -> Self {
        Self(json!({ "status": "success", "data": data }))
    }

    /// The data in the envelope.
    pub(in crate::program::web) fn data(&self) -> &Value {
        self.0.get("data").unwrap_or(&Value::Null)
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
pub(in crate::program::web) struct ApiError {
    status: StatusCode,
    /// The `errorType` of the Prometheus API.
    kind: &'static str,
    pub(in crate::program::web) text: String,
}

impl ApiError {
    pub(in crate::program::web) fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into() }
    }

    /// Too many requests are waiting.
    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Too many requests are waiting. Try again.")
    }

    /// The status of the response.
    pub(in crate::program::web) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the client was too slow.
    pub(super) fn is_timeout(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT
    }

    /// The message.
    #[cfg(test)]
    pub(in crate::program::web) fn text(&self) -> &str {
        &self.text
    }

    /// The request is invalid.
    pub(in crate::program::web) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", text)
    }
}

impl From<ApiError> for ApiReply {
    fn from(error: ApiError) -> Self {
        let body = json!({ "status": "error", "errorType": error.kind, "error": error.text });
        Self { status: error.status, body: body.to_string().into() }
    }
}
