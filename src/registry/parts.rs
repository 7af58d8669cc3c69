//! The cells of one series, by worker. Most series are met by one worker, so that one needs no list.

/// The worker that restored parts belong to, until the first one that meets the series takes them over. Workers count from 0, and
/// none comes near it.
pub(super) const BASE: u32 = u32::MAX;

/// A cell for each worker that has met the series; cells are handles, cheap to clone.
#[derive(Debug, Default)]
pub(super) enum Parts<C> {
    /// No worker has met it yet.
    #[default]
    None,
    One(u32, C),
    // A list behind one word keeps the series small.
    #[expect(clippy::box_collection, reason = "three words in each series for the sake of few")]
    Many(Box<Vec<(u32, C)>>),
}

impl<C: Clone> Parts<C> {
    /// The cell that came first.
    pub(super) fn first(&self) -> Option<C> {
        self.iter().next().cloned()
    }

    /// The worker's cell, made if it has none; the first worker goes on with what was restored. The list grows by exactly one.
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

    /// Puts a cell in the place of the worker's, which it has.
    pub(super) fn replace(&mut self, worker: u32, new: C) -> C {
        match self {
            Self::One(id, cell) if *id == worker => *cell = new.clone(),
            Self::Many(all) => all.iter_mut().filter(|(id, _)| *id == worker).for_each(|(_, cell)| *cell = new.clone()),
            _ => {}
        }
        new
    }
}

impl<C> Parts<C> {
    /// Whether the worker has a cell, or may go on with what was restored.
    pub(super) fn has(&self, worker: u32) -> bool {
        match self {
            Self::None => false,
            Self::One(id, _) => *id == worker || *id == BASE,
            Self::Many(all) => all.iter().any(|(id, _)| *id == worker || *id == BASE),
        }
    }

    /// All cells, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &C> {
        let (one, many) = match self {
            Self::None => (None, &[][..]),
            Self::One(_, cell) => (Some(cell), &[][..]),
            Self::Many(all) => (None, &all[..]),
        };
        one.into_iter().chain(many.iter().map(|(_, cell)| cell))
    }

    /// The worker's entry, else that of what was restored.
    fn entry(&mut self, worker: u32) -> Option<(&mut u32, &C)> {
        match self {
            Self::One(id, cell) if *id == worker || *id == BASE => Some((id, cell)),
            Self::Many(all) => {
                let at = |wanted| move |(id, _): &(u32, C)| *id == wanted;
                let found = all.iter().position(at(worker)).or_else(|| all.iter().position(at(BASE)))?;
                all.get_mut(found).map(|(id, cell)| (id, &*cell))
            }
            _ => None,
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
        assert_eq!(*parts.replace(0, Arc::new(5)), 5);
        assert_eq!(parts.iter().map(|cell| **cell).collect::<Vec<_>>(), [70, 5, 30]);
        let mut one = Parts::default();
        one.of_worker(1, || 8);
        one.replace(1, 9);
        assert_eq!(one.of_worker(1, || 8), 9);
    }

    #[test]
    fn the_first_worker_goes_on_with_what_was_restored() {
        let mut parts = Parts::default();
        for (worker, cell) in [(BASE, 1), (BASE, 1), (0, 1), (1, 2), (0, 1), (BASE, 3), (1, 2), (2, 3)] {
            assert_eq!(*parts.of_worker(worker, || Arc::new(cell)), cell, "worker {worker}");
        }
        assert_eq!(parts.iter().count(), 3);
    }
}
