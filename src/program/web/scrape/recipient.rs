//! The way from the renderer of an exposition to one scrape that receives it. Knows what is sent, not how it is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
    /// Set once the whole exposition was taken from the channel.
    is_complete: Arc<AtomicBool>,
}

impl Recipient {
    /// A recipient, and what it receives.
    pub(super) fn new(activity: Arc<Activity>) -> (Self, ReceivedChunks) {
        let (chunks, received) = channel(CHUNKS_AHEAD);
        let is_complete = Arc::<AtomicBool>::default();
        (Self { chunks, activity, is_complete: Arc::clone(&is_complete) }, ReceivedChunks { chunks: received, is_complete })
    }

    /// Whether the whole exposition was taken from the channel.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Relaxed)
    }

    /// Whether it is known of its client whether it is slow.
    pub(super) fn is_observed(&self) -> bool {
        self.activity.is_stalled().is_some()
    }

    /// Whether nobody receives it any more.
    pub(super) fn is_gone(&self) -> bool {
        self.chunks.is_closed()
    }
}

/// The chunks of one scrape as they are taken.
pub(super) struct ReceivedChunks {
    pub(super) chunks: Receiver<ScrapeChunk>,
    is_complete: Arc<AtomicBool>,
}

impl ReceivedChunks {
    /// The end was taken.
    pub(super) fn complete(&mut self) {
        self.is_complete.store(true, Relaxed);
        self.chunks.close();
    }
}
