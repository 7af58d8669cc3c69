//! Connections without a slot: those whose request has not arrived, and those that wait for a slot. Their number is limited. The lobby
//! selects the connection to evict for a new one, and the connection that gets the next slot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot::Sender;

use crate::program::net::ClientAddress;
use crate::program::web::activity::Activity;

/// The fair share of a client address. Addresses with fewer connections are treated equally, because a scraper, a probe and a person may
/// share an address.
pub(super) const FAIR_SHARE: usize = 8;

/// All connections without a slot, by client address and number. Older connections have lower numbers.
#[derive(Default)]
pub(super) struct Lobby {
    queues: HashMap<ClientAddress, AddressQueue>,
    total: usize,
    waiting: usize,
}

/// The connections of one client address.
#[derive(Default)]
struct AddressQueue {
    /// Nothing was received.
    silent: BTreeMap<u64, Arc<Activity>>,
    /// A part of the request was received.
    started: BTreeMap<u64, Arc<Activity>>,
    /// The request was received; the connection waits for a slot.
    waiting: BTreeMap<u64, WaitingConnection>,
}

/// A connection that waits for a slot.
pub(super) struct WaitingConnection {
    pub(super) activity: Arc<Activity>,
    /// Notifies the connection that it has a slot.
    pub(super) grant: Sender<()>,
}

/// The connection that gets the next slot.
pub(super) struct NextConnection {
    pub(super) client: ClientAddress,
    pub(super) number: u64,
    pub(super) waiting: WaitingConnection,
}

impl AddressQueue {
    fn len(&self) -> usize {
        self.silent.len() + self.started.len() + self.waiting.len()
    }
}

impl Lobby {
    /// The number of connections in the lobby.
    pub(super) fn len(&self) -> usize {
        self.total
    }

    /// The number of connections that wait for a slot.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn enter(&mut self, client: ClientAddress, number: u64, activity: Arc<Activity>) {
        self.queues.entry(client).or_default().silent.insert(number, activity);
        self.total += 1;
    }

    /// A part of the request was received. No effect if the connection was evicted meanwhile.
    pub(super) fn start_request(&mut self, client: ClientAddress, number: u64) {
        if let Some(queue) = self.queues.get_mut(&client)
            && let Some(activity) = queue.silent.remove(&number)
        {
            queue.started.insert(number, activity);
        }
    }

    /// The request was received; the connection waits for a slot. Returns false if it was evicted meanwhile.
    pub(super) fn wait(&mut self, client: ClientAddress, number: u64, grant: Sender<()>) -> bool {
        let Some(queue) = self.queues.get_mut(&client) else { return false };
        let Some(activity) = queue.silent.remove(&number).or_else(|| queue.started.remove(&number)) else { return false };
        queue.waiting.insert(number, WaitingConnection { activity, grant });
        self.waiting += 1;
        true
    }

    /// Removes a connection; returns false if it is not in the lobby.
    pub(super) fn remove(&mut self, client: ClientAddress, number: u64) -> bool {
        let Some(queue) = self.queues.get_mut(&client) else { return false };
        let waited = queue.waiting.remove(&number).is_some();
        if !waited && queue.silent.remove(&number).is_none() && queue.started.remove(&number).is_none() {
            return false;
        }
        self.removed(client, waited);
        true
    }

    /// Removes the connection to evict, from the address with most connections: the oldest one with an incomplete request, otherwise the
    /// oldest silent one, otherwise the newest waiting one.
    pub(super) fn evict(&mut self) -> Option<Arc<Activity>> {
        let (client, queue) = self.queues.iter_mut().max_by_key(|(_, queue)| (queue.len().max(FAIR_SHARE), !queue.started.is_empty()))?;
        let client = *client;
        debug_assert!(queue.len() > 0, "empty queues are removed");
        let unread = queue.started.pop_first().or_else(|| queue.silent.pop_first());
        let (activity, waited) = match unread {
            Some((_, activity)) => (activity, false),
            None => (queue.waiting.pop_last()?.1.activity, true),
        };
        self.removed(client, waited);
        Some(activity)
    }

    /// The address and number of the connection that gets the next slot: the oldest one of the addresses with fewest slots.
    pub(super) fn next(&self, slots: impl Fn(&ClientAddress) -> usize) -> Option<(ClientAddress, u64)> {
        let first = |(client, queue): (&ClientAddress, &AddressQueue)| Some((*client, *queue.waiting.first_key_value()?.0));
        self.queues.iter().filter_map(first).min_by_key(|(client, number)| (slots(client).max(FAIR_SHARE), *number))
    }

    /// Removes and returns the connection that gets the next slot.
    pub(super) fn take_next(&mut self, slots: impl Fn(&ClientAddress) -> usize) -> Option<NextConnection> {
        let (client, number) = self.next(slots)?;
        let waiting = self.queues.get_mut(&client).and_then(|queue| queue.waiting.remove(&number));
        debug_assert!(waiting.is_some(), "the next connection is in its queue");
        let waiting = waiting?;
        self.removed(client, true);
        Some(NextConnection { client, number, waiting })
    }

    /// Updates the counts after a connection of this address was removed.
    fn removed(&mut self, client: ClientAddress, waited: bool) {
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

    /// A lobby with this number of connections of each address, and their activities by number.
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
    fn unread_connections_of_the_address_with_most_are_evicted_first() {
        let (mut lobby, all) = lobby(&[(1, 1), (2, 12)]);
        let evicted = |lobby: &mut Lobby| {
            let gone = lobby.evict().expect("one");
            all.iter().position(|activity| Arc::ptr_eq(activity, &gone)).expect("one of them")
        };
        lobby.start_request(client(2), 5);
        assert!(lobby.wait(client(2), 1, channel().0) && lobby.wait(client(2), 2, channel().0));
        assert_eq!([(); 4].map(|()| evicted(&mut lobby)), [5, 3, 4, 6]);
        assert_eq!((lobby.len(), lobby.waiting()), (9, 2));
        // Within the fair share, the order does not matter; the counts must stay correct.
        while lobby.evict().is_some() {}
        assert_eq!((lobby.len(), lobby.waiting(), lobby.queues.len()), (0, 0, 0));
        assert!(!lobby.wait(client(2), 7, channel().0) && !lobby.remove(client(2), 7));
    }

    #[test]
    fn the_address_with_fewest_places_is_next() {
        let (mut lobby, _all) = lobby(&[(2, 3), (1, 1)]);
        assert_eq!(lobby.next(|_| 0), None);
        for (address, number) in [(2, 2), (2, 0), (1, 3)] {
            assert!(lobby.wait(client(address), number, channel().0));
        }
        let slots = |of: u8, count: usize| move |address: &ClientAddress| if *address == client(of) { count } else { 0 };
        assert_eq!(lobby.next(slots(2, FAIR_SHARE)), Some((client(2), 0)), "addresses within their share are equal");
        assert_eq!(lobby.next(slots(2, FAIR_SHARE + 1)), Some((client(1), 3)));
        let next = lobby.take_next(slots(2, FAIR_SHARE + 1)).expect("a waiting connection");
        assert_eq!((next.client, next.number), (client(1), 3));
        assert_eq!((lobby.len(), lobby.waiting()), (3, 2));
    }
}
