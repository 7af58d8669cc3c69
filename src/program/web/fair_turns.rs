//! Turns at something that few may do at once, given out fairly: each address in its turn, however many requests it has waiting.
//!
//! Few may wait; for one more, the address that has most requests waiting loses its newest. So whoever asks without end shuts out
//! nobody but himself. Knows addresses, and not what the turns are for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::addresses::ClientAddress;

/// Turns that are shared by all addresses.
#[derive(Debug)]
pub(super) struct FairTurns {
    most_waiting: usize,
    queue: Mutex<TurnQueue>,
}

#[derive(Debug)]
struct TurnQueue {
    /// Turns that nobody has.
    free: usize,
    waiting: usize,
    by_client: HashMap<ClientAddress, VecDeque<Sender<Turn>>>,
    /// The addresses that wait, whose turn is next first.
    order: VecDeque<ClientAddress>,
}

/// One turn; it ends when dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<FairTurns>>);

impl FairTurns {
    /// So many turns at once, and so many requests that may wait for one.
    pub(super) fn new(turns: usize, most_waiting: usize) -> Arc<Self> {
        let queue = TurnQueue { free: turns.max(1), waiting: 0, by_client: HashMap::new(), order: VecDeque::new() };
        Arc::new(Self { most_waiting, queue: Mutex::new(queue) })
    }

    /// A turn; none if too many wait. Whoever drops the future waits no more.
    pub(super) async fn take(self: &Arc<Self>, client: ClientAddress) -> Option<Turn> {
        let granted = match self.join(client)? {
            Ok(turn) => return Some(turn),
            Err(granted) => granted,
        };
        // An error: a request of another address needed the place.
        granted.await.ok()
    }

    /// A turn at once, or the way to one; none if too many wait.
    fn join(self: &Arc<Self>, client: ClientAddress) -> Option<Result<Turn, Receiver<Turn>>> {
        let mut queue = self.queue();
        if queue.free > 0 {
            queue.free -= 1;
            return Some(Ok(Turn(Some(Arc::clone(self)))));
        }
        if queue.waiting >= self.most_waiting {
            queue.drop_abandoned();
        }
        if queue.waiting >= self.most_waiting {
            queue.make_place_for(client)?;
        }
        let (grant, granted) = channel();
        queue.push(client, grant);
        Some(Err(granted))
    }

    /// Requests that wait now.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting
    }

    fn queue(&self) -> MutexGuard<'_, TurnQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn that has ended to the next request.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut queue = self.queue();
                let next = queue.pop();
                queue.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It no longer waits: the turn is still to be given.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

impl TurnQueue {
    fn push(&mut self, client: ClientAddress, grant: Sender<Turn>) {
        let queue = self.by_client.entry(client).or_default();
        if queue.is_empty() {
            self.order.push_back(client);
        }
        queue.push_back(grant);
        self.waiting += 1;
    }

    /// The oldest request of the address whose turn it is, which goes to the end of the order.
    fn pop(&mut self) -> Option<Sender<Turn>> {
        let client = self.order.pop_front()?;
        let queue = self.by_client.get_mut(&client)?;
        let next = queue.pop_front();
        self.waiting -= usize::from(next.is_some());
        if queue.is_empty() {
            self.by_client.remove(&client);
        } else {
            self.order.push_back(client);
        }
        next
    }

    /// Forgets those who no longer wait.
    fn drop_abandoned(&mut self) {
        self.by_client.values_mut().for_each(|queue| queue.retain(|grant| !grant.is_closed()));
        self.forget_empty();
    }

    /// Takes the newest request of the address that has most; none if that is `client` itself.
    fn make_place_for(&mut self, client: ClientAddress) -> Option<()> {
        let own = self.by_client.get(&client).map_or(0, VecDeque::len);
        let longest = self.by_client.values_mut().max_by_key(|queue| queue.len())?;
        if longest.len() <= own + 1 {
            return None;
        }
        longest.pop_back();
        self.waiting -= 1;
        Some(())
    }

    fn forget_empty(&mut self) {
        self.by_client.retain(|_, queue| !queue.is_empty());
        let by_client = &self.by_client;
        self.order.retain(|client| by_client.contains_key(client));
        self.waiting = self.by_client.values().map(VecDeque::len).sum();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
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

    fn waiting(turns: &Arc<FairTurns>, last: u8) -> Receiver<Turn> {
        turns.join(client(last)).expect("a place").expect_err("no turn is free")
    }

    #[test]
    fn each_address_has_its_turn() {
        let turns = FairTurns::new(1, 10);
        let first = turns.join(client(1)).expect("a place").expect("a turn");
        let mut many: Vec<_> = (0..3).map(|_| waiting(&turns, 1)).collect();
        let mut other = waiting(&turns, 2);
        drop(first);
        let second = many[0].try_recv().expect("the oldest of the first address");
        assert!(other.try_recv().is_err() && many[1].try_recv().is_err());
        drop(second);
        let third = other.try_recv().expect("then the other address");
        // Who waits no more is passed over.
        drop(many.remove(1));
        drop(third);
        drop(many[1].try_recv().expect("then the first again"));
        assert_eq!(turns.waiting(), 0);
        assert_eq!(turns.queue().free, 1);
    }

    #[test]
    fn who_has_most_waiting_loses_its_newest_for_another() {
        let turns = FairTurns::new(1, 3);
        let turn = turns.join(client(1)).expect("a place").expect("a turn");
        let mut many: Vec<_> = (0..3).map(|_| waiting(&turns, 1)).collect();
        assert!(turns.join(client(1)).is_none(), "not for its own");
        let mut other = waiting(&turns, 2);
        assert!(matches!(many[2].try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
        assert!(turns.join(client(2)).is_none(), "they have as many but one");
        let _third = many.pop();
        drop(many.pop());
        let _again = waiting(&turns, 2);
        drop(turn);
        drop(many[0].try_recv().expect("the one that is left"));
        drop(other.try_recv().expect("the other address"));
    }

    #[test]
    fn a_turn_is_not_lost_with_the_one_who_was_given_it() {
        let turns = FairTurns::new(1, 3);
        let turn = turns.join(client(1)).expect("a place").expect("a turn");
        let (gone, mut next) = (waiting(&turns, 1), waiting(&turns, 2));
        drop(turn);
        drop(gone);
        drop(next.try_recv().expect("passed on"));
        let queue = turns.queue();
        assert_eq!((queue.waiting, queue.free, queue.by_client.len()), (0, 1, 0));
    }
}
