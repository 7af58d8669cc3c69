//! The open connections, with or without a place, and which of them are evicted.
//!
//! Accepting never waits. A new connection enters the lobby, and gets a place once its request was received. If all places are taken, an
//! idle or stalled connection is evicted, preferably of the client address with most places.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::oneshot::channel;
use tokio::time::{Instant, sleep};

use super::lobby::{FAIR_SHARE, Lobby};
use crate::program::web::activity::{Activity, CutReason, EvictionRank};
use crate::program::web::addresses::ClientAddress;
use crate::telemetry::Telemetry;

/// How often to look for connections to evict while others wait.
const RECHECK: Duration = Duration::from_millis(5);

/// A new connection is not evicted for this time, unless its address has more than its share. Without it, simultaneous connections would
/// evict each other before the server has read their requests.
const MIN_LIFETIME: Duration = Duration::from_millis(50);

/// The maximum number of connections evicted at once.
const MAX_EVICTIONS: usize = 16;

/// A scraper with at least this time between two requests is protected while busy connections can make room.
const PROTECTED_INTERVAL: Duration = Duration::from_millis(250);

/// The maximum number of closed connections whose tasks are still running. Beyond it, accepting pauses; the tasks end by themselves,
/// independently of their clients.
const MAX_CLOSING: usize = 128;

/// The open connections of all listeners.
pub(in crate::program::web) struct OpenConnections {
    places: usize,
    lobby: usize,
    connections: Mutex<Connections>,
    /// Connections whose tasks are running.
    running: AtomicUsize,
    /// Notified when a connection starts to wait for a place.
    place_wanted: Notify,
}

#[derive(Default)]
struct Connections {
    next: u64,
    lobby: Lobby,
    placed: BTreeMap<u64, PlacedConnection>,
    /// The number of places of each client address.
    places_of: HashMap<ClientAddress, usize>,
}

struct PlacedConnection {
    client: ClientAddress,
    activity: Arc<Activity>,
}

impl OpenConnections {
    /// Allows `places` connections with a place and `lobby` without one; at least one of each.
    pub(in crate::program::web) fn new(places: usize, lobby: usize) -> Self {
        Self {
            places: places.max(1),
            lobby: lobby.max(1),
            connections: Mutex::default(),
            running: AtomicUsize::new(0),
            place_wanted: Notify::new(),
        }
    }

    /// Adds a new connection to the lobby. If the lobby is full, a connection in it is evicted, possibly the new one.
    pub(super) fn enter(self: &Arc<Self>, client: ClientAddress, telemetry: &Arc<Telemetry>) -> OpenConnection {
        let activity = Activity::new();
        self.running.fetch_add(1, Relaxed);
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        connections.lobby.enter(client, number, Arc::clone(&activity));
        if connections.lobby.len() > self.lobby
            && let Some(evicted) = connections.lobby.evict()
        {
            evicted.cut(CutReason::Evicted);
        }
        telemetry.scrape.connections_waiting.set(connections.lobby.len() as f64);
        drop(connections);
        OpenConnection { open: Arc::clone(self), client, number, activity, telemetry: Arc::clone(telemetry) }
    }

    /// Whether accepting should pause because too many connections are closing.
    pub(super) fn many_are_closing(&self) -> bool {
        self.running.load(Relaxed) > self.places.saturating_add(self.lobby).saturating_add(MAX_CLOSING)
    }

    /// Makes room for waiting connections, in an endless loop. Cancel safe.
    pub(super) async fn make_room(&self) {
        loop {
            self.place_wanted.notified().await;
            while self.connections().make_room(self.places, Instant::now()) {
                sleep(RECHECK).await;
            }
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open connections.
    #[cfg(test)]
    pub(in crate::program::web) fn count(&self) -> usize {
        self.running.load(Relaxed)
    }

    /// The number of connections with a place.
    #[cfg(test)]
    pub(in crate::program::web) fn placed(&self) -> usize {
        self.connections().placed.len()
    }
}

impl Connections {
    fn places_of(&self, client: &ClientAddress) -> usize {
        self.places_of.get(client).copied().unwrap_or(0)
    }

    /// Assigns free places to waiting connections.
    fn assign_places(&mut self, places: usize) {
        while self.placed.len() < places {
            let Some(next) = self.lobby.take_next(|client| self.places_of.get(client).copied().unwrap_or(0)) else { return };
            *self.places_of.entry(next.client).or_default() += 1;
            self.placed.insert(next.number, PlacedConnection { client: next.client, activity: next.waiting.activity });
            // If the connection has ended meanwhile, dropping its `OpenConnection` releases the place.
            let _ = next.waiting.grant.send(());
        }
    }

    fn remove(&mut self, client: ClientAddress, number: u64) {
        if self.placed.remove(&number).is_none() {
            self.lobby.remove(client, number);
            return;
        }
        let places = self.places_of.get_mut(&client);
        debug_assert!(places.is_some(), "the address of a placed connection is counted");
        if let Some(places) = places {
            *places -= 1;
            if *places == 0 {
                self.places_of.remove(&client);
            }
        }
    }

    /// Evicts connections to make room for waiting ones; returns false if none waits.
    ///
    /// For the address with most places, only its own connections are evicted. A scraper with a long time between scrapes is protected
    /// while busy connections can close after their response instead.
    fn make_room(&mut self, places: usize, now: Instant) -> bool {
        self.assign_places(places);
        let Some((client, _)) = self.lobby.next(|client| self.places_of(client)) else { return false };
        let is_closing = |placed: &&PlacedConnection| placed.activity.is_closing();
        let wanted = self.lobby.waiting().saturating_sub(self.placed.values().filter(is_closing).count()).min(MAX_EVICTIONS);
        let mut evictor = Evictor::new(self, client, now);
        for _ in 0..wanted {
            if !evictor.evict_one() && !evictor.request_one_close() {
                break;
            }
        }
        true
    }
}

/// Chooses the connections to evict for a waiting client address.
struct Evictor<'a> {
    now: Instant,
    client: ClientAddress,
    /// The number of places of that address.
    own_places: usize,
    places_of: HashMap<ClientAddress, usize>,
    idle: Vec<(&'a PlacedConnection, EvictionRank)>,
    /// Busy connections, with their average time between requests.
    busy: Vec<(&'a PlacedConnection, Duration)>,
    /// Connections that can release their places without being cut: busy ones and closing ones.
    releasing: Vec<&'a PlacedConnection>,
}

impl<'a> Evictor<'a> {
    fn new(connections: &'a Connections, client: ClientAddress, now: Instant) -> Self {
        let (mut idle, mut busy, mut releasing) = (Vec::new(), Vec::new(), Vec::new());
        for placed in connections.placed.values() {
            match placed.activity.eviction_rank(now) {
                _ if placed.activity.is_closing() => releasing.push(placed),
                Some(rank) => idle.push((placed, rank)),
                None => {
                    busy.push((placed, placed.activity.time_per_request(now)));
                    releasing.push(placed);
                }
            }
        }
        let own_places = connections.places_of(&client);
        Self { now, client, own_places, places_of: connections.places_of.clone(), idle, busy, releasing }
    }

    /// The places of an address, or its fair share if it has fewer. Addresses within their fair share are equal.
    fn weight(&self, client: &ClientAddress) -> usize {
        self.places_of.get(client).copied().unwrap_or(0).max(FAIR_SHARE)
    }

    fn may_make_room(&self, placed: &PlacedConnection) -> bool {
        placed.client == self.client || self.weight(&placed.client) >= self.own_places.max(FAIR_SHARE)
    }

    /// Whether an idle connection may be evicted now.
    fn may_evict(&self, placed: &PlacedConnection, rank: EvictionRank) -> bool {
        let is_new = matches!(rank, EvictionRank::Header(since) if self.now.saturating_duration_since(since) < MIN_LIFETIME);
        let has_more = placed.client != self.client && self.weight(&placed.client) > self.own_places.max(FAIR_SHARE);
        self.may_make_room(placed) && (!is_new || has_more)
    }

    /// Whether an idle scraper is protected because busy connections will release their places after their responses. Connections of an
    /// address beyond its fair share make room for every scraper within its fair share; other connections only make room for a scraper
    /// with a long time between scrapes.
    fn is_protected(&self, scraper: &PlacedConnection, between: Duration) -> bool {
        let exceeds_share = |placed: &PlacedConnection| self.weight(&placed.client) > FAIR_SHARE;
        let others_release = || self.releasing.iter().any(|placed| exceeds_share(placed) && self.may_make_room(placed));
        (!exceeds_share(scraper) && others_release())
            || (between >= PROTECTED_INTERVAL && self.busy.iter().any(|(placed, _)| self.may_make_room(placed)))
    }

    /// Evicts one idle connection; returns false if there is none.
    fn evict_one(&mut self) -> bool {
        let may_evict = |(_, (placed, rank)): &(usize, &(&PlacedConnection, EvictionRank))| self.may_evict(placed, *rank);
        let order = |(_, (placed, rank)): &(usize, &(&PlacedConnection, EvictionRank))| (Reverse(self.weight(&placed.client)), *rank);
        let Some((at, (placed, rank))) = self.idle.iter().enumerate().filter(may_evict).min_by_key(order) else { return false };
        if matches!(rank, EvictionRank::Scraper(between) if self.is_protected(placed, *between)) {
            return false;
        }
        let (evicted, _) = self.idle.swap_remove(at);
        evicted.activity.cut(CutReason::Evicted);
        let places = self.places_of.get_mut(&evicted.client).filter(|places| **places > 0);
        debug_assert!(places.is_some(), "the address of a placed connection is counted");
        if let Some(places) = places {
            *places -= 1;
        }
        true
    }

    /// Requests that one busy connection closes after its response, the one with the most frequent requests first; returns false if there
    /// is none.
    fn request_one_close(&mut self) -> bool {
        // While any address exceeds its fair share, only such addresses make room. A connection whose request was not read yet would close
        // without a response.
        let most = self.releasing.iter().map(|placed| self.weight(&placed.client)).max().unwrap_or(FAIR_SHARE);
        let exceeds_share = |placed: &PlacedConnection| self.weight(&placed.client) > FAIR_SHARE || most == FAIR_SHARE;
        let may_close = |(_, (placed, _)): &(usize, &(&PlacedConnection, Duration))| {
            self.may_make_room(placed) && exceeds_share(placed) && placed.activity.is_busy()
        };
        let order = |(_, (placed, between)): &(usize, &(&PlacedConnection, Duration))| (Reverse(self.weight(&placed.client)), *between);
        let Some((at, _)) = self.busy.iter().enumerate().filter(may_close).min_by_key(order) else { return false };
        let (closing, _) = self.busy.swap_remove(at);
        closing.activity.request_close();
        true
    }
}

/// One open connection. Dropping it removes it from all lists.
pub(super) struct OpenConnection {
    open: Arc<OpenConnections>,
    pub(super) client: ClientAddress,
    number: u64,
    pub(super) activity: Arc<Activity>,
    telemetry: Arc<Telemetry>,
}

impl OpenConnection {
    /// A part of the request was received.
    pub(super) fn request_started(&self) {
        self.activity.record_read();
        self.open.connections().lobby.start_request(self.client, self.number);
    }

    /// Waits for a place; returns false if the connection was evicted.
    pub(super) async fn place(&self) -> bool {
        let (grant, granted) = channel();
        self.activity.start_waiting();
        {
            let mut connections = self.open.connections();
            if !connections.lobby.wait(self.client, self.number, grant) {
                return false;
            }
            if connections.make_room(self.open.places, Instant::now()) {
                self.open.place_wanted.notify_one();
            }
            self.update_metrics(&connections);
        }
        granted.await.is_ok()
    }

    fn update_metrics(&self, connections: &Connections) {
        self.telemetry.scrape.connections.set(connections.placed.len() as f64);
        self.telemetry.scrape.connections_waiting.set(connections.lobby.len() as f64);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut connections = self.open.connections();
        connections.remove(self.client, self.number);
        connections.assign_places(self.open.places);
        self.update_metrics(&connections);
        drop(connections);
        self.open.running.fetch_sub(1, Relaxed);
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

    impl Connections {
        /// Adds a connection of this address that waits for a place.
        fn add_waiting(&mut self, last: u8) -> Arc<Activity> {
            let (activity, number) = (Activity::new(), self.next);
            self.next += 1;
            self.lobby.enter(client(last), number, Arc::clone(&activity));
            activity.start_waiting();
            assert!(self.lobby.wait(client(last), number, channel().0));
            activity
        }

        /// Adds a busy connection with one of `places` places.
        fn add_busy(&mut self, last: u8, places: usize) -> Arc<Activity> {
            let activity = self.add_waiting(last);
            self.assign_places(places);
            activity.start_request();
            activity
        }

        /// Adds an idle connection that has just completed a scrape.
        fn add_scraper(&mut self, last: u8, places: usize) -> Arc<Activity> {
            let activity = self.add_busy(last, places);
            activity.record_scrape();
            activity.start_idle();
            activity
        }
    }

    #[test]
    fn busy_connections_beyond_their_share_close_before_an_idle_scraper_is_evicted() {
        const PLACES: usize = FAIR_SHARE + 2;
        let mut connections = Connections::default();
        let scraper = connections.add_scraper(1, PLACES);
        let busy: Vec<_> = (0..=FAIR_SHARE).map(|_| connections.add_busy(2, PLACES)).collect();
        connections.add_waiting(1);
        assert!(connections.make_room(PLACES, Instant::now()));
        assert_eq!((scraper.cut_reason(), busy.iter().filter(|busy| busy.is_closing()).count()), (None, 1));
        // Also while they are closing, and once all of them are.
        for _ in 0..20 {
            connections.add_waiting(1);
            assert!(connections.make_room(PLACES, Instant::now()));
        }
        assert_eq!(scraper.cut_reason(), None);
        assert!(busy.iter().any(|busy| busy.is_closing()) && busy.iter().all(|busy| busy.cut_reason().is_none()));
    }

    #[test]
    fn the_scraper_with_the_most_frequent_requests_is_evicted_if_all_are_within_their_share() {
        const PLACES: usize = 3;
        let mut connections = Connections::default();
        let scraper = connections.add_scraper(1, PLACES);
        let busy = [connections.add_busy(2, PLACES), connections.add_busy(3, PLACES)];
        connections.add_waiting(1);
        assert!(connections.make_room(PLACES, Instant::now()));
        assert_eq!(scraper.cut_reason(), Some(CutReason::Evicted));
        assert!(busy.iter().all(|busy| !busy.is_closing()));
    }
}
