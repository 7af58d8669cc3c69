//! Which TCP connections are open, and which one gives its place up for a new one.
//!
//! At the limit, the connection goes that has been silent for the longest, of those of the address that holds most. So senders that
//! only hold connections shut nobody out, and a new sender pushes out none of a busy address that holds no more than its own. A network
//! of IPv6 (/64) counts as one address. Must not know sockets.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Where the new sender's address holds as many as any other, only a connection that has been silent for so long goes.
const SILENT: Duration = Duration::from_secs(1);
/// Connections that have given their place up and are not closed yet; while there are more, new ones are closed at once.
const LEAVING_AT_MOST: usize = 64;

/// The places of all connections.
pub(super) struct Places {
    most: usize,
    start: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    leaving: usize,
    by_number: HashMap<u64, Held>,
}

/// One open connection, as the others see it.
struct Held {
    from: IpAddr,
    sign: Arc<Sign>,
    is_leaving: bool,
}

/// What a connection and its place tell each other.
struct Sign {
    /// Milliseconds after the start at which something came last.
    active: AtomicU64,
    leave: Notify,
}

/// A connection's place, given back when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    sign: Arc<Sign>,
}

/// Whether a new connection is let in.
pub(super) enum Admission {
    /// There was room.
    Free(Place),
    /// Another one gives its place up.
    InPlaceOfAnother(Place),
    /// No.
    Full,
}

impl Places {
    /// For at most so many connections.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, start: Instant::now(), open: Mutex::default() })
    }

    /// A place for a new connection from this address.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Admission {
        let (from, now) = (network(from), self.now());
        let mut open = self.lock();
        if open.by_number.len() - open.leaving < self.most {
            return Admission::Free(self.enter(&mut open, from, now));
        }
        if open.leaving >= LEAVING_AT_MOST {
            return Admission::Full;
        }
        let Some(goes) = open.who_goes(from, now).and_then(|number| open.by_number.get_mut(&number)) else { return Admission::Full };
        goes.is_leaving = true;
        goes.sign.leave.notify_one();
        open.leaving += 1;
        Admission::InPlaceOfAnother(self.enter(&mut open, from, now))
    }

    fn enter(self: &Arc<Self>, open: &mut Open, from: IpAddr, now: u64) -> Place {
        let sign = Arc::new(Sign { active: AtomicU64::new(now), leave: Notify::new() });
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, Held { from, sign: Arc::clone(&sign), is_leaving: false });
        Place { places: Arc::clone(self), number, sign }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// The number of the connection that is to go for one from this address.
    fn who_goes(&self, from: IpAddr, now: u64) -> Option<u64> {
        let staying = || self.by_number.iter().filter(|(_, held)| !held.is_leaving);
        let mut by_address = HashMap::<IpAddr, usize>::new();
        staying().for_each(|(_, held)| *by_address.entry(held.from).or_default() += 1);
        let most = by_address.values().copied().max()?;
        let own = by_address.get(&from).copied().unwrap_or(0);
        let of_the_largest = staying().filter(|(_, held)| by_address.get(&held.from) == Some(&most));
        let silent = of_the_largest.map(|(number, held)| (now.saturating_sub(held.sign.active.load(Ordering::Relaxed)), *number));
        // Of several that have been silent for as long, the oldest.
        let (silence, number) = silent.max_by_key(|(silence, number)| (*silence, Reverse(*number)))?;
        let is_fair = most > own + 1 || Duration::from_millis(silence) >= SILENT;
        is_fair.then_some(number)
    }
}

impl Place {
    /// Something came.
    pub(super) fn is_active(&self) {
        self.sign.active.store(self.places.now(), Ordering::Relaxed);
    }

    /// Resolves when the place is wanted for another connection.
    pub(super) async fn is_wanted(&self) {
        self.sign.leave.notified().await;
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

/// One sender may have all addresses of its network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [a, b, c, d, ..] if v6.to_ipv4_mapped().is_none() => Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into(),
            _ => address.to_canonical(),
        },
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Enters connections, the first one silent for the longest; `silent` is how long it was.
    fn filled(from: &[&str], silent: Duration) -> (Arc<Places>, Vec<Place>) {
        let places = Places::new(from.len());
        let held: Vec<Place> = from
            .iter()
            .map(|from| match places.admit(ip(from)) {
                Admission::Free(place) => place,
                _ => panic!("there is room"),
            })
            .collect();
        // The clock began a minute earlier; the first was active then, each further one a millisecond later.
        const MINUTE: u64 = 60_000;
        places.lock().by_number.iter().for_each(|(number, held)| held.sign.active.store(MINUTE + number, Ordering::Relaxed));
        let mut shifted = Places::new(from.len());
        let now = Duration::from_millis(MINUTE) + silent;
        Arc::get_mut(&mut shifted).unwrap().start = Instant::now().checked_sub(now).unwrap();
        *shifted.lock() = std::mem::take(&mut *places.lock());
        (shifted, held)
    }

    fn who(places: &Arc<Places>, from: &str) -> Option<u64> {
        places.lock().who_goes(network(ip(from)), places.now())
    }

    #[test]
    fn the_longest_silent_one_of_the_address_that_holds_most_goes() {
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2"], Duration::from_millis(100));
        assert_eq!(who(&places, "10.0.0.3"), Some(1), "though it was active just now");
        assert_eq!(who(&places, "10.0.0.1"), Some(1));
        assert_eq!(who(&places, "10.0.0.2"), None, "it holds most itself, and none of its own is silent");
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2"], Duration::from_secs(2));
        assert_eq!(who(&places, "10.0.0.2"), Some(1));
    }

    #[test]
    fn where_each_address_holds_one_only_a_silent_one_goes() {
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2"], Duration::from_millis(100));
        assert_eq!(who(&places, "10.0.0.3"), None);
        let (places, _held) = filled(&["10.0.0.1", "10.0.0.2"], Duration::from_secs(2));
        assert_eq!(who(&places, "10.0.0.3"), Some(0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_one_is_that_of_ipv4() {
        let (places, _held) = filled(&["10.0.0.1", "2001:db8::1", "2001:db8::2", "::ffff:10.0.0.9"], Duration::from_millis(100));
        assert_eq!(who(&places, "10.0.0.2"), Some(1));
        assert_eq!(network(ip("::ffff:10.0.0.9")), ip("10.0.0.9"));
    }

    #[tokio::test]
    async fn a_place_given_up_is_told_and_counted_until_it_is_given_back() {
        let places = Places::new(2);
        let Admission::Free(first) = places.admit(ip("10.0.0.1")) else { panic!("there is room") };
        let Admission::Free(_second) = places.admit(ip("10.0.0.1")) else { panic!("there is room") };
        assert!(matches!(places.admit(ip("10.0.0.1")), Admission::Full));
        let Admission::InPlaceOfAnother(_third) = places.admit(ip("10.0.0.2")) else { panic!("it is fair") };
        first.is_wanted().await;
        let counts = || {
            let open = places.lock();
            (open.by_number.len(), open.leaving)
        };
        assert_eq!(counts(), (3, 1));
        drop(first);
        assert_eq!(counts(), (2, 0));
    }
}
