//! The open connections of one kind of socket, and which one a new connection evicts.
//!
//! At the limit, the connection that has been idle longest is evicted, of the origin with the most connections. So idle connections do not
//! keep new senders out, and a new sender does not evict an active connection of an origin that has no more connections than its own. The
//! origin is an address; an IPv6 network (/64) counts as one. For Unix sockets it is a process. Must not know sockets.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::lock::lock;
use crate::source::{Source, UnixPeer};

/// If the new sender's origin has as many connections as any other, only a connection that has been idle this long is evicted.
const IDLE: Duration = Duration::from_secs(1);
/// Limit of evicted connections that are not closed yet. At this limit, new connections are closed at once.
const MAX_LEAVING: usize = 64;

/// Where connections come from, for a fair division of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// An address, or an IPv6 network. A sender may use all addresses of an IPv6 /64 network.
    Address(IpAddr),
    /// A process. All processes that the kernel does not name here, because their PID namespace is not visible, are one per user.
    Process(UnixPeer),
    /// Not known.
    Unknown,
}

/// The places of all open connections.
pub(super) struct Places {
    max: usize,
    start: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    leaving: usize,
    by_number: HashMap<u64, Occupied>,
}

/// One open connection.
struct Occupied {
    from: Origin,
    signals: Arc<Signals>,
    is_leaving: bool,
}

/// The state that a connection shares with `Places`.
struct Signals {
    /// The time of the last received bytes, in milliseconds after the start.
    active: AtomicU64,
    leave: Notify,
}

/// The place of one connection. Dropping it frees the place.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    signals: Arc<Signals>,
}

/// Whether a new connection is accepted.
pub(super) enum Admission {
    /// There is a free place.
    Free(Place),
    /// Another connection is evicted.
    Evicting(Place),
    /// There is no free place, and no connection can be evicted.
    Full,
}

impl Places {
    /// Places for at most `max` connections.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, start: Instant::now(), open: Mutex::default() })
    }

    /// Requests a place for a new connection from this origin.
    pub(super) fn admit(self: &Arc<Self>, from: Origin) -> Admission {
        let now = self.now();
        let mut open = self.lock();
        if open.by_number.len() - open.leaving < self.max {
            return Admission::Free(self.enter(&mut open, from, now));
        }
        if open.leaving >= MAX_LEAVING {
            return Admission::Full;
        }
        let Some(evicted) = open.next_evicted(from, now) else { return Admission::Full };
        evicted.is_leaving = true;
        evicted.signals.leave.notify_one();
        open.leaving += 1;
        Admission::Evicting(self.enter(&mut open, from, now))
    }

    fn enter(self: &Arc<Self>, open: &mut Open, from: Origin, now: u64) -> Place {
        let signals = Arc::new(Signals { active: AtomicU64::new(now), leave: Notify::new() });
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, Occupied { from, signals: Arc::clone(&signals), is_leaving: false });
        Place { places: Arc::clone(self), number, signals }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }
}

impl Open {
    /// The connection to evict for a new one from this origin.
    fn next_evicted(&mut self, from: Origin, now: u64) -> Option<&mut Occupied> {
        let mut by_origin = HashMap::<Origin, usize>::new();
        for held in self.by_number.values().filter(|held| !held.is_leaving) {
            *by_origin.entry(held.from).or_default() += 1;
        }
        let most = by_origin.values().copied().max()?;
        let own = by_origin.get(&from).copied().unwrap_or(0);
        let staying = self.by_number.iter_mut().filter(|(_, held)| !held.is_leaving);
        let of_the_largest = staying.filter(|(_, held)| by_origin.get(&held.from) == Some(&most));
        let idle_ms = |held: &Occupied| now.saturating_sub(held.signals.active.load(Ordering::Relaxed));
        // If several have been idle equally long, the oldest is evicted.
        let (_, longest) = of_the_largest.max_by_key(|(number, held)| (idle_ms(held), Reverse(**number)))?;
        let is_fair = most > own + 1 || Duration::from_millis(idle_ms(longest)) >= IDLE;
        is_fair.then_some(longest)
    }
}

impl Place {
    /// Records that bytes were received.
    pub(super) fn set_active(&self) {
        self.signals.active.store(self.places.now(), Ordering::Relaxed);
    }

    /// Resolves when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.signals.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        if open.by_number.remove(&self.number).is_some_and(|held| held.is_leaving) {
            open.leaving -= 1;
        }
    }
}

impl Origin {
    /// The origin of a connection.
    pub(super) fn of(source: &Source) -> Self {
        match source {
            Source::Tcp(address) | Source::Udp(address) => Self::of_address(address.ip()),
            Source::Unix(peer) | Source::UnixgramOf(peer) => Self::Process(*peer),
            Source::Unixgram | Source::Unknown => Self::Unknown,
        }
    }

    fn of_address(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(v6) => match v6.segments() {
                [a, b, c, d, ..] if v6.to_ipv4_mapped().is_none() => Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into(),
                _ => address.to_canonical(),
            },
            IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Origin {
        Origin::of_address(text.parse().unwrap())
    }

    /// Adds connections. The first one has been idle longest, for `idle`.
    fn filled(from: &[&str], idle: Duration) -> (Arc<Places>, Vec<Place>) {
        let places = Places::new(from.len());
        let held: Vec<Place> = from
            .iter()
            .map(|from| match places.admit(ip(from)) {
                Admission::Free(place) => place,
                _ => panic!("there is room"),
            })
            .collect();
        // The first connection was last active a minute after the start, each further one a millisecond later.
        const MINUTE: u64 = 60_000;
        places.lock().by_number.iter().for_each(|(number, held)| held.signals.active.store(MINUTE + number, Ordering::Relaxed));
        let mut shifted = Places::new(from.len());
        let now = Duration::from_millis(MINUTE) + idle;
        Arc::get_mut(&mut shifted).unwrap().start = Instant::now().checked_sub(now).unwrap();
        *shifted.lock() = std::mem::take(&mut *places.lock());
        (shifted, held)
    }

    fn to_evict(places: &Arc<Places>, from: &str) -> Option<u64> {
        let mut open = places.lock();
        let signals = Arc::clone(&open.next_evicted(ip(from), places.now())?.signals);
        open.by_number.iter().find(|(_, held)| Arc::ptr_eq(&held.signals, &signals)).map(|(number, _)| *number)
    }

    #[test]
    fn the_longest_idle_connection_of_the_address_with_most_is_evicted() {
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2"], Duration::from_millis(100));
        assert_eq!(to_evict(&places, "10.0.0.3"), Some(1), "although it was active");
        assert_eq!(to_evict(&places, "10.0.0.1"), Some(1));
        assert_eq!(to_evict(&places, "10.0.0.2"), None, "it has the most connections itself, and none of them is idle");
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2"], Duration::from_secs(2));
        assert_eq!(to_evict(&places, "10.0.0.2"), Some(1));
    }

    #[test]
    fn where_each_address_has_one_only_an_idle_connection_is_evicted() {
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2"], Duration::from_millis(100));
        assert_eq!(to_evict(&places, "10.0.0.3"), None);
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2"], Duration::from_secs(2));
        assert_eq!(to_evict(&places, "10.0.0.3"), Some(0));
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_address_is_ipv4() {
        let (places, _held) = filled(&["10.0.0.1", "2001:db8::1", "2001:db8::2", "::ffff:10.0.0.9"], Duration::from_millis(100));
        assert_eq!(to_evict(&places, "10.0.0.2"), Some(1));
        assert_eq!(ip("::ffff:10.0.0.9"), ip("10.0.0.9"));
    }

    #[test]
    fn a_unix_connection_counts_by_its_process() {
        let of = |pid, uid| Origin::of(&Source::Unix(UnixPeer::new(pid, uid)));
        assert_eq!(of(7, 1), of(7, 1));
        assert!(of(7, 1) != of(8, 1) && of(0, 1) != of(0, 2));
    }

    #[tokio::test]
    async fn an_evicted_connection_is_counted_until_it_is_closed() {
        let places = Places::new(2);
        let Admission::Free(first) = places.admit(ip("10.0.0.1")) else { panic!("there is room") };
        let Admission::Free(_second) = places.admit(ip("10.0.0.1")) else { panic!("there is room") };
        assert!(matches!(places.admit(ip("10.0.0.1")), Admission::Full));
        let Admission::Evicting(_third) = places.admit(ip("10.0.0.2")) else { panic!("an eviction") };
        first.evicted().await;
        let counts = || {
            let open = places.lock();
            (open.by_number.len(), open.leaving)
        };
        assert_eq!(counts(), (3, 1));
        drop(first);
        assert_eq!(counts(), (2, 0));
    }
}
