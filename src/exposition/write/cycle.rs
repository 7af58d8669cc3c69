//! One cycle: all series at one timestamp.

use std::sync::Arc;

use super::memory::WriteMemory;
use super::message::WriteBatch;
use super::options::WriteOptions;
use crate::engine::Engine;
use crate::time::Timestamp;

/// One cycle: all series at one timestamp, made in batches, so that memory does not grow with the number of series.
pub(crate) struct WriteCycle {
    _now: Timestamp,
}

impl WriteCycle {
    /// A cycle of the series that exist now. `time`, in wall time, is the timestamp of every sample, and strictly later than that of the
    /// previous cycle. Start timestamps and exemplars, which are in wall time too, are compared with it.
    pub(crate) fn new(_engine: &Arc<Engine>, _options: &Arc<WriteOptions>, _memory: &WriteMemory, time: Timestamp) -> Self {
        Self { _now: time }
    }

    /// Sets the time on the caller's timeline, which summaries need for their windows. Without it, it is derived from `time` and the
    /// offset of the wall clock. A caller that moved `time` ahead to keep it increasing, because the wall clock was set back, must set it.
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { _now: now }
    }

    /// The next batch; `None` after the last one.
    pub(crate) fn next(&mut self) -> Option<WriteBatch> {
        None
    }

    /// The memory for the next cycle. Call it after the last batch. A cycle that is dropped before leaves the old memory valid.
    pub(crate) fn into_memory(self) -> WriteMemory {
        WriteMemory::default()
    }
}

impl WriteMemory {
    /// A cycle of stale markers of everything that the last cycle had, for an orderly end.
    pub(crate) fn all_gone(&self, engine: &Arc<Engine>, options: &Arc<WriteOptions>, time: Timestamp) -> WriteCycle {
        WriteCycle::new(engine, options, self, time)
    }
}
