//! Queries the HTTP API of a running bridge.

use std::time::Instant;

use serde_json::Value;

use super::page::Readout;
use crate::program::ask::Client;

/// The maximum size of one response.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// The `data` of all paths. The first path must exist. The error is a message for the operator.
pub(super) fn readout(client: &Client, paths: &[String]) -> Result<Readout, String> {
    let mut answers = Vec::new();
    for path in paths {
        let response = query(client, path)?;
        answers.push(if answers.is_empty() { response.required()? } else { response.data });
    }
    Ok(Readout { answers, at: Instant::now() })
}

/// The response of one API path.
pub(super) struct ApiResponse {
    url: String,
    /// The `data` of the response; null if the path does not exist.
    pub(super) data: Value,
}

impl ApiResponse {
    /// The data; an error if the path does not exist.
    pub(super) fn required(self) -> Result<Value, String> {
        if self.data.is_null() { Err(unexpected(&self.url, 404)) } else { Ok(self.data) }
    }
}

pub(super) fn query(client: &Client, path: &str) -> Result<ApiResponse, String> {
    let (url, answer) = (format!("{}{path}", client.base()), client.get(path, MAX_RESPONSE_BYTES)?);
    let document = || serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    match answer.status {
        200 => match document()["data"].take() {
            data @ Value::Object(_) => Ok(ApiResponse { url, data }),
            _ => Err(unexpected(&url, 200)),
        },
        404 => Ok(ApiResponse { url, data: Value::Null }),
        401 if client.has_password() => Err(format!("{url} rejected the user or the password")),
        401 => {
            Err(format!("{url} requires a password; set --user and --password-file, or start the bridge with --web.no-auth-paths={path}"))
        }
        503 => Err(format!("{url} returned status 503: the bridge is busy with other requests")),
        status => match document()["error"].as_str() {
            Some(error) => Err(format!("{url} returned status {status}: {error}")),
            None => Err(unexpected(&url, status)),
        },
    }
}

fn unexpected(url: &str, status: u16) -> String {
    format!("{url} returned status {status}, which is not a response of statsd-bridge")
}
