//! The open connections, with or without a slot, and which of them are evicted.
//!
//! Accepting never waits. A new connection enters the lobby, and gets a slot once its request was received. If all slots are taken, an
//! idle or stalled connection is evicted, preferably of the client address with most slots.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::oneshot::channel;
use tokio::time::{Instant, sleep};

use super::lobby::{FAIR_SHARE, Lobby};
use crate::program::net::ClientAddress;
use crate::program::web::activity::{Activity, CutReason, EvictionRank};
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
    slots: usize,
    lobby: usize,
    connections: Mutex<Connections>,
    /// Connections whose tasks are running.
    running: AtomicUsize,
    /// Notified when a connection starts to wait for a slot.
    slot_wanted: Notify,
}

#[derive(Default)]
struct Connections {
    next: u64,
    lobby: Lobby,
    with_slot: BTreeMap<u64, ServedConnection>,
    /// The number of slots of each client address.
    slots_of: HashMap<ClientAddress, usize>,
}

struct ServedConnection {
    client: ClientAddress,
    activity: Arc<Activity>,
}

impl OpenConnections {
    /// Allows `slots` connections with a slot and `lobby` without one; at least one of each.
    pub(in crate::program::web) fn new(slots: usize, lobby: usize) -> Self {
        Self {
            slots: slots.max(1),
            lobby: lobby.max(1),
            connections: Mutex::default(),
            running: AtomicUsize::new(0),
            slot_wanted: Notify::new(),
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
        self.running.load(Relaxed) > self.slots.saturating_add(self.lobby).saturating_add(MAX_CLOSING)
    }

    /// Makes room for waiting connections, in an endless loop. Cancel safe.
    pub(super) async fn make_room(&self) {
        loop {
            self.slot_wanted.notified().await;
            while self.connections().make_room(self.slots, Instant::now()) {
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

    /// The number of connections with a slot.
    #[cfg(test)]
    pub(in crate::program::web) fn slots_in_use(&self) -> usize {
        self.connections().with_slot.len()
    }
}

impl Connections {
    fn slots_of(&self, client: &ClientAddress) -> usize {
        self.slots_of.get(client).copied().unwrap_or(0)
    }

    /// Assigns free slots to waiting connections.
    fn assign_slots(&mut self, slots: usize) {
        while self.with_slot.len() < slots {
            let Some(next) = self.lobby.take_next(|client| self.slots_of.get(client).copied().unwrap_or(0)) else { return };
            *self.slots_of.entry(next.client).or_default() += 1;
            self.with_slot.insert(next.number, ServedConnection { client: next.client, activity: next.waiting.activity });
            // If the connection has ended meanwhile, dropping its `OpenConnection` releases the slot.
            let _ = next.waiting.grant.send(());
        }
    }

    fn remove(&mut self, client: ClientAddress, number: u64) {
        if self.with_slot.remove(&number).is_none() {
            self.lobby.remove(client, number);
            return;
        }
        let slots = self.slots_of.get_mut(&client);
        debug_assert!(slots.is_some(), "the address of a connection with a slot is counted");
        if let Some(slots) = slots {
            *slots -= 1;
            if *slots == 0 {
                self.slots_of.remove(&client);
            }
        }
    }

    /// Evicts connections to make room for waiting ones; returns false if none waits.
    ///
    /// To make room for the address with most slots, only its own connections are evicted. A scraper with a long time between scrapes is protected
    /// while busy connections can close after their response instead.
    fn make_room(&mut self, slots: usize, now: Instant) -> bool {
        self.assign_slots(slots);
        let Some((client, _)) = self.lobby.next(|client| self.slots_of(client)) else { return false };
        let is_closing = |connection: &&ServedConnection| connection.activity.is_closing();
        let wanted = self.lobby.waiting().saturating_sub(self.with_slot.values().filter(is_closing).count()).min(MAX_EVICTIONS);
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
    /// The number of slots of that address.
    own_slots: usize,
    slots_of: HashMap<ClientAddress, usize>,
    idle: Vec<(&'a ServedConnection, EvictionRank)>,
    /// Busy connections, with their average time between requests.
    busy: Vec<(&'a ServedConnection, Duration)>,
    /// Connections that can release their slots without being cut: busy ones and closing ones.
    releasing: Vec<&'a ServedConnection>,
}

impl<'a> Evictor<'a> {
    fn new(connections: &'a Connections, client: ClientAddress, now: Instant) -> Self {
        let (mut idle, mut busy, mut releasing) = (Vec::new(), Vec::new(), Vec::new());
        for connection in connections.with_slot.values() {
            match connection.activity.eviction_rank(now) {
                _ if connection.activity.is_closing() => releasing.push(connection),
                Some(rank) => idle.push((connection, rank)),
                None => {
                    busy.push((connection, connection.activity.time_per_request(now)));
                    releasing.push(connection);
                }
            }
        }
        let own_slots = connections.slots_of(&client);
        Self { now, client, own_slots, slots_of: connections.slots_of.clone(), idle, busy, releasing }
    }

    /// The slots of an address, or its fair share if it has fewer. Addresses within their fair share are equal.
    fn weight(&self, client: &ClientAddress) -> usize {
        self.slots_of.get(client).copied().unwrap_or(0).max(FAIR_SHARE)
    }

    fn may_make_room(&self, connection: &ServedConnection) -> bool {
        connection.client == self.client || self.weight(&connection.client) >= self.own_slots.max(FAIR_SHARE)
    }

    /// Whether an idle connection may be evicted now.
    fn may_evict(&self, connection: &ServedConnection, rank: EvictionRank) -> bool {
        let is_new = matches!(rank, EvictionRank::Header(since) if self.now.saturating_duration_since(since) < MIN_LIFETIME);
        let has_more = connection.client != self.client && self.weight(&connection.client) > self.own_slots.max(FAIR_SHARE);
        self.may_make_room(connection) && (!is_new || has_more)
    }

    /// Whether an idle scraper is protected because busy connections will release their slots after their responses. Connections of an
    /// address beyond its fair share make room for every scraper within its fair share; other connections only make room for a scraper
    /// with a long time between scrapes.
    fn is_protected(&self, scraper: &ServedConnection, between: Duration) -> bool {
        let exceeds_share = |connection: &ServedConnection| self.weight(&connection.client) > FAIR_SHARE;
        let others_release = || self.releasing.iter().any(|connection| exceeds_share(connection) && self.may_make_room(connection));
        (!exceeds_share(scraper) && others_release())
            || (between >= PROTECTED_INTERVAL && self.busy.iter().any(|(connection, _)| self.may_make_room(connection)))
    }

    /// Evicts one idle connection; returns false if there is none.
    fn evict_one(&mut self) -> bool {
        let may_evict = |(_, (connection, rank)): &(usize, &(&ServedConnection, EvictionRank))| self.may_evict(connection, *rank);
        let order =
            |(_, (connection, rank)): &(usize, &(&ServedConnection, EvictionRank))| (Reverse(self.weight(&connection.client)), *rank);
        let Some((at, (connection, rank))) = self.idle.iter().enumerate().filter(may_evict).min_by_key(order) else { return false };
        if matches!(rank, EvictionRank::Scraper(between) if self.is_protected(connection, *between)) {
            return false;
        }
        let (evicted, _) = self.idle.swap_remove(at);
        evicted.activity.cut(CutReason::Evicted);
        let slots = self.slots_of.get_mut(&evicted.client).filter(|slots| **slots > 0);
        debug_assert!(slots.is_some(), "the address of a connection with a slot is counted");
        if let Some(slots) = slots {
            *slots -= 1;
        }
        true
    }

    /// Requests that one busy connection closes after its response, the one with the most frequent requests first; returns false if there
    /// is none.
    fn request_one_close(&mut self) -> bool {
        // While any address exceeds its fair share, only such addresses make room. A connection whose request was not read yet would close
        // without a response.
        let most = self.releasing.iter().map(|connection| self.weight(&connection.client)).max().unwrap_or(FAIR_SHARE);
        let exceeds_share = |connection: &ServedConnection| self.weight(&connection.client) > FAIR_SHARE || most == FAIR_SHARE;
        let may_close = |(_, (connection, _)): &(usize, &(&ServedConnection, Duration))| {
            self.may_make_room(connection) && exceeds_share(connection) && connection.activity.is_busy()
        };
        let order =
            |(_, (connection, between)): &(usize, &(&ServedConnection, Duration))| (Reverse(self.weight(&connection.client)), *between);
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

    /// Waits for a slot; returns false if the connection was evicted.
    pub(super) async fn wait_for_slot(&self) -> bool {
        let (grant, granted) = channel();
        self.activity.start_waiting();
        {
            let mut connections = self.open.connections();
            if !connections.lobby.wait(self.client, self.number, grant) {
                return false;
            }
            if connections.make_room(self.open.slots, Instant::now()) {
                self.open.slot_wanted.notify_one();
            }
            self.update_metrics(&connections);
        }
        granted.await.is_ok()
    }

    fn update_metrics(&self, connections: &Connections) {
        self.telemetry.scrape.connections.set(connections.with_slot.len() as f64);
        self.telemetry.scrape.connections_waiting.set(connections.lobby.len() as f64);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut connections = self.open.connections();
        connections.remove(self.client, self.number);
        connections.assign_slots(self.open.slots);
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
        /// Adds a connection of this address that waits for a slot.
        fn add_waiting(&mut self, last: u8) -> Arc<Activity> {
            let (activity, number) = (Activity::new(), self.next);
            self.next += 1;
            self.lobby.enter(client(last), number, Arc::clone(&activity));
            activity.start_waiting();
            assert!(self.lobby.wait(client(last), number, channel().0));
            activity
        }

        /// Adds a busy connection with one of `slots` slots.
        fn add_busy(&mut self, last: u8, slots: usize) -> Arc<Activity> {
            let activity = self.add_waiting(last);
            self.assign_slots(slots);
            activity.start_request();
            activity
        }

        /// Adds an idle connection that has just completed a scrape.
        fn add_scraper(&mut self, last: u8, slots: usize) -> Arc<Activity> {
            let activity = self.add_busy(last, slots);
            activity.record_scrape();
            activity.start_idle();
            activity
        }
    }

    #[test]
    fn busy_connections_beyond_their_share_close_before_an_idle_scraper_is_evicted() {
        const SLOTS: usize = FAIR_SHARE + 2;
        let mut connections = Connections::default();
        let scraper = connections.add_scraper(1, SLOTS);
        let busy: Vec<_> = (0..=FAIR_SHARE).map(|_| connections.add_busy(2, SLOTS)).collect();
        connections.add_waiting(1);
        assert!(connections.make_room(SLOTS, Instant::now()));
        assert_eq!((scraper.cut_reason(), busy.iter().filter(|busy| busy.is_closing()).count()), (None, 1));
        // The scraper is also protected while the busy connections are closing, and once all of them are closing.
        for _ in 0..20 {
            connections.add_waiting(1);
            assert!(connections.make_room(SLOTS, Instant::now()));
        }
        assert_eq!(scraper.cut_reason(), None);
        assert!(busy.iter().any(|busy| busy.is_closing()) && busy.iter().all(|busy| busy.cut_reason().is_none()));
    }

    #[test]
    fn the_scraper_with_the_most_frequent_requests_is_evicted_if_all_are_within_their_share() {
        const SLOTS: usize = 3;
        let mut connections = Connections::default();
        let scraper = connections.add_scraper(1, SLOTS);
        let busy = [connections.add_busy(2, SLOTS), connections.add_busy(3, SLOTS)];
        connections.add_waiting(1);
        assert!(connections.make_room(SLOTS, Instant::now()));
        assert_eq!(scraper.cut_reason(), Some(CutReason::Evicted));
        assert!(busy.iter().all(|busy| !busy.is_closing()));
    }
}
