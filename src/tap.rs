//! tap: viewers that see lines as they arrive, and what became of each.
//!
//! Without a viewer, a batch costs one relaxed load. With viewers, each worker compares the raw name of every line with their filters and
//! judges lines that match, both within a budget; lines beyond it are recorded as always, and counted as not seen. A viewer that does not
//! read loses lines, counted. Knows neither the registry nor sockets nor formats.

mod budget;
mod filter;
mod line;
mod viewer;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

pub(crate) use self::budget::{TapBudget, TapWork};
pub(crate) use self::filter::{LabelFilter, RuleFilter, TapFilter, TextPattern, VerdictFilter};
pub(crate) use self::line::{Mapping, TappedLine, Verdict};
pub(crate) use self::viewer::{TapCount, TapCounts, Viewer};
use crate::lock::lock;

/// The viewers of one bridge.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    is_watched: AtomicBool,
    viewers: Mutex<Arc<[Arc<Viewer>]>>,
}

impl Taps {
    /// Whether there is a viewer.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched.load(Relaxed)
    }

    /// The viewers now.
    pub(crate) fn viewers(&self) -> Arc<[Arc<Viewer>]> {
        Arc::clone(&lock(&self.viewers))
    }

    /// Adds a viewer, which sees the lines of batches that begin from now on. `None` if there are `most` viewers already.
    pub(crate) fn watch(self: &Arc<Self>, filter: TapFilter, lines_per_second: u32, most: usize) -> Option<Watch> {
        let mut viewers = lock(&self.viewers);
        if viewers.len() >= most {
            return None;
        }
        let viewer = Arc::new(Viewer::new(filter, lines_per_second));
        let all = viewers.iter().cloned().chain([Arc::clone(&viewer)]).collect();
        self.replace(&mut viewers, all);
        Some(Watch { taps: Arc::clone(self), viewer })
    }

    fn remove(&self, viewer: &Arc<Viewer>) {
        let mut viewers = lock(&self.viewers);
        let left = viewers.iter().filter(|other| !Arc::ptr_eq(other, viewer)).cloned().collect();
        self.replace(&mut viewers, left);
    }

    fn replace(&self, viewers: &mut Arc<[Arc<Viewer>]>, with: Arc<[Arc<Viewer>]>) {
        self.is_watched.store(!with.is_empty(), Relaxed);
        *viewers = with;
    }
}

/// A viewer's place. Dropping it ends the view.
#[derive(Debug)]
pub(crate) struct Watch {
    taps: Arc<Taps>,
    viewer: Arc<Viewer>,
}

impl Watch {
    /// Takes the lines since the last call, oldest first.
    pub(crate) fn take(&self) -> Vec<TappedLine> {
        self.viewer.take()
    }

    /// The counts since the view began.
    pub(crate) fn counts(&self) -> TapCounts {
        self.viewer.counts()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.taps.remove(&self.viewer);
    }
}

#[cfg(test)]
mod tests;
