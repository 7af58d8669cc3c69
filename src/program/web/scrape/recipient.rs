//! The channel from the renderer of an exposition to one scrape that receives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::program::web::activity::Activity;

/// Chunks that the channel buffers for a client. A chunk has about 64 KiB.
const CHUNKS_AHEAD: usize = 4;

/// A message to a scrape.
pub(super) enum ScrapeChunk {
    /// The scrape is admitted.
    Admitted,
    /// A part of the exposition.
    Bytes(Bytes),
    /// The exposition is complete.
    End,
}

/// The renderer's side of the channel.
pub(super) struct Recipient {
    pub(super) chunks: Sender<ScrapeChunk>,
    /// The activity of the connection; the renderer can cut the connection through it.
    pub(super) activity: Arc<Activity>,
    /// Set once the whole exposition was received from the channel.
    is_complete: Arc<AtomicBool>,
}

impl Recipient {
    /// Creates both sides of a channel.
    pub(super) fn new(activity: Arc<Activity>) -> (Self, ReceivedChunks) {
        let (chunks, received) = channel(CHUNKS_AHEAD);
        let is_complete = Arc::<AtomicBool>::default();
        (Self { chunks, activity, is_complete: Arc::clone(&is_complete) }, ReceivedChunks { chunks: received, is_complete })
    }

    /// Whether the whole exposition was received from the channel.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Relaxed)
    }

    /// Whether the connection reports if its client is slow.
    pub(super) fn is_observed(&self) -> bool {
        self.activity.is_stalled().is_some()
    }

    /// Whether the scrape has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.chunks.is_closed()
    }
}

/// The scrape's side of the channel.
pub(super) struct ReceivedChunks {
    pub(super) chunks: Receiver<ScrapeChunk>,
    is_complete: Arc<AtomicBool>,
}

impl ReceivedChunks {
    /// The whole exposition was received.
    pub(super) fn complete(&mut self) {
        self.is_complete.store(true, Relaxed);
        self.chunks.close();
    }
}
