//! What a running bridge says at one time, asked of its API over HTTP. Must not know how it is shown.

use std::time::Instant;

use serde_json::Value;

use crate::program::ask::Client;

/// Bytes of one answer.
const ANSWER_BYTES: usize = 16 << 20;

/// What the bridge says at one time.
pub(super) struct Readout {
    /// The answer of `/api/v1/cardinality`.
    pub(super) cardinality: Value,
    /// The conflicts of `/api/v1/conflicts`.
    pub(super) conflicts: Value,
    /// The rejections of `/api/v1/rejections`; nothing of a bridge that does not know it.
    pub(super) rejections: Value,
    /// When it said so.
    pub(super) at: Instant,
}

impl Readout {
    /// Asks the bridge for at most `limit` families. An error says in words what went wrong.
    pub(super) fn take(client: &Client, limit: u16) -> Result<Self, String> {
        let cardinality = ask(client, &format!("/api/v1/cardinality?limit={limit}"))?;
        let conflicts = ask(client, "/api/v1/conflicts")?;
        let rejections = ask(client, "/api/v1/rejections").unwrap_or_default();
        Ok(Self {
            rejections: rejections["rejections"].clone(),
            cardinality,
            conflicts: conflicts["conflicts"].clone(),
            at: Instant::now(),
        })
    }
}

/// The `data` of an answer.
fn ask(client: &Client, path: &str) -> Result<Value, String> {
    let (url, answer) = (client.base(), client.get(path, ANSWER_BYTES)?);
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (answer.status, &document["data"]) {
        (200, Value::Object(_)) => Ok(document["data"].clone()),
        (401, _) if client.has_password() => Err(format!("{url}{path} does not take this user and password")),
        (401, _) => Err(format!(
            "{url}{path} asks for a password; give it with --user and --password-file, or open the path with --web.no-auth-paths={path}"
        )),
        (status, _) => Err(format!("{url}{path} answers {status}, and not as a statsd-bridge does")),
    }
}
