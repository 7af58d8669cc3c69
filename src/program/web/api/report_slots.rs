//! Limits concurrent reports, which can be slow and large, and runs them on blocking threads. Client addresses take turns.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::reply::{ApiData, ApiError, ApiReply};
use crate::program::fair_turns::{FairTurns, Turn};
use crate::program::net::ClientAddress;

/// Reports that are generated or in memory concurrently. The number is low because scrapes take priority.
const MAX_REPORTS: usize = 2;

/// Reports that wait for a turn.
const MAX_WAITING: usize = 16;

/// Request bodies that are read concurrently.
const MAX_BODIES: usize = 16;

/// Limits concurrent reports and request bodies over all listeners.
#[derive(Clone)]
pub(in crate::program::web) struct ReportSlots {
    turns: Arc<FairTurns>,
    bodies: Arc<Semaphore>,
}

impl ReportSlots {
    /// Waiting reports and request bodies each occupy at most a quarter of `max_connections`.
    pub(in crate::program::web) fn new(max_connections: usize) -> Self {
        let quarter = (max_connections / 4).max(1);
        Self { turns: FairTurns::new(MAX_REPORTS, MAX_WAITING.min(quarter)), bodies: Arc::new(Semaphore::new(MAX_BODIES.min(quarter))) }
    }

    /// Waits at most `max_wait` for a turn; `None` if there is none in time.
    pub(super) async fn take(&self, client: ClientAddress, max_wait: Duration) -> Option<Turn> {
        timeout(max_wait, self.turns.take(client)).await.ok().flatten()
    }

    /// A permit to read a request body; `None` if too many are being read.
    pub(super) fn body(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_owned().ok()
    }
}

/// Runs `work` on a blocking thread. The response holds the turn until it is sent.
pub(super) async fn run(turn: Turn, work: impl FnOnce() -> Result<ApiData, ApiError> + Send + 'static) -> ApiReply {
    match spawn_blocking(move || work().map(|data| ReportBody::bytes(data.into(), turn))).await {
        Ok(Ok(body)) => ApiReply { status: StatusCode::OK, body },
        Ok(Err(error)) => error.into(),
        Err(_) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "failed to generate the response").into(),
    }
}

/// A response body that releases its turn when the last reference is dropped.
struct ReportBody {
    body: Vec<u8>,
    _turn: Turn,
}

impl ReportBody {
    fn bytes(body: Vec<u8>, turn: Turn) -> Bytes {
        Bytes::from_owner(Self { body, _turn: turn })
    }
}

impl AsRef<[u8]> for ReportBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
