//! Processes that have ended: their sums move to the sender that stands for all such processes of their user, so that short-lived
//! processes do not fill the list.

use super::{Clients, HeavySenders, Tracked};
use crate::source::Sender;

impl HeavySenders {
    /// The listed senders that are processes.
    pub(in crate::sources) fn processes(&self) -> Vec<Sender> {
        self.senders.iter().map(|tracked| tracked.sender).filter(|sender| sender.pid().is_some()).collect()
    }

    /// Moves the sums of a process to those of its user.
    pub(in crate::sources) fn end(&mut self, process: Sender) {
        let Some(user) = process.without_process() else { return };
        let Some((ended, weight)) = self.places.get(&process).copied().and_then(|at| self.remove(at)) else { return };
        let at = self.place(user, weight, ended.first);
        match self.senders.get_mut(at) {
            Some(tracked) => tracked.merge(ended),
            None => self.others.merge(&ended.counts),
        }
    }

    /// Frees a place. Returns its sender and the weight.
    fn remove(&mut self, at: usize) -> Option<(Tracked, u64)> {
        let (heap_at, last) = (self.senders.get(at)?.heap_at, self.heap.len().checked_sub(1)?);
        self.swap(heap_at, last);
        let (weight, _) = self.heap.pop()?;
        if heap_at < last {
            self.sift_up(heap_at);
            self.sift_down(heap_at);
        }
        let removed = self.senders.swap_remove(at);
        self.places.remove(&removed.sender);
        if let Some(moved) = self.senders.get(at) {
            self.places.insert(moved.sender, at);
            if let Some((_, place)) = self.heap.get_mut(moved.heap_at) {
                *place = at;
            }
        }
        self.last = usize::MAX;
        Some((removed, weight))
    }
}

impl Tracked {
    fn merge(&mut self, ended: Self) {
        self.counts.merge(&ended.counts);
        self.missing += ended.missing;
        self.first = self.first.min(ended.first);
        let is_newer = |kept: &Self| match (&kept.last_rejected, &ended.last_rejected) {
            (Some(kept), Some(ended)) => ended.at > kept.at,
            (kept, _) => kept.is_none(),
        };
        if is_newer(self) {
            self.last_rejected = ended.last_rejected;
        }
        if let Some(ended) = ended.clients {
            self.clients.get_or_insert_with(|| Box::new(Clients::new(ended.last_report()))).merge(&ended);
        }
        self.last = self.last.max(ended.last);
    }
}
