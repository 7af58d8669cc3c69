//! Connections that have no place yet: those whose request is awaited, and those that wait for a place. A bounded number; says who is
//! sent away for a new one, and whose turn is next. Knows addresses and numbers, no sockets and no time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot::Sender;

use crate::program::web::activity::Activity;
use crate::program::web::addresses::ClientAddress;

/// Connections that each address may have before it counts who has more: a scraper, a probe and a person at one address are no crowd.
pub(super) const FAIR_SHARE: usize = 8;

/// All connections without a place, by address and by number; a lower number came first.
#[derive(Default)]
pub(super) struct Lobby {
    queues: HashMap<ClientAddress, AddressQueue>,
    total: usize,
    waiting: usize,
}

/// Those of one address.
#[derive(Default)]
struct AddressQueue {
    /// Nothing came from them.
    silent: BTreeMap<u64, Arc<Activity>>,
    /// Part of a request came.
    begun: BTreeMap<u64, Arc<Activity>>,
    /// The request came; they wait for a place.
    waiting: BTreeMap<u64, WaitingConnection>,
}

/// A connection that waits for a place.
pub(super) struct WaitingConnection {
    pub(super) activity: Arc<Activity>,
    /// Tells that it has a place.
    pub(super) grant: Sender<()>,
}

impl AddressQueue {
    fn len(&self) -> usize {
        self.silent.len() + self.begun.len() + self.waiting.len()
    }
}

impl Lobby {
    /// All of them.
    pub(super) fn len(&self) -> usize {
        self.total
    }

    /// Those that wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn enter(&mut self, client: ClientAddress, number: u64, activity: Arc<Activity>) {
        self.queues.entry(client).or_default().silent.insert(number, activity);
        self.total += 1;
    }

    /// Part of its request came.
    pub(super) fn begin(&mut self, client: ClientAddress, number: u64) {
        if let Some(queue) = self.queues.get_mut(&client)
            && let Some(activity) = queue.silent.remove(&number)
        {
            queue.begun.insert(number, activity);
        }
    }

    /// Its request came, and it waits for a place from now on. False if it was sent away meanwhile.
    pub(super) fn wait(&mut self, client: ClientAddress, number: u64, grant: Sender<()>) -> bool {
        let Some(queue) = self.queues.get_mut(&client) else { return false };
        let Some(activity) = queue.silent.remove(&number).or_else(|| queue.begun.remove(&number)) else { return false };
        queue.waiting.insert(number, WaitingConnection { activity, grant });
        self.waiting += 1;
        true
    }

    /// Takes one out; false if it is not here.
    pub(super) fn remove(&mut self, client: ClientAddress, number: u64) -> bool {
        let Some(queue) = self.queues.get_mut(&client) else { return false };
        let waited = queue.waiting.remove(&number).is_some();
        if !waited && queue.silent.remove(&number).is_none() && queue.begun.remove(&number).is_none() {
            return false;
        }
        self.left(client, waited);
        true
    }

    /// Takes out the one that is sent away: of the address that has most, the one whose request began longest ago and has not come, then
    /// the one that has been silent longest, then the one that has waited least.
    pub(super) fn crowded_out(&mut self) -> Option<Arc<Activity>> {
        let (client, queue) = self.queues.iter_mut().max_by_key(|(_, queue)| (queue.len().max(FAIR_SHARE), !queue.begun.is_empty()))?;
        let client = *client;
        let of_unread = queue.begun.pop_first().or_else(|| queue.silent.pop_first());
        let (activity, waited) = match of_unread {
            Some((_, activity)) => (activity, false),
            None => (queue.waiting.pop_last()?.1.activity, true),
        };
        self.left(client, waited);
        Some(activity)
    }

    /// The address whose connection is next, and that connection's number: of those that have fewest places the one that came first.
    pub(super) fn next(&self, places: impl Fn(&ClientAddress) -> usize) -> Option<(ClientAddress, u64)> {
        let first = |(client, queue): (&ClientAddress, &AddressQueue)| Some((*client, *queue.waiting.first_key_value()?.0));
        self.queues.iter().filter_map(first).min_by_key(|(client, number)| (places(client).max(FAIR_SHARE), *number))
    }

    /// Takes out one that waits.
    pub(super) fn take(&mut self, client: ClientAddress, number: u64) -> Option<WaitingConnection> {
        let taken = self.queues.get_mut(&client)?.waiting.remove(&number)?;
        self.left(client, true);
        Some(taken)
    }

    /// One of this address was taken out.
    fn left(&mut self, client: ClientAddress, waited: bool) {
        self.total -= 1;
        self.waiting -= usize::from(waited);
        if self.queues.get(&client).is_some_and(|queue| queue.len() == 0) {
            self.queues.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::sync::oneshot::channel;

    use super::*;
    use crate::program::web::addresses::ConnectionAddresses;

    fn client(last: u8) -> ClientAddress {
        ConnectionAddresses { local: None, peer: Some(SocketAddr::from(([10, 0, 0, last], 1))) }.client()
    }

    /// A lobby with so many of each address, and who they are, by number.
    fn lobby(addresses: &[(u8, u64)]) -> (Lobby, Vec<Arc<Activity>>) {
        let (mut lobby, mut all) = (Lobby::default(), Vec::new());
        for (address, count) in addresses {
            for _ in 0..*count {
                all.push(Activity::new());
                lobby.enter(client(*address), all.len() as u64 - 1, Arc::clone(&all[all.len() - 1]));
            }
        }
        (lobby, all)
    }

    #[test]
    fn of_the_address_that_has_most_those_who_say_least_are_sent_away_first() {
        let (mut lobby, all) = lobby(&[(1, 1), (2, 12)]);
        let away = |lobby: &mut Lobby| {
            let gone = lobby.crowded_out().expect("one");
            all.iter().position(|activity| Arc::ptr_eq(activity, &gone)).expect("one of them")
        };
        lobby.begin(client(2), 5);
        assert!(lobby.wait(client(2), 1, channel().0) && lobby.wait(client(2), 2, channel().0));
        assert_eq!([(); 4].map(|()| away(&mut lobby)), [5, 3, 4, 6]);
        assert_eq!((lobby.len(), lobby.waiting()), (9, 2));
        // At the end both have no more than their share: whoever it is, the lobby stays right.
        while lobby.crowded_out().is_some() {}
        assert_eq!((lobby.len(), lobby.waiting(), lobby.queues.len()), (0, 0, 0));
        assert!(!lobby.wait(client(2), 7, channel().0) && !lobby.remove(client(2), 7));
    }

    #[test]
    fn whoever_has_fewest_places_is_next() {
        let (mut lobby, _all) = lobby(&[(2, 3), (1, 1)]);
        assert_eq!(lobby.next(|_| 0), None);
        for (address, number) in [(2, 2), (2, 0), (1, 3)] {
            assert!(lobby.wait(client(address), number, channel().0));
        }
        let places = |of: u8, count: usize| move |address: &ClientAddress| if *address == client(of) { count } else { 0 };
        assert_eq!(lobby.next(places(2, FAIR_SHARE)), Some((client(2), 0)), "a share is no crowd");
        assert_eq!(lobby.next(places(2, FAIR_SHARE + 1)), Some((client(1), 3)));
        assert!(lobby.take(client(1), 3).is_some() && lobby.take(client(1), 3).is_none());
        assert_eq!((lobby.len(), lobby.waiting()), (3, 2));
    }
}
