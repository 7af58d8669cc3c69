//! One exposition, rendered for one or several scrapes: on a blocking thread for as long as the clients take it, and set aside,
//! without a thread, while they do not. Knows neither requests nor connections.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::coding::ContentCoding;
use super::encoder::Encoder;
use super::expositions::ExpositionMaker;
use super::memory::SpareMemory;
use super::queue::{ScrapeQueue, SharedScrape, Transfer};
use super::recipient::{Recipient, ScrapeChunk};
use crate::exposition::{Exposition, Negotiated, Zeroes};
use crate::program::web::activity::CutReason;
use crate::telemetry::Telemetry;

/// Chunks for which all recipients must have room before rendering goes on, so that it does not go on for each one.
const MIN_ROOM: usize = 2;

/// Chunks of one turn, so that other expositions get theirs.
const CHUNKS_PER_TURN: usize = 16;

/// How long a client may hold up others who are sent the same exposition.
const MAX_HOLD_UP: Duration = Duration::from_millis(250);

/// The same for a client of HTTP/2, of which nobody knows whether it takes nothing or the program did not get round to it.
const MAX_UNEXPLAINED_HOLD_UP: Duration = Duration::from_millis(500);

/// How often to look whether all recipients have room again.
const RECHECK: Duration = Duration::from_millis(1);

/// What one look counts for at most. Where the program is busy, looks are rare, and so are the turns of connections: who had none yet
/// holds up nobody.
const MAX_RECHECK: Duration = Duration::from_millis(2);

/// What expositions are rendered with.
pub(in crate::program::web) struct Renderer {
    pub(in crate::program::web) expositions: ExpositionMaker,
    pub(in crate::program::web) queue: Arc<ScrapeQueue>,
    pub(in crate::program::web) memory: Arc<SpareMemory>,
    pub(in crate::program::web) telemetry: Arc<Telemetry>,
}

/// An exposition that is rendered in part.
struct PartialExposition {
    exposition: Exposition,
    encoder: Encoder,
    raw: Vec<u8>,
    raw_bytes: usize,
    busy: Duration,
}

/// Why a turn ended.
enum TurnEnd {
    /// There is more to render.
    More(Box<PartialExposition>),
    /// The exposition is complete, with new counters at 0.
    Complete(Zeroes),
}

impl Renderer {
    /// Renders the exposition of a shared scrape, from waiting for its turn to the last byte. Never fails: recipients whose channel
    /// closes without an end are cut.
    pub(super) async fn run(self: Arc<Self>, scrape: Arc<SharedScrape>) {
        let admitted = self.queue.admit(&scrape).await;
        let recipients = self.queue.close(&scrape);
        let Some((_transfer, turn)) = admitted.filter(|_| !recipients.is_empty()) else { return };
        let transfer = self.queue.begin(&recipients);
        recipients.iter().for_each(|recipient| drop(recipient.chunks.try_send(ScrapeChunk::Begun)));
        self.send(recipients, &transfer, (scrape.wanted(), scrape.coding()), turn).await;
        self.queue.end(&transfer);
    }

    async fn send(
        self: &Arc<Self>,
        mut recipients: Vec<Recipient>,
        transfer: &Transfer,
        (wanted, coding): (Negotiated, ContentCoding),
        turn: OwnedSemaphorePermit,
    ) {
        let mut turn = Some(turn);
        let mut partial = None;
        let zeroes = loop {
            let permit = match turn.take() {
                Some(first) => Ok(first),
                None => Arc::clone(&self.queue.renders).acquire_owned().await,
            };
            let Ok(permit) = permit else { return };
            let (renderer, to_do) = (Arc::clone(self), partial.take());
            let done = spawn_blocking(move || {
                let done = renderer.take_turn(to_do, (wanted, coding), &recipients);
                drop(permit);
                (done, recipients)
            });
            let Ok((Ok(done), still)) = done.await else { return };
            recipients = still;
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
            // Until it has taken all, or is cut by the deadlines of its connection.
            if recipient.chunks.send(ScrapeChunk::End).await.is_ok() {
                recipient.chunks.closed().await;
            }
            if recipient.is_complete() && !zeroes.is_empty() {
                self.tell_when_delivered(&zeroes, recipient);
            }
        }
    }

    /// Lets new counters leave their 0 if this recipient has got it, which is known a moment later.
    fn tell_when_delivered(&self, zeroes: &Arc<Zeroes>, recipient: Recipient) {
        let (zeroes, now) = (Arc::clone(zeroes), self.expositions.now());
        tokio::spawn(async move {
            if recipient.activity.has_delivered().await {
                zeroes.delivered(now);
            }
        });
    }

    /// Renders chunks until a recipient has no room, the turn is over, or the exposition is complete. Takes that long; not for an
    /// async thread.
    fn take_turn(
        &self,
        partial: Option<PartialExposition>,
        (wanted, coding): (Negotiated, ContentCoding),
        recipients: &[Recipient],
    ) -> io::Result<TurnEnd> {
        let start = Instant::now();
        let mut partial = match partial {
            Some(partial) => partial,
            None => self.begin(wanted, coding)?,
        };
        for _ in 0..CHUNKS_PER_TURN {
            // Room for the last chunk too.
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

    fn begin(&self, wanted: Negotiated, coding: ContentCoding) -> io::Result<PartialExposition> {
        let exposition = self.expositions.begin(wanted);
        let encoder = Encoder::new(coding, &self.memory)?;
        Ok(PartialExposition { exposition, encoder, raw: Vec::new(), raw_bytes: 0, busy: Duration::ZERO })
    }

    /// Sends the last chunk, and counts the exposition.
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
            // There is room, or the client has left.
            let _ = recipient.chunks.try_send(ScrapeChunk::Bytes(chunk.clone()));
        }
    }
}

/// Waits until all recipients have room for so many chunks. Leaves out those that have left, and cuts those that hold up others.
async fn wait_for_room(recipients: &mut Vec<Recipient>, room: usize) {
    if let [only] = &recipients[..] {
        let is_there = only.chunks.reserve_many(room).await.is_ok();
        recipients.truncate(usize::from(is_there));
        return;
    }
    let mut held_up = Duration::ZERO;
    loop {
        let look = Instant::now();
        recipients.retain(|recipient| !recipient.is_gone());
        let ready = recipients.iter().filter(|recipient| recipient.chunks.capacity() >= room).count();
        if ready == recipients.len() {
            return;
        }
        let is_slow = |recipient: &mut Recipient| match recipient.activity.is_stalled() {
            _ if recipient.chunks.capacity() >= room => false,
            Some(is_stalled) => is_stalled && held_up >= MAX_HOLD_UP,
            None => held_up >= MAX_UNEXPLAINED_HOLD_UP,
        };
        recipients.extract_if(.., is_slow).for_each(|recipient| recipient.activity.cut(CutReason::Evicted));
        // Expositions are shared where many ask at once; looking is simpler than being told by each of them.
        sleep(RECHECK).await;
        if ready > 0 {
            held_up += look.elapsed().min(MAX_RECHECK);
        }
    }
}
