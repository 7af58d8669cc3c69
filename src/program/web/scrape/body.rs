//! The response body of a scrape: streams chunks while they are rendered, ends the connection if the exposition cannot be completed,
//! and counts scrapes that were cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::recipient::{ReceivedChunks, ScrapeChunk};
use crate::program::web::activity::{Activity, CutReason};
use crate::telemetry::{ScrapeCut, Telemetry};

/// The response body of one scrape. If the exposition cannot be completed, the body fails; hyper then closes the connection, so that the
/// client detects the incomplete response.
pub(in crate::program::web) struct ScrapeBody {
    received: ReceivedChunks,
    /// When the scraper's own timeout expires.
    deadline: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
    telemetry: Arc<Telemetry>,
    outcome: ScrapeOutcome,
}

/// How a scrape ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScrapeOutcome {
    Unfinished,
    Complete,
    TimedOut,
    Failed,
}

impl ScrapeBody {
    /// The body of a scrape that was admitted.
    pub(super) fn new(received: ReceivedChunks, deadline: Option<Instant>, activity: Arc<Activity>, telemetry: Arc<Telemetry>) -> Self {
        let deadline = deadline.map(|end| Box::pin(sleep_until(end)));
        Self { received, deadline, activity, telemetry, outcome: ScrapeOutcome::Unfinished }
    }
}

impl Body for ScrapeBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.outcome == ScrapeOutcome::Complete {
            return Poll::Ready(None);
        }
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            self.outcome = ScrapeOutcome::TimedOut;
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        loop {
            match ready!(self.received.chunks.poll_recv(cx)) {
                Some(ScrapeChunk::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(ScrapeChunk::Admitted) => {}
                Some(ScrapeChunk::End) => {
                    self.outcome = ScrapeOutcome::Complete;
                    self.received.complete();
                    return Poll::Ready(None);
                }
                None => {
                    self.outcome = ScrapeOutcome::Failed;
                    return Poll::Ready(Some(Err(io::Error::other("rendering the exposition failed"))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.outcome == ScrapeOutcome::Complete
    }
}

impl Drop for ScrapeBody {
    fn drop(&mut self) {
        self.activity.complete_response();
        let cut = match (self.activity.cut_reason(), self.outcome) {
            (_, ScrapeOutcome::Complete) => return self.activity.record_scrape(),
            (Some(CutReason::Evicted), _) => ScrapeCut::Crowded,
            (Some(_), _) => ScrapeCut::Slow,
            (None, ScrapeOutcome::TimedOut) => ScrapeCut::Timeout,
            (None, ScrapeOutcome::Failed) => ScrapeCut::Failed,
            (None, ScrapeOutcome::Unfinished) => ScrapeCut::Left,
        };
        self.telemetry.scrape.cut(cut);
    }
}
