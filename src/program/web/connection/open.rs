//! All open connections: those that wait in the lobby and those that have a place, and which of them is evicted for another one.
//!
//! Accepting never waits: a new connection enters the lobby, and has a place once its request has come. Where all places are taken,
//! the connection that only takes up room goes, of the address that has most of them first. Knows no requests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::oneshot::channel;
use tokio::time::{Instant, sleep};

use super::lobby::{FAIR_SHARE, Lobby};
use crate::program::web::activity::{Activity, CutReason, Standing};
use crate::program::web::addresses::ClientAddress;
use crate::telemetry::Telemetry;

/// How often to look for room while connections wait for it.
const RECHECK: Duration = Duration::from_millis(5);

/// Time that the client of a new connection has for its part before it may be evicted, unless its address has more than its share.
/// Without it, connections that come at once evict each other before anybody has read what they sent.
const MIN_LIFETIME: Duration = Duration::from_millis(50);

/// Connections evicted in one look.
const MOST_AT_ONCE: usize = 16;

/// A scraper that leaves so much time between two requests is no crowd.
const PATIENT: Duration = Duration::from_millis(250);

/// Connections that were sent away and whose tasks have not ended, beyond which no further one is accepted for a moment. They end by
/// themselves, whatever their clients do.
const MOST_ENDING: usize = 128;

/// The open connections of all listeners.
pub(in crate::program::web) struct OpenConnections {
    places: usize,
    lobby: usize,
    crowd: Mutex<Crowd>,
    /// Connections whose tasks have not ended.
    alive: AtomicUsize,
    /// Notified when a connection waits for a place.
    pressed: Notify,
}

#[derive(Default)]
struct Crowd {
    next: u64,
    lobby: Lobby,
    placed: BTreeMap<u64, PlacedConnection>,
    /// Places by address.
    places_of: HashMap<ClientAddress, usize>,
}

struct PlacedConnection {
    client: ClientAddress,
    activity: Arc<Activity>,
}

impl OpenConnections {
    /// None yet; so many with a place, and so many in the lobby, at least one of each.
    pub(in crate::program::web) fn new(places: usize, lobby: usize) -> Self {
        Self { places: places.max(1), lobby: lobby.max(1), crowd: Mutex::default(), alive: AtomicUsize::new(0), pressed: Notify::new() }
    }

    /// A new connection, in the lobby. Where that is full, another one is sent away, or this one.
    pub(super) fn enter(self: &Arc<Self>, client: ClientAddress, telemetry: &Arc<Telemetry>) -> OpenConnection {
        let activity = Activity::new();
        self.alive.fetch_add(1, Relaxed);
        let mut crowd = self.crowd();
        let number = crowd.next;
        crowd.next += 1;
        crowd.lobby.enter(client, number, Arc::clone(&activity));
        if crowd.lobby.len() > self.lobby
            && let Some(sent_away) = crowd.lobby.crowded_out()
        {
            sent_away.cut(CutReason::Evicted);
        }
        telemetry.scrape.connections_waiting.set(crowd.lobby.len() as f64);
        drop(crowd);
        OpenConnection { open: Arc::clone(self), client, number, activity, telemetry: Arc::clone(telemetry) }
    }

    /// Whether so many connections are about to end that a new one should wait for that.
    pub(super) fn many_are_ending(&self) -> bool {
        self.alive.load(Relaxed) > self.places.saturating_add(self.lobby).saturating_add(MOST_ENDING)
    }

    /// Makes room for those that wait for a place, for ever. Dropped without harm.
    pub(super) async fn make_room(&self) {
        loop {
            self.pressed.notified().await;
            while self.crowd().make_room(self.places, Instant::now()) {
                sleep(RECHECK).await;
            }
        }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open now.
    #[cfg(test)]
    pub(in crate::program::web) fn count(&self) -> usize {
        self.alive.load(Relaxed)
    }

    /// Connections with a place.
    #[cfg(test)]
    pub(in crate::program::web) fn placed(&self) -> usize {
        self.crowd().placed.len()
    }
}

impl Crowd {
    fn places_of(&self, client: &ClientAddress) -> usize {
        self.places_of.get(client).copied().unwrap_or(0)
    }

    /// Gives free places to those who wait.
    fn grant(&mut self, places: usize) {
        while self.placed.len() < places {
            let Some((client, number)) = self.lobby.next(|client| self.places_of(client)) else { return };
            let Some(next) = self.lobby.take(client, number) else { return };
            *self.places_of.entry(client).or_default() += 1;
            self.placed.insert(number, PlacedConnection { client, activity: next.activity });
            // If it is gone already, it gives its place back as it ends.
            let _ = next.grant.send(());
        }
    }

    fn remove(&mut self, client: ClientAddress, number: u64) {
        if self.placed.remove(&number).is_none() {
            self.lobby.remove(client, number);
            return;
        }
        if let Some(places) = self.places_of.get_mut(&client) {
            *places -= 1;
            if *places == 0 {
                self.places_of.remove(&client);
            }
        }
    }

    /// Evicts connections for those who wait for a place; false if nobody waits.
    ///
    /// For a connection of an address that has more places than the others' only its own make room. A scraper that takes its time
    /// between two scrapes stays while there are others, who then end with their response.
    fn make_room(&mut self, places: usize, now: Instant) -> bool {
        self.grant(places);
        let Some((client, _)) = self.lobby.next(|client| self.places_of(client)) else { return false };
        let is_ending = |placed: &&PlacedConnection| placed.activity.is_ending();
        let wanted = self.lobby.waiting().saturating_sub(self.placed.values().filter(is_ending).count()).min(MOST_AT_ONCE);
        let mut room = RoomMaker::new(self, client, now);
        let _ = (0..wanted).all(|_| room.evict_one() || room.ask_one_to_leave());
        true
    }
}

/// Chooses who is evicted for connections of one address.
struct RoomMaker<'a> {
    now: Instant,
    client: ClientAddress,
    /// Places of that address.
    own: usize,
    places_of: HashMap<ClientAddress, usize>,
    idle: Vec<(&'a PlacedConnection, Standing)>,
    /// With the time between two requests.
    busy: Vec<(&'a PlacedConnection, Duration)>,
    /// All that will leave room by themselves: busy ones, and those that are ending.
    leaving: Vec<&'a PlacedConnection>,
}

impl<'a> RoomMaker<'a> {
    fn new(crowd: &'a Crowd, client: ClientAddress, now: Instant) -> Self {
        let (mut idle, mut busy, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
        for placed in crowd.placed.values() {
            match placed.activity.standing(now) {
                _ if placed.activity.is_ending() => leaving.push(placed),
                Some(standing) => idle.push((placed, standing)),
                None => {
                    busy.push((placed, placed.activity.time_per_request(now)));
                    leaving.push(placed);
                }
            }
        }
        Self { now, client, own: crowd.places_of(&client), places_of: crowd.places_of.clone(), idle, busy, leaving }
    }

    fn share(&self, client: &ClientAddress) -> usize {
        self.places_of.get(client).copied().unwrap_or(0).max(FAIR_SHARE)
    }

    fn may_go(&self, placed: &PlacedConnection) -> bool {
        placed.client == self.client || self.share(&placed.client) >= self.own.max(FAIR_SHARE)
    }

    /// Whether it may be evicted now.
    fn may_go_now(&self, placed: &PlacedConnection, standing: Standing) -> bool {
        let is_new = matches!(standing, Standing::Header(since) if self.now.saturating_duration_since(since) < MIN_LIFETIME);
        let has_more = placed.client != self.client && self.share(&placed.client) > self.own.max(FAIR_SHARE);
        self.may_go(placed) && (!is_new || has_more)
    }

    /// Whether an idle scraper keeps its place because busy connections leave theirs after their responses: those of a crowd leave for
    /// every scraper whose address is no crowd, and others only for a scraper that takes its time between two scrapes.
    fn spares(&self, scraper: &PlacedConnection, between: Duration) -> bool {
        let is_crowd = |placed: &PlacedConnection| self.share(&placed.client) > FAIR_SHARE;
        let crowd_leaves = || self.leaving.iter().any(|placed| is_crowd(placed) && self.may_go(placed));
        (!is_crowd(scraper) && crowd_leaves()) || (between >= PATIENT && self.busy.iter().any(|(placed, _)| self.may_go(placed)))
    }

    /// False if nobody may be evicted.
    fn evict_one(&mut self) -> bool {
        let may_go = |(_, (placed, standing)): &(usize, &(&PlacedConnection, Standing))| self.may_go_now(placed, *standing);
        let order = |(_, (placed, standing)): &(usize, &(&PlacedConnection, Standing))| (Reverse(self.share(&placed.client)), *standing);
        let Some((at, (placed, standing))) = self.idle.iter().enumerate().filter(may_go).min_by_key(order) else { return false };
        if matches!(standing, Standing::Scraper(between) if self.spares(placed, *between)) {
            return false;
        }
        let (evicted, _) = self.idle.swap_remove(at);
        evicted.activity.cut(CutReason::Evicted);
        self.places_of.entry(evicted.client).and_modify(|places| *places = places.saturating_sub(1));
        true
    }

    /// Where all are being served, one ends with its response: the one that asks most often. False if nobody may.
    fn ask_one_to_leave(&mut self) -> bool {
        // One whose request is not read yet would end unanswered; and those that have no more than their share stay for those that have.
        let most = self.leaving.iter().map(|placed| self.share(&placed.client)).max().unwrap_or(FAIR_SHARE);
        let has_enough = |placed: &PlacedConnection| self.share(&placed.client) > FAIR_SHARE || most == FAIR_SHARE;
        let may_go = |(_, (placed, _)): &(usize, &(&PlacedConnection, Duration))| {
            self.may_go(placed) && has_enough(placed) && placed.activity.is_answered()
        };
        let order = |(_, (placed, between)): &(usize, &(&PlacedConnection, Duration))| (Reverse(self.share(&placed.client)), *between);
        let Some((at, _)) = self.busy.iter().enumerate().filter(may_go).min_by_key(order) else { return false };
        let (asked, _) = self.busy.swap_remove(at);
        asked.activity.ask_to_leave();
        true
    }
}

/// One open connection; gone from all lists when dropped.
pub(super) struct OpenConnection {
    open: Arc<OpenConnections>,
    pub(super) client: ClientAddress,
    number: u64,
    pub(super) activity: Arc<Activity>,
    telemetry: Arc<Telemetry>,
}

impl OpenConnection {
    /// Part of its request came.
    pub(super) fn begun(&self) {
        self.activity.read();
        self.open.crowd().lobby.begin(self.client, self.number);
    }

    /// Waits for a place; false if it was sent away.
    pub(super) async fn place(&self) -> bool {
        let (grant, granted) = channel();
        self.activity.awaits_turn();
        {
            let mut crowd = self.open.crowd();
            if !crowd.lobby.wait(self.client, self.number, grant) {
                return false;
            }
            if crowd.make_room(self.open.places, Instant::now()) {
                self.open.pressed.notify_one();
            }
            self.show(&crowd);
        }
        granted.await.is_ok()
    }

    fn show(&self, crowd: &Crowd) {
        self.telemetry.scrape.connections.set(crowd.placed.len() as f64);
        self.telemetry.scrape.connections_waiting.set(crowd.lobby.len() as f64);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut crowd = self.open.crowd();
        crowd.remove(self.client, self.number);
        crowd.grant(self.open.places);
        self.show(&crowd);
        drop(crowd);
        self.open.alive.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::program::web::addresses::ConnectionAddresses;

    fn client(last: u8) -> ClientAddress {
        ConnectionAddresses { local: None, peer: Some(SocketAddr::from(([10, 0, 0, last], 1))) }.client()
    }

    impl Crowd {
        /// A connection of this address that waits for a place.
        fn waits(&mut self, last: u8) -> Arc<Activity> {
            let (activity, number) = (Activity::new(), self.next);
            self.next += 1;
            self.lobby.enter(client(last), number, Arc::clone(&activity));
            activity.awaits_turn();
            assert!(self.lobby.wait(client(last), number, channel().0));
            activity
        }

        /// One that has a place, of which there are so many.
        fn placed(&mut self, last: u8, places: usize) -> Arc<Activity> {
            let activity = self.waits(last);
            self.grant(places);
            activity.request_began();
            activity
        }

        /// One that was sent an exposition a moment ago, and is idle.
        fn scraper(&mut self, last: u8, places: usize) -> Arc<Activity> {
            let activity = self.placed(last, places);
            activity.scraped();
            activity.awaits_request();
            activity
        }
    }

    #[test]
    fn a_busy_connection_of_a_crowd_leaves_before_an_idle_scraper_is_evicted() {
        const PLACES: usize = FAIR_SHARE + 2;
        let mut crowd = Crowd::default();
        let scraper = crowd.scraper(1, PLACES);
        let busy: Vec<_> = (0..=FAIR_SHARE).map(|_| crowd.placed(2, PLACES)).collect();
        crowd.waits(1);
        assert!(crowd.make_room(PLACES, Instant::now()));
        assert_eq!((scraper.cut_reason(), busy.iter().filter(|busy| busy.is_ending()).count()), (None, 1));
        // As long as they leave, and also when they all do.
        for _ in 0..20 {
            crowd.waits(1);
            assert!(crowd.make_room(PLACES, Instant::now()));
        }
        assert_eq!(scraper.cut_reason(), None);
        assert!(busy.iter().any(|busy| busy.is_ending()) && busy.iter().all(|busy| busy.cut_reason().is_none()));
    }

    #[test]
    fn where_no_address_is_a_crowd_the_scraper_that_asks_most_often_is_evicted() {
        const PLACES: usize = 3;
        let mut crowd = Crowd::default();
        let scraper = crowd.scraper(1, PLACES);
        let busy = [crowd.placed(2, PLACES), crowd.placed(3, PLACES)];
        crowd.waits(1);
        assert!(crowd.make_room(PLACES, Instant::now()));
        assert_eq!(scraper.cut_reason(), Some(CutReason::Evicted));
        assert!(busy.iter().all(|busy| !busy.is_ending()));
    }
}
