//! Renders one exposition for one or more scrapes. It uses a blocking thread while the clients read, and no thread while it waits for
//! them. Does not depend on requests or connections.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::encoder::Encoder;
use super::expositions::ExpositionMaker;
use super::memory::SpareMemory;
use super::queue::{ScrapeQueue, SharedScrape, Transfer};
use super::recipient::{Recipient, ScrapeChunk};
use super::representation::Representation;
use crate::exposition::{Exposition, Zeroes};
use crate::program::web::activity::CutReason;
use crate::telemetry::Telemetry;

/// Rendering continues once all recipients have room for this many chunks, so that it does not resume for every chunk.
const MIN_ROOM: usize = 2;

/// Chunks rendered before other expositions get a turn.
const CHUNKS_PER_TURN: usize = 16;

/// How long a client may delay others that receive the same exposition.
const MAX_DELAY: Duration = Duration::from_millis(250);

/// The delay for HTTP/2, where it is unknown whether the client is slow or the server has not written yet.
const MAX_UNEXPLAINED_DELAY: Duration = Duration::from_millis(500);

/// How often to check whether all recipients have room.
const RECHECK: Duration = Duration::from_millis(1);

/// The time that one check counts at most. On a busy machine checks are infrequent, and so is the scheduling of connections: a connection
/// that was not scheduled is not slow.
const MAX_RECHECK: Duration = Duration::from_millis(2);

/// Renders expositions.
pub(in crate::program::web) struct Renderer {
    pub(in crate::program::web) expositions: ExpositionMaker,
    pub(in crate::program::web) queue: Arc<ScrapeQueue>,
    pub(in crate::program::web) memory: Arc<SpareMemory>,
    pub(in crate::program::web) telemetry: Arc<Telemetry>,
}

/// An exposition that is partly rendered.
struct PartialExposition {
    exposition: Exposition,
    encoder: Encoder,
    raw: Vec<u8>,
    raw_bytes: usize,
    busy: Duration,
}

/// Why a rendering turn ended.
enum TurnEnd {
    /// The exposition is incomplete.
    More(Box<PartialExposition>),
    /// The exposition is complete. It showed these new counters at 0.
    Complete(Zeroes),
}

impl Renderer {
    /// Handles a shared scrape from admission to the last byte. If rendering fails, the channels close without an end, and the
    /// recipients close their connections.
    pub(super) async fn run(self: Arc<Self>, scrape: Arc<SharedScrape>) {
        let admitted = self.queue.admit(&scrape).await;
        let recipients = self.queue.close(&scrape);
        // All recipients may leave while the scrape waits.
        let Some((_transfer_permit, render_permit)) = admitted.filter(|_| !recipients.is_empty()) else { return };
        let transfer = self.queue.begin(&recipients);
        for recipient in &recipients {
            send_if_present(recipient, ScrapeChunk::Admitted);
        }
        self.send(recipients, &transfer, scrape.representation(), render_permit).await;
        self.queue.end(&transfer);
    }

    async fn send(
        self: &Arc<Self>,
        mut recipients: Vec<Recipient>,
        transfer: &Transfer,
        representation: Representation,
        first_permit: OwnedSemaphorePermit,
    ) {
        let mut first_permit = Some(first_permit);
        let mut partial = None;
        let zeroes = loop {
            let permit = match first_permit.take() {
                Some(first) => Ok(first),
                None => Arc::clone(&self.queue.renders).acquire_owned().await,
            };
            debug_assert!(permit.is_ok(), "the semaphore is never closed");
            let Ok(permit) = permit else { return };
            let (renderer, previous) = (Arc::clone(self), partial.take());
            let done = spawn_blocking(move || {
                let done = renderer.take_turn(previous, representation, &recipients);
                drop(permit);
                (done, recipients)
            });
            // On an error the recipients are dropped here; each counts a failed scrape.
            let Ok((Ok(done), returned)) = done.await else { return };
            recipients = returned;
            transfer.wait_begins();
            match done {
                TurnEnd::More(more) => partial = Some(*more),
                TurnEnd::Complete(zeroes) => break zeroes,
            }
            wait_for_room(&mut recipients, MIN_ROOM).await;
            transfer.wait_ends();
            if recipients.is_empty() {
                return;
            }
        };
        let zeroes = Arc::new(zeroes);
        for recipient in recipients {
            // The connection's deadlines bound this wait.
            if recipient.chunks.send(ScrapeChunk::End).await.is_ok() {
                recipient.chunks.closed().await;
            }
            if recipient.is_complete() && !zeroes.is_empty() {
                self.confirm_delivery(&zeroes, recipient);
            }
        }
    }

    /// Lets new counters advance from 0 once this recipient is known to have received the exposition.
    fn confirm_delivery(&self, zeroes: &Arc<Zeroes>, recipient: Recipient) {
        let (zeroes, now) = (Arc::clone(zeroes), self.expositions.now());
        tokio::spawn(async move {
            if recipient.activity.is_delivered().await {
                zeroes.delivered(now);
            }
        });
    }

    /// Renders chunks until a recipient has no room, the turn is over, or the exposition is complete. Blocks; do not call it on an
    /// async thread.
    fn take_turn(
        &self,
        partial: Option<PartialExposition>,
        representation: Representation,
        recipients: &[Recipient],
    ) -> io::Result<TurnEnd> {
        let start = Instant::now();
        let mut partial = match partial {
            Some(partial) => partial,
            None => self.begin(representation)?,
        };
        for _ in 0..CHUNKS_PER_TURN {
            // The last step can produce two chunks.
            if recipients.iter().any(|recipient| recipient.chunks.capacity() < MIN_ROOM && !recipient.is_gone()) {
                break;
            }
            if partial.raw.capacity() == 0 {
                partial.raw = self.memory.buffer();
            }
            let is_more = partial.exposition.more(&mut partial.raw);
            partial.raw_bytes += partial.raw.len();
            self.send_to(recipients, partial.encoder.write(&mut partial.raw, &self.memory)?);
            partial.raw.clear();
            if !is_more {
                return self.complete(partial, recipients, start).map(TurnEnd::Complete);
            }
        }
        partial.busy += start.elapsed();
        Ok(TurnEnd::More(Box::new(partial)))
    }

    fn begin(&self, representation: Representation) -> io::Result<PartialExposition> {
        let exposition = self.expositions.begin(representation.format);
        let encoder = Encoder::new(representation.coding, &self.memory)?;
        Ok(PartialExposition { exposition, encoder, raw: Vec::new(), raw_bytes: 0, busy: Duration::ZERO })
    }

    /// Sends the last chunk and counts the exposition.
    fn complete(&self, partial: PartialExposition, recipients: &[Recipient], start: Instant) -> io::Result<Zeroes> {
        self.send_to(recipients, partial.encoder.finish(&self.memory)?);
        self.memory.keep(partial.raw);
        let scrape = &self.telemetry.scrape;
        scrape.pages.increment(recipients.len() as u64);
        scrape.shared.increment(recipients.len().saturating_sub(1) as u64);
        scrape.bytes.set(partial.raw_bytes as f64);
        scrape.seconds.record((partial.busy + start.elapsed()).as_secs_f64());
        Ok(partial.exposition.into_zeroes())
    }

    fn send_to(&self, recipients: &[Recipient], chunk: Vec<u8>) {
        if chunk.is_empty() {
            return;
        }
        let chunk = self.memory.share(chunk);
        for recipient in recipients {
            send_if_present(recipient, ScrapeChunk::Bytes(chunk.clone()));
        }
    }
}

/// Sends to a recipient whose channel has room. A recipient that has left needs nothing.
fn send_if_present(recipient: &Recipient, chunk: ScrapeChunk) {
    let sent = recipient.chunks.try_send(chunk);
    debug_assert!(!matches!(sent, Err(TrySendError::Full(_))), "the caller checks that there is room");
}

/// Waits until all recipients have room for `room` chunks. Removes recipients that have left, and cuts those that delay others.
async fn wait_for_room(recipients: &mut Vec<Recipient>, room: usize) {
    if let [only] = &recipients[..] {
        let is_connected = only.chunks.reserve_many(room).await.is_ok();
        recipients.truncate(usize::from(is_connected));
        return;
    }
    let mut delayed = Duration::ZERO;
    loop {
        let check = Instant::now();
        recipients.retain(|recipient| !recipient.is_gone());
        let ready = recipients.iter().filter(|recipient| recipient.chunks.capacity() >= room).count();
        if ready == recipients.len() {
            return;
        }
        let is_slow = |recipient: &mut Recipient| match recipient.activity.is_stalled() {
            _ if recipient.chunks.capacity() >= room => false,
            Some(is_stalled) => is_stalled && delayed >= MAX_DELAY,
            None => delayed >= MAX_UNEXPLAINED_DELAY,
        };
        recipients.extract_if(.., is_slow).for_each(|recipient| recipient.activity.cut(CutReason::Evicted));
        // Polling is simpler than a notification from each recipient, and expositions are rarely shared.
        sleep(RECHECK).await;
        if ready > 0 {
            delayed += check.elapsed().min(MAX_RECHECK);
        }
    }
}
