//! The cells of one series, by worker. One worker needs no list, and most series have one.

/// The number of the worker that restored cells belong to, until the first worker with a sample takes them over. Workers are numbered
/// from 0 and never reach it.
pub(super) const BASE: u32 = u32::MAX;

/// A cell for each worker that had a sample of the series. Cells are references, cheap to clone.
#[derive(Debug, Default)]
pub(super) enum Parts<C> {
    /// No worker had a sample yet.
    #[default]
    None,
    One(u32, C),
    // Boxed: a list in place would add two words to each series, and few series need one.
    #[expect(clippy::box_collection, reason = "few series have a list, so it must not make all of them larger")]
    Many(Box<Vec<(u32, C)>>),
}

impl<C: Clone> Parts<C> {
    /// The oldest cell.
    pub(super) fn first(&self) -> Option<C> {
        self.iter().next().cloned()
    }

    /// The worker's cell, created if it has none. The first worker continues with a restored cell. The list grows by exactly one.
    pub(super) fn of_worker(&mut self, worker: u32, new: impl FnOnce() -> C) -> C {
        if let Some((id, cell)) = self.entry(worker) {
            *id = worker;
            return cell.clone();
        }
        let cell = new();
        *self = match std::mem::take(self) {
            Self::None => Self::One(worker, cell.clone()),
            Self::One(first, other) => Self::Many(Box::new(vec![(first, other), (worker, cell.clone())])),
            Self::Many(mut all) => {
                all.reserve_exact(1);
                all.push((worker, cell.clone()));
                Self::Many(all)
            }
        };
        cell
    }

    /// The worker's cell as in [`of_worker`](Self::of_worker), replaced by what `update` returns, if it returns one.
    pub(super) fn of_worker_or(&mut self, worker: u32, new: impl FnOnce() -> C, update: impl FnOnce(&C) -> Option<C>) -> C {
        match self.entry(worker) {
            Some((id, cell)) => {
                *id = worker;
                if let Some(updated) = update(cell) {
                    *cell = updated;
                }
                cell.clone()
            }
            None => self.of_worker(worker, || {
                let new = new();
                update(&new).unwrap_or(new)
            }),
        }
    }
}

impl<C> Parts<C> {
    /// Whether the worker has a cell, or can take over a restored one.
    pub(super) fn has(&self, worker: u32) -> bool {
        match self {
            Self::None => false,
            Self::One(id, _) => *id == worker || *id == BASE,
            Self::Many(all) => all.iter().any(|(id, _)| *id == worker || *id == BASE),
        }
    }

    /// All cells, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &C> {
        let (one, many) = match self {
            Self::None => (None, &[][..]),
            Self::One(_, cell) => (Some(cell), &[][..]),
            Self::Many(all) => (None, &all[..]),
        };
        one.into_iter().chain(many.iter().map(|(_, cell)| cell))
    }

    /// The worker's entry, else the restored one.
    fn entry(&mut self, worker: u32) -> Option<(&mut u32, &mut C)> {
        match self {
            Self::None => None,
            Self::One(id, cell) => (*id == worker || *id == BASE).then_some((id, cell)),
            Self::Many(all) => {
                let at = |wanted| move |(id, _): &(u32, C)| *id == wanted;
                let found = all.iter().position(at(worker)).or_else(|| all.iter().position(at(BASE)))?;
                all.get_mut(found).map(|(id, cell)| (id, cell))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_worker_has_its_own() {
        let mut parts = Parts::default();
        for round in 0..2 {
            for worker in [7, 0, 3] {
                assert_eq!(*parts.of_worker(worker, || Arc::new(worker * 10)), worker * 10, "round {round}");
            }
        }
        assert_eq!(parts.iter().map(|cell| **cell).collect::<Vec<_>>(), [70, 0, 30]);
        assert_eq!(*parts.of_worker_or(0, Arc::default, |old| Some(Arc::new(**old + 5))), 5);
        assert_eq!(parts.iter().map(|cell| **cell).collect::<Vec<_>>(), [70, 5, 30]);
        let mut one = Parts::default();
        assert_eq!(one.of_worker_or(1, || 8, |_| None), 8);
        assert_eq!(one.of_worker_or(1, || 8, |old| Some(old + 1)), 9);
        assert_eq!((one.of_worker(1, || 8), one.of_worker_or(2, || 3, |new| Some(new * 2))), (9, 6));
    }

    #[test]
    fn the_first_worker_continues_with_a_restored_cell() {
        let mut parts = Parts::default();
        for (worker, cell) in [(BASE, 1), (BASE, 1), (0, 1), (1, 2), (0, 1), (BASE, 3), (1, 2), (2, 3)] {
            assert_eq!(*parts.of_worker(worker, || Arc::new(cell)), cell, "worker {worker}");
        }
        assert_eq!(parts.iter().count(), 3);
    }
}
