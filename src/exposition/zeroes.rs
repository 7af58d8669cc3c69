//! The new counters, which an exposition shows at 0. They stay at 0 until an exposition was delivered.

use std::sync::Arc;

use crate::registry::{FamilyKind, Series};
use crate::time::Timestamp;

/// The new counters of one exposition.
#[derive(Debug, Default)]
pub(crate) struct Zeroes {
    series: Vec<Arc<Series>>,
    /// Milliseconds for which a counter stays at 0 after the delivery.
    zero_ms: u64,
}

impl Zeroes {
    /// Notes the series whose 0 was not delivered yet. Call this before they are written.
    pub(super) fn note(&mut self, kind: &FamilyKind, series: &[Arc<Series>], zero_ms: Option<u64>) {
        let Some(zero_ms) = zero_ms.filter(|_| *kind == FamilyKind::Counter) else { return };
        self.zero_ms = zero_ms;
        self.series.extend(series.iter().filter(|series| series.shown_from_s() == 0).map(Arc::clone));
    }

    /// Whether there are none.
    #[cfg(feature = "cli")]
    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Notes that the exposition was completely delivered at `now`.
    pub(crate) fn delivered(&self, now: Timestamp) {
        self.series.iter().for_each(|series| series.zero_delivered(now, self.zero_ms));
    }
}
