//! One scrape from its headers to the first byte of its exposition: waits for its turn, or is rejected. Knows no path and no
//! response.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use tokio::time::timeout_at;

use super::body::ScrapeBody;
use super::coding::ContentCoding;
use super::recipient::{Recipient, ScrapeChunk};
use super::renderer::Renderer;
use super::request_headers::{ScrapeDeadlines, negotiate};
use crate::exposition::Negotiated;
use crate::program::web::activity::Activity;

/// A scrape did not get a turn in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) struct NoTurn;

/// Answers the scrapes of one listener.
pub(in crate::program::web) struct ScrapeEndpoint {
    renderer: Arc<Renderer>,
    /// How long a scrape waits for its turn.
    turn_timeout: Duration,
}

impl ScrapeEndpoint {
    pub(in crate::program::web) fn new(renderer: Renderer, turn_timeout: Duration) -> Self {
        Self { renderer: Arc::new(renderer), turn_timeout }
    }

    /// The format that the client's headers ask for.
    pub(in crate::program::web) fn negotiate(&self, headers: &HeaderMap) -> Negotiated {
        negotiate(headers, self.renderer.expositions.openmetrics_offer())
    }

    /// The exposition, from its first byte on. A slow client may be cut through the `activity` of its connection.
    pub(in crate::program::web) async fn begin(
        &self,
        (wanted, coding): (Negotiated, ContentCoding),
        headers: &HeaderMap,
        activity: Arc<Activity>,
    ) -> Result<ScrapeBody, NoTurn> {
        let deadlines = ScrapeDeadlines::of(headers, self.turn_timeout);
        let (recipient, mut received) = Recipient::new(Arc::clone(&activity));
        if let Some(scrape) = self.renderer.queue.join(wanted, coding, recipient) {
            tokio::spawn(Arc::clone(&self.renderer).run(scrape));
        }
        let telemetry = Arc::clone(&self.renderer.telemetry);
        match timeout_at(deadlines.turn, received.chunks.recv()).await {
            Ok(Some(ScrapeChunk::Begun)) => Ok(ScrapeBody::new(received, deadlines.end, activity, telemetry)),
            _ => {
                telemetry.scrape.busy.increment(1);
                Err(NoTurn)
            }
        }
    }
}
