//! The counters that an exposition shows at 0 because they are new. The 0 stays until somebody has got it.

use std::sync::Arc;

use crate::registry::{FamilyKind, Series};
use crate::time::Timestamp;

/// New counters of one exposition, to be told that it was delivered.
#[derive(Debug, Default)]
pub(crate) struct Zeroes {
    series: Vec<Arc<Series>>,
    /// How long a 0 stays once it was delivered.
    zero_ms: u64,
}

impl Zeroes {
    /// Notes those of `series` whose 0 nobody has got so far; to be called before they are shown.
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

    /// The exposition was delivered whole at `now`.
    pub(crate) fn delivered(&self, now: Timestamp) {
        self.series.iter().for_each(|series| series.zero_delivered(now, self.zero_ms));
    }
}
