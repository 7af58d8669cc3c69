//! What one target has been sent.

use super::gone::GoneSeries;

/// What one target has been sent: the time and the series of the previous cycle. Empty before the first cycle.
#[derive(Debug, Default)]
pub(crate) struct WriteMemory {
    lost: Vec<GoneSeries>,
}

impl WriteMemory {
    /// Notes that these stale markers were never delivered. The next cycle repeats them, unless the series exists again. The caller bounds
    /// them in bytes.
    pub(crate) fn markers_lost(&mut self, gone: Vec<GoneSeries>) {
        self.lost.extend(gone);
    }
}
