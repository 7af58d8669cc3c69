//! Who may be sent a page when: places for pages on their way, scrapes that wait for the same page, and which page goes if all
//! places are taken. Knows what waits and how long, not what a page is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};

use super::coding::Coding;
use super::memory::Spares;
use super::rendering::Piece;
use crate::exposition::Negotiated;
use crate::program::web::activity::{Cut, Pulse};

/// A page that has waited so long for its clients may be cut for others.
const WAITED_ENOUGH: Duration = Duration::from_millis(250);

/// How often one who waits looks around.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// The pages of a program.
pub(in crate::program::web) struct Pages {
    /// Pages that are being sent.
    pub(in crate::program::web) places: Arc<Semaphore>,
    /// Threads that render and compress, each for a moment.
    pub(in crate::program::web) turns: Arc<Semaphore>,
    /// Pages of which nothing is rendered yet.
    gathering: Mutex<Vec<Arc<Gathering>>>,
    sending: Mutex<Vec<Arc<Sending>>>,
    spares: Arc<Spares>,
}

/// Scrapes that will be sent the same page.
pub(super) struct Gathering {
    wanted: Negotiated,
    coding: Coding,
    /// `None` once rendering has begun: who comes later would see values from before it asked.
    members: Mutex<Option<Vec<Member>>>,
}

/// One scrape, as whoever makes its page sees it.
pub(super) struct Member {
    pub(super) to: Sender<Piece>,
    pub(super) pulse: Arc<Pulse>,
}

/// A page on its way.
pub(super) struct Sending {
    pulses: Vec<Arc<Pulse>>,
    waited: Mutex<Waited>,
}

/// For the clients.
#[derive(Default)]
struct Waited {
    before: Duration,
    since: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pages {
    /// `places` pages on their way at once, `turns` of them being rendered; at least one of each.
    pub(in crate::program::web) fn new(places: usize, turns: usize) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            places: semaphore(places),
            turns: semaphore(turns),
            gathering: Mutex::default(),
            sending: Mutex::default(),
            spares: Arc::default(),
        }
    }

    /// What pages are made with.
    pub(super) fn spares(&self) -> &Arc<Spares> {
        &self.spares
    }

    /// Joins those who wait for the same page. If there are none, returns the new gathering, whose page somebody has to make.
    pub(super) fn join(&self, wanted: Negotiated, coding: Coding, member: Member) -> Option<Arc<Gathering>> {
        let mut gathering = lock(&self.gathering);
        let mut member = Some(member);
        for other in gathering.iter().filter(|other| other.wanted == wanted && other.coding == coding) {
            if let Some(members) = &mut *lock(&other.members) {
                members.extend(member.take());
                return None;
            }
        }
        let new = Arc::new(Gathering { wanted, coding, members: Mutex::new(Some(member.into_iter().collect())) });
        gathering.push(Arc::clone(&new));
        Some(new)
    }

    /// Scrapes for which nothing is rendered yet.
    #[cfg(test)]
    pub(in crate::program::web) fn waiting(&self) -> usize {
        lock(&self.gathering).iter().map(|gathering| lock(&gathering.members).as_ref().map_or(0, Vec::len)).sum()
    }

    /// From now on nobody joins. Returns those who still want the page.
    pub(super) fn close(&self, gathering: &Arc<Gathering>) -> Vec<Member> {
        lock(&self.gathering).retain(|other| !Arc::ptr_eq(other, gathering));
        let mut members = lock(&gathering.members).take().unwrap_or_default();
        members.retain(|member| !member.to.is_closed());
        members
    }

    /// A place and a first turn for a page; `None` once nobody wants it any more. While it waits for a place, the page whose
    /// clients are slowest is cut, if they are slow.
    pub(super) async fn admit(&self, gathering: &Gathering) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let mut look = interval(LOOK_AROUND);
        let mut place = None;
        loop {
            let semaphore = if place.is_none() { &self.places } else { &self.turns };
            tokio::select! {
                biased;
                permit = Arc::clone(semaphore).acquire_owned() => match place.take() {
                    None => place = Some(permit.ok()?),
                    Some(place) => return Some((place, permit.ok()?)),
                },
                _ = look.tick() => {
                    if !gathering.is_wanted() {
                        return None;
                    }
                    if place.is_none() {
                        self.cut_slowest();
                    }
                }
            }
        }
    }

    /// A page begins to be sent.
    pub(super) fn begin(&self, members: &[Member]) -> Arc<Sending> {
        let pulses = members.iter().map(|member| Arc::clone(&member.pulse)).collect();
        let sending = Arc::new(Sending { pulses, waited: Mutex::default() });
        lock(&self.sending).push(Arc::clone(&sending));
        sending
    }

    /// It is sent, or cut.
    pub(super) fn end(&self, sending: &Arc<Sending>) {
        lock(&self.sending).retain(|other| !Arc::ptr_eq(other, sending));
    }

    fn cut_slowest(&self) {
        let now = Instant::now();
        let mut sending = lock(&self.sending);
        let waited = |sending: &Arc<Sending>| lock(&sending.waited).so_far(now);
        let slowest = sending.iter().map(waited).enumerate().max_by_key(|(_, waited)| *waited);
        if let Some((at, _)) = slowest.filter(|(_, waited)| *waited >= WAITED_ENOUGH) {
            sending.swap_remove(at).pulses.iter().for_each(|pulse| pulse.end(Cut::Crowded));
        }
    }
}

impl Gathering {
    pub(super) fn wanted(&self) -> Negotiated {
        self.wanted
    }

    pub(super) fn coding(&self) -> Coding {
        self.coding
    }

    fn is_wanted(&self) -> bool {
        lock(&self.members).as_ref().is_some_and(|members| members.iter().any(|member| !member.to.is_closed()))
    }
}

impl Sending {
    /// From now on the page waits for its clients.
    pub(super) fn waits(&self) {
        lock(&self.waited).since = Some(Instant::now());
    }

    /// It goes on.
    pub(super) fn goes_on(&self) {
        let mut waited = lock(&self.waited);
        waited.before = waited.so_far(Instant::now());
        waited.since = None;
    }
}

impl Waited {
    fn so_far(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
