//! Which scrape is served when: how many expositions are sent and rendered at once, which scrapes share one, and which is cut when
//! others wait. Knows what waits and for how long, not what an exposition is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};

use super::coding::ContentCoding;
use super::recipient::Recipient;
use crate::exposition::Negotiated;
use crate::program::web::activity::{Activity, CutReason};

/// An exposition that has waited so long for its clients may be cut for others.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// How often a scrape that waits looks for an exposition to cut.
const RECHECK: Duration = Duration::from_millis(50);

/// The scrapes of a program.
pub(in crate::program::web) struct ScrapeQueue {
    /// Expositions that may still be sent at the same time.
    pub(in crate::program::web) transfers: Arc<Semaphore>,
    /// Threads that may still render and compress, each for a moment.
    pub(in crate::program::web) renders: Arc<Semaphore>,
    /// Scrapes of which nothing is rendered yet.
    waiting: Mutex<Vec<Arc<SharedScrape>>>,
    sending: Mutex<Vec<Arc<Transfer>>>,
}

/// Scrapes that will be sent the same exposition.
pub(super) struct SharedScrape {
    wanted: Negotiated,
    coding: ContentCoding,
    /// Whether it is known of the clients whether they are slow: they do not wait for those of whom it is not.
    is_observed: bool,
    /// `None` once rendering has begun: a later scrape would see values from before it asked.
    recipients: Mutex<Option<Vec<Recipient>>>,
}

/// An exposition that is being sent.
pub(super) struct Transfer {
    activities: Vec<Arc<Activity>>,
    waited: Mutex<WaitTime>,
}

/// How long a transfer has waited for its clients.
#[derive(Default)]
struct WaitTime {
    before: Duration,
    since: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ScrapeQueue {
    /// `transfers` expositions being sent at once, `renders` of them being rendered; at least one of each.
    pub(in crate::program::web) fn new(transfers: usize, renders: usize) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        Self { transfers: semaphore(transfers), renders: semaphore(renders), waiting: Mutex::default(), sending: Mutex::default() }
    }

    /// Joins the scrapes that wait for the same exposition. If there are none, returns a new one that the caller has to render.
    pub(super) fn join(&self, wanted: Negotiated, coding: ContentCoding, recipient: Recipient) -> Option<Arc<SharedScrape>> {
        let mut waiting = lock(&self.waiting);
        let mut recipient = Some(recipient);
        let is_observed = recipient.as_ref().is_some_and(Recipient::is_observed);
        let is_same = |other: &&Arc<SharedScrape>| other.wanted == wanted && other.coding == coding && other.is_observed == is_observed;
        for other in waiting.iter().filter(is_same) {
            if let Some(recipients) = &mut *lock(&other.recipients) {
                recipients.extend(recipient.take());
                return None;
            }
        }
        let new = Arc::new(SharedScrape { wanted, coding, is_observed, recipients: Mutex::new(Some(recipient.into_iter().collect())) });
        waiting.push(Arc::clone(&new));
        Some(new)
    }

    /// How many scrapes wait for their turn.
    #[cfg(test)]
    pub(in crate::program::web) fn waiting(&self) -> usize {
        lock(&self.waiting).iter().map(|scrape| lock(&scrape.recipients).as_ref().map_or(0, Vec::len)).sum()
    }

    /// From now on no scrape joins. Returns the recipients that still wait.
    pub(super) fn close(&self, scrape: &Arc<SharedScrape>) -> Vec<Recipient> {
        lock(&self.waiting).retain(|other| !Arc::ptr_eq(other, scrape));
        let mut recipients = lock(&scrape.recipients).take().unwrap_or_default();
        recipients.retain(|recipient| !recipient.is_gone());
        recipients
    }

    /// A permit to send and a first one to render; `None` once nobody waits any more. While the scrape waits to be sent, the
    /// transfer whose clients are slowest is cut, if they are slow.
    pub(super) async fn admit(&self, scrape: &SharedScrape) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let mut recheck = interval(RECHECK);
        let mut transfer = None;
        loop {
            let semaphore = if transfer.is_none() { &self.transfers } else { &self.renders };
            tokio::select! {
                biased;
                permit = Arc::clone(semaphore).acquire_owned() => match transfer.take() {
                    None => transfer = Some(permit.ok()?),
                    Some(transfer) => return Some((transfer, permit.ok()?)),
                },
                _ = recheck.tick() => {
                    if !scrape.is_wanted() {
                        return None;
                    }
                    if transfer.is_none() {
                        self.cut_slowest();
                    }
                }
            }
        }
    }

    /// An exposition begins to be sent.
    pub(super) fn begin(&self, recipients: &[Recipient]) -> Arc<Transfer> {
        let activities = recipients.iter().map(|recipient| Arc::clone(&recipient.activity)).collect();
        let transfer = Arc::new(Transfer { activities, waited: Mutex::default() });
        lock(&self.sending).push(Arc::clone(&transfer));
        transfer
    }

    /// The exposition is sent, or cut.
    pub(super) fn end(&self, transfer: &Arc<Transfer>) {
        lock(&self.sending).retain(|other| !Arc::ptr_eq(other, transfer));
    }

    /// Cuts the slow clients of the transfer that has waited longest for its clients; those that share it and are not slow go on.
    fn cut_slowest(&self) {
        let now = Instant::now();
        let sending = lock(&self.sending);
        let waited = |transfer: &&Arc<Transfer>| lock(&transfer.waited).so_far(now);
        let slowest = sending.iter().filter(|transfer| transfer.slow().next().is_some()).max_by_key(waited);
        if let Some(transfer) = slowest.filter(|transfer| waited(transfer) >= MAX_WAIT) {
            transfer.slow().for_each(|activity| activity.cut(CutReason::Evicted));
            lock(&transfer.waited).start_again(now);
        }
    }
}

impl SharedScrape {
    pub(super) fn wanted(&self) -> Negotiated {
        self.wanted
    }

    pub(super) fn coding(&self) -> ContentCoding {
        self.coding
    }

    fn is_wanted(&self) -> bool {
        lock(&self.recipients).as_ref().is_some_and(|all| all.iter().any(|recipient| !recipient.is_gone()))
    }
}

impl Transfer {
    /// The connections of its clients that may be why it does not go on.
    fn slow(&self) -> impl Iterator<Item = &Arc<Activity>> {
        self.activities.iter().filter(|activity| activity.is_answered() && activity.is_stalled() != Some(false))
    }

    /// Rendering waits for the clients from now on.
    pub(super) fn wait_begins(&self) {
        lock(&self.waited).since = Some(Instant::now());
    }

    /// Rendering goes on.
    pub(super) fn wait_ends(&self) {
        let mut waited = lock(&self.waited);
        waited.before = waited.so_far(Instant::now());
        waited.since = None;
    }
}

impl WaitTime {
    fn start_again(&mut self, now: Instant) {
        self.before = Duration::ZERO;
        self.since = self.since.map(|_| now);
    }

    fn so_far(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
