//! The time at which a gauge was set, read from the stamp of its cell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::GaugeCell;
use crate::time::{Timestamp, WallOffset};

/// The time at which a gauge was set.
#[derive(Debug)]
pub(crate) struct SetTime {
    gauge: Arc<GaugeCell>,
    wall: Arc<WallOffset>,
    /// The time that was read last, for a gauge that has expired and is still exposed.
    last_ms: AtomicU64,
}

impl SetTime {
    /// The time of a gauge; `created` is used if the gauge has expired already.
    pub(crate) fn new(gauge: Arc<GaugeCell>, wall: &Arc<WallOffset>, created: Timestamp) -> Self {
        let created = created.shifted(wall.millis().saturating_neg());
        Self { gauge, wall: Arc::clone(wall), last_ms: AtomicU64::new(created.as_millis()) }
    }

    /// Seconds since 1970, in wall time.
    pub(crate) fn seconds(&self) -> f64 {
        let millis = self.gauge.stamp().last().unwrap_or_else(|| self.last_ms.load(Relaxed));
        self.last_ms.store(millis, Relaxed);
        self.wall.of(Timestamp::from_millis(millis)).as_millis() as f64 / 1000.0
    }

    /// The address of the value that it reads.
    pub(crate) fn address(&self) -> *const GaugeCell {
        Arc::as_ptr(&self.gauge)
    }
}
