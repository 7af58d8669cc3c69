//! Handles one scrape from the request headers to the first byte of the exposition: waits until the scrape is admitted, or rejects it.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use tokio::time::timeout_at;

use super::body::ScrapeBody;
use super::recipient::{Recipient, ScrapeChunk};
use super::renderer::Renderer;
use super::representation::Representation;
use super::request_headers::{ScrapeDeadlines, negotiate};
use crate::exposition::Negotiated;
use crate::program::web::activity::Activity;

/// The scrape was not admitted in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) struct NotAdmitted;

/// Answers the scrapes of one listener.
pub(in crate::program::web) struct ScrapeEndpoint {
    renderer: Arc<Renderer>,
    /// How long a scrape waits to be admitted.
    turn_timeout: Duration,
}

impl ScrapeEndpoint {
    pub(in crate::program::web) fn new(renderer: Renderer, turn_timeout: Duration) -> Self {
        Self { renderer: Arc::new(renderer), turn_timeout }
    }

    /// Negotiates the format from the request headers and the query of the URL.
    pub(in crate::program::web) fn negotiate(&self, headers: &HeaderMap, query: Option<&str>) -> Negotiated {
        negotiate(headers, query, self.renderer.expositions.openmetrics_offer())
    }

    /// Starts an exposition. Through `activity` a slow client's connection can be closed to make room for others.
    pub(in crate::program::web) async fn begin(
        &self,
        representation: Representation,
        headers: &HeaderMap,
        activity: Arc<Activity>,
    ) -> Result<ScrapeBody, NotAdmitted> {
        let deadlines = ScrapeDeadlines::of(headers, self.turn_timeout);
        let (recipient, mut received) = Recipient::new(Arc::clone(&activity));
        if let Some(scrape) = self.renderer.queue.join(representation, recipient) {
            tokio::spawn(Arc::clone(&self.renderer).run(scrape));
        }
        let telemetry = Arc::clone(&self.renderer.telemetry);
        match timeout_at(deadlines.turn, received.chunks.recv()).await {
            Ok(Some(ScrapeChunk::Admitted)) => Ok(ScrapeBody::new(received, deadlines.end, activity, telemetry)),
            _ => {
                telemetry.scrape.busy.increment(1);
                Err(NotAdmitted)
            }
        }
    }
}
