//! The way from the renderer of an exposition to one scrape that receives it. Knows what is sent, not how it is made.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::program::web::activity::Activity;

/// Chunks that may wait for a client. A chunk has about 64 KiB.
const CHUNKS_AHEAD: usize = 4;

/// What a scrape is sent.
pub(super) enum ScrapeChunk {
    /// Its turn has come.
    Begun,
    Bytes(Bytes),
    /// That was all.
    End,
}

/// One scrape, as the renderer of its exposition sees it.
pub(super) struct Recipient {
    pub(super) chunks: Sender<ScrapeChunk>,
    /// The activity of its connection, through which it can be cut.
    pub(super) activity: Arc<Activity>,
}

impl Recipient {
    /// A recipient, and what it receives.
    pub(super) fn new(activity: Arc<Activity>) -> (Self, Receiver<ScrapeChunk>) {
        let (chunks, received) = channel(CHUNKS_AHEAD);
        (Self { chunks, activity }, received)
    }

    /// Whether nobody receives it any more.
    pub(super) fn is_gone(&self) -> bool {
        self.chunks.is_closed()
    }
}
