//! One viewer: its filter, the lines that it has not read yet, and counts.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::filter::TapFilter;
use super::line::TappedLine;
use crate::lock::lock;
use crate::time::Timestamp;

/// The most memory of lines that a viewer has not read.
const MAX_UNREAD_BYTES: usize = 1 << 20;

/// What happened to lines since a view began. `arrived` = `unexamined` + lines whose name or sender does not match + `matched`, and
/// `matched` = `filtered` + `shown` + `missed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TapCounts {
    /// Lines that arrived.
    pub(crate) arrived: u64,
    /// Lines beyond the budget: their name was not compared.
    pub(crate) unexamined: u64,
    /// Lines whose name and sender match.
    pub(crate) matched: u64,
    /// Of these, those that another part of the filter excludes.
    pub(crate) filtered: u64,
    /// Of these, those given to the viewer.
    pub(crate) shown: u64,
    /// Of these, those beyond the budget or the rate, or that did not fit into the memory of unread lines.
    pub(crate) missed: u64,
}

/// One viewer. Workers add lines, and the viewer takes them.
#[derive(Debug)]
pub(crate) struct Viewer {
    filter: TapFilter,
    lines_per_second: u32,
    unread: Mutex<Unread>,
    counts: [AtomicU64; 6],
}

/// An index of the counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TapCount {
    Arrived,
    Unexamined,
    Matched,
    Filtered,
    Shown,
    Missed,
}

#[derive(Debug, Default)]
struct Unread {
    lines: VecDeque<TappedLine>,
    bytes: usize,
    /// Thousandths of lines that may be shown now.
    allowed: u64,
    refilled: Timestamp,
}

impl Viewer {
    pub(super) fn new(filter: TapFilter, lines_per_second: u32) -> Self {
        Self { filter, lines_per_second, unread: Mutex::default(), counts: Default::default() }
    }

    /// What it wants to see.
    pub(crate) fn filter(&self) -> &TapFilter {
        &self.filter
    }

    /// Adds to a count.
    pub(crate) fn count(&self, which: TapCount, lines: u64) {
        if let Some(count) = self.counts.get(which as usize) {
            count.fetch_add(lines, Relaxed);
        }
    }

    /// Counts lines that match, but that the viewer has no room for.
    pub(crate) fn miss(&self, lines: usize) {
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.count(TapCount::Matched, lines);
        self.count(TapCount::Missed, lines);
    }

    /// Whether a line may be shown at `now`. One second's worth of lines may be shown at once.
    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        let mut unread = lock(&self.unread);
        let millis = now.millis_since(unread.refilled).min(1_000);
        unread.allowed = (unread.allowed + millis * u64::from(self.lines_per_second)).min(1_000 * u64::from(self.lines_per_second));
        unread.refilled = unread.refilled.max(now);
        unread.allowed >= 1_000 && unread.bytes < MAX_UNREAD_BYTES
    }

    /// Gives the viewer a line that it wants. Returns false if it does not fit.
    pub(crate) fn give(&self, line: &TappedLine) -> bool {
        let mut unread = lock(&self.unread);
        let bytes = line.bytes();
        let fits = unread.bytes.saturating_add(bytes) <= MAX_UNREAD_BYTES && unread.allowed >= 1_000;
        if fits {
            unread.allowed -= 1_000;
            unread.bytes += bytes;
            unread.lines.push_back(line.clone());
        }
        fits
    }

    pub(super) fn take(&self) -> Vec<TappedLine> {
        let mut unread = lock(&self.unread);
        unread.bytes = 0;
        std::mem::take(&mut unread.lines).into()
    }

    pub(super) fn counts(&self) -> TapCounts {
        // Parts before wholes, so that no sum of parts exceeds its whole.
        let [arrived, unexamined, matched, filtered, shown, missed] = &self.counts;
        let [missed, shown, filtered, matched, unexamined, arrived] =
            [missed, shown, filtered, matched, unexamined, arrived].map(|count| count.load(Relaxed));
        TapCounts { arrived, unexamined, matched, filtered, shown, missed }
    }
}
