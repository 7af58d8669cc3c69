//! Limits how many requests do something concurrently. Client addresses take turns, however many requests each has waiting.
//!
//! The number of waiting requests is limited. Beyond the limit, the newest request of the address with most waiting requests is
//! rejected. Therefore a client that floods the server only delays its own requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::program::net::ClientAddress;

/// A limited number of turns, shared by all client addresses.
#[derive(Debug)]
pub(in crate::program) struct FairTurns {
    max_waiting: usize,
    queue: Mutex<TurnQueue>,
}

#[derive(Debug)]
struct TurnQueue {
    /// Turns that are not taken.
    free: usize,
    waiting: usize,
    by_client: HashMap<ClientAddress, VecDeque<Sender<Turn>>>,
    /// The addresses with waiting requests; the front address is next.
    order: VecDeque<ClientAddress>,
}

/// One turn. Dropping it passes the turn on.
#[derive(Debug)]
pub(in crate::program) struct Turn(Option<Arc<FairTurns>>);

/// The result of requesting a turn.
enum Joined {
    /// A turn was free.
    Granted(Turn),
    /// The request waits; the receiver gets the turn, or an error if the request is displaced.
    Waiting(Receiver<Turn>),
    /// Too many requests wait.
    Rejected,
}

impl FairTurns {
    /// Allows `turns` concurrent turns, at least one, and `max_waiting` waiting requests.
    pub(in crate::program) fn new(turns: usize, max_waiting: usize) -> Arc<Self> {
        let queue = TurnQueue { free: turns.max(1), waiting: 0, by_client: HashMap::new(), order: VecDeque::new() };
        Arc::new(Self { max_waiting, queue: Mutex::new(queue) })
    }

    /// Waits for a turn; `None` if the request is rejected because too many wait. Cancel safe.
    pub(in crate::program) async fn take(self: &Arc<Self>, client: ClientAddress) -> Option<Turn> {
        match self.join(client) {
            Joined::Granted(turn) => Some(turn),
            // An error means that a request of another address displaced this one.
            Joined::Waiting(granted) => granted.await.ok(),
            Joined::Rejected => None,
        }
    }

    fn join(self: &Arc<Self>, client: ClientAddress) -> Joined {
        let mut queue = self.queue();
        if queue.free > 0 {
            queue.free -= 1;
            return Joined::Granted(Turn(Some(Arc::clone(self))));
        }
        if queue.waiting >= self.max_waiting {
            queue.drop_abandoned();
        }
        if queue.waiting >= self.max_waiting && !queue.make_room_for(client) {
            return Joined::Rejected;
        }
        let (grant, granted) = channel();
        queue.push(client, grant);
        Joined::Waiting(granted)
    }

    /// The number of waiting requests.
    #[cfg(test)]
    pub(in crate::program) fn waiting(&self) -> usize {
        self.queue().waiting
    }

    fn queue(&self) -> MutexGuard<'_, TurnQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a turn to the next waiting request.
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
                // The request was cancelled; try the next one.
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

    /// Removes the oldest request of the front address, and moves that address to the back.
    fn pop(&mut self) -> Option<Sender<Turn>> {
        let client = self.order.pop_front()?;
        let queue = self.by_client.get_mut(&client);
        debug_assert!(queue.as_ref().is_some_and(|queue| !queue.is_empty()), "every address in the order has waiting requests");
        let queue = queue?;
        let next = queue.pop_front();
        self.waiting -= usize::from(next.is_some());
        if queue.is_empty() {
            self.by_client.remove(&client);
        } else {
            self.order.push_back(client);
        }
        next
    }

    /// Removes cancelled requests.
    fn drop_abandoned(&mut self) {
        self.by_client.values_mut().for_each(|queue| queue.retain(|grant| !grant.is_closed()));
        self.forget_empty();
    }

    /// Rejects the newest request of the address with most waiting requests; returns false if `client` itself has about as many.
    fn make_room_for(&mut self, client: ClientAddress) -> bool {
        let own = self.by_client.get(&client).map_or(0, VecDeque::len);
        let longest = self.by_client.values_mut().max_by_key(|queue| queue.len()).filter(|queue| queue.len() > own + 1);
        let Some(longest) = longest else { return false };
        longest.pop_back();
        self.waiting -= 1;
        true
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
    use std::net::Ipv4Addr;

    use super::*;

    fn client(last: u8) -> ClientAddress {
        ClientAddress::of(Some(Ipv4Addr::new(10, 0, 0, last).into()))
    }

    fn waiting(turns: &Arc<FairTurns>, last: u8) -> Receiver<Turn> {
        match turns.join(client(last)) {
            Joined::Waiting(granted) => granted,
            Joined::Granted(_) | Joined::Rejected => panic!("no turn is free, and one more may wait"),
        }
    }

    fn granted(turns: &Arc<FairTurns>, last: u8) -> Turn {
        match turns.join(client(last)) {
            Joined::Granted(turn) => turn,
            Joined::Waiting(_) | Joined::Rejected => panic!("a turn is free"),
        }
    }

    fn is_rejected(turns: &Arc<FairTurns>, last: u8) -> bool {
        matches!(turns.join(client(last)), Joined::Rejected)
    }

    #[test]
    fn addresses_take_turns() {
        let turns = FairTurns::new(1, 10);
        let first = granted(&turns, 1);
        let mut many: Vec<_> = (0..3).map(|_| waiting(&turns, 1)).collect();
        let mut other = waiting(&turns, 2);
        drop(first);
        let second = many[0].try_recv().expect("the oldest of the first address");
        assert!(other.try_recv().is_err() && many[1].try_recv().is_err());
        drop(second);
        let third = other.try_recv().expect("then the other address");
        // Cancelled requests are skipped.
        drop(many.remove(1));
        drop(third);
        drop(many[1].try_recv().expect("then the first again"));
        assert_eq!(turns.waiting(), 0);
        assert_eq!(turns.queue().free, 1);
    }

    #[test]
    fn the_address_with_most_waiting_requests_loses_its_newest() {
        let turns = FairTurns::new(1, 3);
        let turn = granted(&turns, 1);
        let mut many: Vec<_> = (0..3).map(|_| waiting(&turns, 1)).collect();
        assert!(is_rejected(&turns, 1), "an address never displaces its own requests");
        let mut other = waiting(&turns, 2);
        assert!(matches!(many[2].try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
        assert!(is_rejected(&turns, 2), "the other address has only one more");
        let _third = many.pop();
        drop(many.pop());
        let _again = waiting(&turns, 2);
        drop(turn);
        drop(many[0].try_recv().expect("the one that is left"));
        drop(other.try_recv().expect("the other address"));
    }

    #[test]
    fn a_turn_granted_to_a_cancelled_request_is_passed_on() {
        let turns = FairTurns::new(1, 3);
        let turn = granted(&turns, 1);
        let (gone, mut next) = (waiting(&turns, 1), waiting(&turns, 2));
        drop(turn);
        drop(gone);
        drop(next.try_recv().expect("passed on"));
        let queue = turns.queue();
        assert_eq!((queue.waiting, queue.free, queue.by_client.len()), (0, 1, 0));
    }
}
