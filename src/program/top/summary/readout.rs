//! The API data of the summary.

use serde_json::Value;

use crate::program::ask::Client;
use crate::program::top::query::query;

/// The API data of a bridge at one time.
pub(in crate::program::top) struct Readout {
    /// The data of `/api/v1/cardinality`.
    pub(in crate::program::top) cardinality: Value,
    /// The conflicts of `/api/v1/conflicts`.
    pub(in crate::program::top) conflicts: Value,
    /// The rejections of `/api/v1/rejections`; null if the bridge is too old to have that path.
    pub(in crate::program::top) rejections: Value,
    /// The senders of `/api/v1/sources`; null if the bridge is too old to have that path.
    pub(in crate::program::top) sources: Value,
    /// The targets of `/api/v1/push`; null if the bridge is too old to have that path.
    pub(in crate::program::top) push: Value,
}

impl Readout {
    /// Queries the bridge for at most `limit` families and senders. The error is a message for the operator.
    pub(in crate::program::top) fn take(client: &Client, limit: u16) -> Result<Self, String> {
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
        })
    }
}
