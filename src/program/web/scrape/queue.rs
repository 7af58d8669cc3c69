//! Admits scrapes: limits the expositions that are sent and rendered concurrently, merges scrapes that wait for the same
//! representation, and cuts slow clients while others wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};

use super::recipient::Recipient;
use super::representation::Representation;
use crate::program::web::activity::{Activity, CutReason};

/// A transfer that has waited this long for its clients may be cut while others wait.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// How often a waiting scrape looks for a transfer to cut.
const RECHECK: Duration = Duration::from_millis(50);

/// The scrapes of all listeners.
pub(in crate::program::web) struct ScrapeQueue {
    /// Permits to send an exposition.
    pub(in crate::program::web) transfers: Arc<Semaphore>,
    /// Permits to render and compress on a thread, held for one rendering turn each.
    pub(in crate::program::web) renders: Arc<Semaphore>,
    /// Scrapes whose rendering has not started.
    waiting: Mutex<Vec<Arc<SharedScrape>>>,
    sending: Mutex<Vec<Arc<Transfer>>>,
}

/// Scrapes that will receive the same exposition.
pub(super) struct SharedScrape {
    representation: Representation,
    /// Whether the connections report if their clients are slow. Connections that report it and connections that do not never share
    /// an exposition.
    is_observed: bool,
    /// `None` once rendering has started: a later scrape would receive values older than its request.
    recipients: Mutex<Option<Vec<Recipient>>>,
}

/// An exposition that is being sent.
pub(super) struct Transfer {
    activities: Vec<Arc<Activity>>,
    waited: Mutex<WaitTime>,
}

/// The time that a transfer has waited for its clients.
#[derive(Default)]
struct WaitTime {
    before: Duration,
    since: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ScrapeQueue {
    /// Allows `transfers` expositions to be sent and `renders` to be rendered concurrently; at least one of each.
    pub(in crate::program::web) fn new(transfers: usize, renders: usize) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        Self { transfers: semaphore(transfers), renders: semaphore(renders), waiting: Mutex::default(), sending: Mutex::default() }
    }

    /// Joins scrapes that wait for the same representation. If there are none, returns a new scrape that the caller must render.
    pub(super) fn join(&self, representation: Representation, recipient: Recipient) -> Option<Arc<SharedScrape>> {
        let mut waiting = lock(&self.waiting);
        let is_observed = recipient.is_observed();
        let is_same = |other: &&Arc<SharedScrape>| other.representation == representation && other.is_observed == is_observed;
        for other in waiting.iter().filter(is_same) {
            if let Some(recipients) = &mut *lock(&other.recipients) {
                recipients.push(recipient);
                return None;
            }
        }
        let new = Arc::new(SharedScrape { representation, is_observed, recipients: Mutex::new(Some(vec![recipient])) });
        waiting.push(Arc::clone(&new));
        Some(new)
    }

    /// The number of scrapes that wait to be admitted.
    #[cfg(test)]
    pub(in crate::program::web) fn waiting(&self) -> usize {
        lock(&self.waiting).iter().map(|scrape| lock(&scrape.recipients).as_ref().map_or(0, Vec::len)).sum()
    }

    /// Stops further scrapes from joining. Returns the recipients that still wait.
    pub(super) fn close(&self, scrape: &Arc<SharedScrape>) -> Vec<Recipient> {
        lock(&self.waiting).retain(|other| !Arc::ptr_eq(other, scrape));
        let recipients = lock(&scrape.recipients).take();
        debug_assert!(recipients.is_some(), "a scrape is closed once");
        let mut recipients = recipients.unwrap_or_default();
        recipients.retain(|recipient| !recipient.is_gone());
        recipients
    }

    /// Waits for a permit to send and a first permit to render; `None` once all recipients have left. While the scrape waits, cuts the
    /// slow clients of other transfers.
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
                    if !scrape.has_recipients() {
                        return None;
                    }
                    if transfer.is_none() {
                        self.cut_slowest();
                    }
                }
            }
        }
    }

    /// Registers an exposition that is being sent.
    pub(super) fn begin(&self, recipients: &[Recipient]) -> Arc<Transfer> {
        let activities = recipients.iter().map(|recipient| Arc::clone(&recipient.activity)).collect();
        let transfer = Arc::new(Transfer { activities, waited: Mutex::default() });
        lock(&self.sending).push(Arc::clone(&transfer));
        transfer
    }

    /// Removes an exposition that was sent or cut.
    pub(super) fn end(&self, transfer: &Arc<Transfer>) {
        lock(&self.sending).retain(|other| !Arc::ptr_eq(other, transfer));
    }

    /// Cuts the slow clients of the transfer that has waited longest for its clients. Other clients of the same transfer continue.
    fn cut_slowest(&self) {
        let now = Instant::now();
        let sending = lock(&self.sending);
        let waited = |transfer: &&Arc<Transfer>| lock(&transfer.waited).so_far(now);
        let slowest = sending.iter().filter(|transfer| transfer.slow().next().is_some()).max_by_key(waited);
        if let Some(transfer) = slowest.filter(|transfer| waited(transfer) >= MAX_WAIT) {
            transfer.slow().for_each(|activity| activity.cut(CutReason::Evicted));
            lock(&transfer.waited).restart(now);
        }
    }
}

impl SharedScrape {
    pub(super) fn representation(&self) -> Representation {
        self.representation
    }

    fn has_recipients(&self) -> bool {
        lock(&self.recipients).as_ref().is_some_and(|all| all.iter().any(|recipient| !recipient.is_gone()))
    }
}

impl Transfer {
    /// The connections that may be delaying the transfer.
    fn slow(&self) -> impl Iterator<Item = &Arc<Activity>> {
        self.activities.iter().filter(|activity| activity.is_busy() && activity.is_stalled() != Some(false))
    }

    /// Rendering starts to wait for the clients.
    pub(super) fn wait_begins(&self) {
        lock(&self.waited).since = Some(Instant::now());
    }

    /// Rendering continues.
    pub(super) fn wait_ends(&self) {
        let mut waited = lock(&self.waited);
        waited.before = waited.so_far(Instant::now());
        waited.since = None;
    }
}

impl WaitTime {
    fn restart(&mut self, now: Instant) {
        self.before = Duration::ZERO;
        self.since = self.since.map(|_| now);
    }

    fn so_far(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
