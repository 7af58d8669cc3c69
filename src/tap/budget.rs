//! The share of a worker's time that viewers may use, in units of about 50 ns. Counted and not measured, because the core reads no clock.

use crate::time::Timestamp;

/// Units per millisecond: 5 % of a core, and about 8 % with the work around what is counted.
const UNITS_PER_MS: i64 = 1_000;

/// Units that may be saved while little arrives: those of 100 ms.
const MAX_UNITS: i64 = 100 * UNITS_PER_MS;

/// What costs units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TapWork {
    /// Comparing the name of one line with the filters of one viewer.
    Name,
    /// Comparing one sender with the filter of one viewer.
    Source,
    /// Recording one line apart from the others and describing what became of it.
    Judge,
}

impl TapWork {
    const fn units(self) -> i64 {
        match self {
            Self::Name => 1,
            Self::Source => 5,
            Self::Judge => 40,
        }
    }
}

/// The budget of one worker.
#[derive(Debug, Default)]
pub(crate) struct TapBudget {
    units: i64,
    refilled: Timestamp,
}

impl TapBudget {
    /// Adds the units of the time since the last call.
    pub(crate) fn refill(&mut self, now: Timestamp) {
        let millis = i64::try_from(now.millis_since(self.refilled)).unwrap_or(i64::MAX);
        self.units = self.units.saturating_add(millis.saturating_mul(UNITS_PER_MS)).min(MAX_UNITS);
        self.refilled = self.refilled.max(now);
    }

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.units <= 0
    }

    /// Spends the units of some work. The last work may exceed the budget; the next time makes up for it.
    pub(crate) fn spend(&mut self, work: TapWork, times: usize) {
        self.units = self.units.saturating_sub(work.units().saturating_mul(i64::try_from(times).unwrap_or(i64::MAX)));
    }
}
