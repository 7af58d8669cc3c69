//! Queries the HTTP API of a running bridge.

use std::time::Instant;

use serde_json::Value;

use crate::program::ask::Client;

/// The maximum size of one response.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// The API data of a bridge at one time.
pub(super) struct Readout {
    /// The data of `/api/v1/cardinality`.
    pub(super) cardinality: Value,
    /// The conflicts of `/api/v1/conflicts`.
    pub(super) conflicts: Value,
    /// The rejections of `/api/v1/rejections`; null if the bridge is too old to have that path.
    pub(super) rejections: Value,
    /// The senders of `/api/v1/sources`; null if the bridge is too old to have that path.
    pub(super) sources: Value,
    /// The targets of `/api/v1/push`; null if the bridge is too old to have that path.
    pub(super) push: Value,
    /// When the data was received.
    pub(super) at: Instant,
}

impl Readout {
    /// Queries the bridge for at most `limit` families and senders. The error is a message for the operator.
    pub(super) fn take(client: &Client, limit: u16) -> Result<Self, String> {
        let cardinality = query(client, &format!("/api/v1/cardinality?limit={limit}"))?.required()?;
        let conflicts = query(client, "/api/v1/conflicts")?.required()?;
        let rejections = query(client, "/api/v1/rejections")?.data;
        let sources = query(client, &format!("/api/v1/sources?limit={limit}"))?.data;
        let push = query(client, "/api/v1/push")?.data;
        Ok(Self {
            push: push["targets"].clone(),
            rejections: rejections["rejections"].clone(),
            sources: sources["sources"].clone(),
            cardinality,
            conflicts: conflicts["conflicts"].clone(),
            at: Instant::now(),
        })
    }
}

/// The response of one API path.
struct ApiResponse {
    url: String,
    /// The `data` of the response; null if the path does not exist.
    data: Value,
}

impl ApiResponse {
    /// The data; an error if the path does not exist.
    fn required(self) -> Result<Value, String> {
        if self.data.is_null() { Err(unexpected(&self.url, 404)) } else { Ok(self.data) }
    }
}

fn query(client: &Client, path: &str) -> Result<ApiResponse, String> {
    let (url, answer) = (format!("{}{path}", client.base()), client.get(path, MAX_RESPONSE_BYTES)?);
    match answer.status {
        200 => match serde_json::from_slice::<Value>(&answer.body).map(|mut document| document["data"].take()) {
            Ok(data @ Value::Object(_)) => Ok(ApiResponse { url, data }),
            _ => Err(unexpected(&url, 200)),
        },
        404 => Ok(ApiResponse { url, data: Value::Null }),
        401 if client.has_password() => Err(format!("{url} rejected the user or the password")),
        401 => {
            Err(format!("{url} requires a password; set --user and --password-file, or start the bridge with --web.no-auth-paths={path}"))
        }
        status => Err(unexpected(&url, status)),
    }
}

fn unexpected(url: &str, status: u16) -> String {
    format!("{url} returned status {status}, which is not a response of statsd-bridge")
}
