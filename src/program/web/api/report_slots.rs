//! Reports, which may take long and be large: a few at once, each address in its turn, on blocking threads. Knows no bridge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::reply::{ApiData, ApiError, ApiReply};
use crate::program::web::addresses::ClientAddress;
use crate::program::web::fair_turns::{FairTurns, Turn};

/// Reports that are made, or in memory, at once. Few: they are for people, and scrapes come first.
const MAX_REPORTS: usize = 2;

/// Reports that wait to be made.
const MAX_WAITING: usize = 16;

/// Bodies of requests that are read at once.
const MAX_BODIES: usize = 16;

/// Turns at making a report, and at sending a body; shared by all listeners.
#[derive(Clone)]
pub(in crate::program::web) struct ReportSlots {
    turns: Arc<FairTurns>,
    bodies: Arc<Semaphore>,
}

impl ReportSlots {
    /// Where there are so many places for connections: waiting reports and bodies take up a quarter of them each, at most.
    pub(in crate::program::web) fn new(places: usize) -> Self {
        let quarter = (places / 4).max(1);
        Self { turns: FairTurns::new(MAX_REPORTS, MAX_WAITING.min(quarter)), bodies: Arc::new(Semaphore::new(MAX_BODIES.min(quarter))) }
    }

    /// A turn for this address, for which it waits `limit` at most.
    pub(super) async fn take(&self, client: ClientAddress, limit: Duration) -> Option<Turn> {
        timeout(limit, self.turns.take(client)).await.ok().flatten()
    }

    /// Leave to send a body, if there is any now.
    pub(super) fn body(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_owned().ok()
    }
}

/// Runs `work` on a blocking thread. The reply holds the turn until it is sent.
pub(super) async fn run(turn: Turn, work: impl FnOnce() -> Result<ApiData, ApiError> + Send + 'static) -> ApiReply {
    match spawn_blocking(move || work().map(|data| ReportBody::bytes(data.into(), turn))).await {
        Ok(Ok(body)) => ApiReply { status: StatusCode::OK, body },
        Ok(Err(error)) => error.into(),
        Err(_) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The answer could not be made.").into(),
    }
}

/// A body that gives its turn back when the last reference to it is dropped.
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
