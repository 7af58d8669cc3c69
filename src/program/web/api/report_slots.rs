//! Reports about series, which may take long and be large: a few at once, on blocking threads. Knows no bridge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::reply::{ApiData, ApiError, ApiReply};

/// Reports that are made, or in memory, at once. Few: they are for people, and scrapes come first.
const MAX_REPORTS: usize = 2;

/// Slots for reports, shared by all listeners.
#[derive(Clone)]
pub(in crate::program::web) struct ReportSlots(Arc<Semaphore>);

impl Default for ReportSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_REPORTS)))
    }
}

impl ReportSlots {
    /// Runs `work` on a blocking thread once there is a slot, for which it waits `limit` at most. The reply holds the slot until it
    /// is sent.
    pub(super) async fn run(&self, limit: Duration, work: impl FnOnce() -> Result<ApiData, ApiError> + Send + 'static) -> ApiReply {
        let Ok(Ok(slot)) = timeout(limit, Arc::clone(&self.0).acquire_owned()).await else {
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Too many answers are being made. Try again.").into();
        };
        match spawn_blocking(move || work().map(|data| ReportBody::bytes(data.into(), slot))).await {
            Ok(Ok(body)) => ApiReply { status: StatusCode::OK, body },
            Ok(Err(error)) => error.into(),
            Err(_) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The answer could not be made.").into(),
        }
    }
}

/// A body that gives its slot back when the last reference to it is dropped.
struct ReportBody {
    body: Vec<u8>,
    _slot: OwnedSemaphorePermit,
}

impl ReportBody {
    fn bytes(body: Vec<u8>, slot: OwnedSemaphorePermit) -> Bytes {
        Bytes::from_owner(Self { body, _slot: slot })
    }
}

impl AsRef<[u8]> for ReportBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
