//! The values of the current series, read at one moment, and the position in its lines.

use std::ops::Range;
use std::sync::Arc;

use super::changes::lines_of;
use super::gone::GoneSeries;
use super::kind::{COUNTER, HISTOGRAM, number_of};
use super::memory::SentFamily;
use crate::registry::cell::{HistogramSnapshot, NativeSnapshot, SummarySnapshot};
use crate::registry::{Exemplar, Exemplars, FamilyKind, Series};
use crate::time::Timestamp;

/// What all series of a cycle have in common.
pub(super) struct Times<'a> {
    /// The timestamp of the samples.
    pub(super) time: Timestamp,
    /// The time on the timeline.
    pub(super) now: Timestamp,
    /// The exemplars, if they are sent, and the numbers of those that came since the previous cycle.
    pub(super) exemplars: Option<(&'a Exemplars, Range<u64>)>,
}

/// Whether the lines of a new series follow a 0.
pub(super) enum Zero<'a> {
    No,
    /// All of them.
    At(Timestamp),
    /// Those that this function does not find in the previous cycle.
    Unless(Timestamp, &'a mut dyn FnMut(&GoneSeries) -> bool),
}

/// The current series.
pub(super) struct Current {
    /// Whether its values are read. The other fields are those of an earlier series otherwise.
    pub(super) is_read: bool,
    pub(super) labels_epoch: u64,
    /// The next line.
    pub(super) line: usize,
    pub(super) cumulative: f64,
    pub(super) histogram: HistogramSnapshot,
    pub(super) native: Option<NativeSnapshot>,
    pub(super) summary: SummarySnapshot,
    pub(super) exemplars: Vec<Exemplar>,
    /// The time of the 0 before each line.
    zero: Option<Timestamp>,
    /// The lines that have no 0; empty for none.
    without_zero: Vec<bool>,
}

impl Default for Current {
    fn default() -> Self {
        Self {
            is_read: false,
            labels_epoch: 0,
            line: 0,
            cumulative: 0.0,
            histogram: HistogramSnapshot::new(0),
            native: None,
            summary: SummarySnapshot::default(),
            exemplars: Vec::new(),
            zero: None,
            without_zero: Vec::new(),
        }
    }
}

impl Current {
    /// Reads the values of the next series.
    pub(super) fn read(&mut self, (sent, series): (&SentFamily, &Arc<Series>), zero: Zero<'_>, times: &Times<'_>) {
        (self.is_read, self.labels_epoch, self.line, self.cumulative) = (true, 0, 0, 0.0);
        match sent.family.kind() {
            FamilyKind::Histogram { bounds } => {
                self.histogram.clear();
                match (&mut self.native, bounds.native()) {
                    (Some(native), Some(options)) => {
                        native.clear(options);
                        series.histogram_with_native(bounds, &mut self.histogram, native);
                    }
                    _ => series.histogram(&mut self.histogram),
                }
            }
            FamilyKind::Summary(_) => {
                self.summary.clear();
                series.summary(times.now, &mut self.summary);
            }
            // Read when it is written.
            FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => {}
        }
        self.read_exemplars(series, number_of(sent.family.kind()), times);
        self.without_zero.clear();
        self.zero = match zero {
            Zero::No => None,
            Zero::At(time) => Some(time),
            Zero::Unless(time, is_known) => {
                self.without_zero.extend(lines_of(sent, series).iter().map(is_known));
                Some(time)
            }
        };
    }

    /// Reads the exemplars that came since the previous cycle, oldest first. A receiver rejects older ones than those that it has.
    fn read_exemplars(&mut self, series: &Arc<Series>, kind: u8, times: &Times<'_>) {
        self.exemplars.clear();
        let wanted = times.exemplars.as_ref().filter(|_| matches!(kind, COUNTER | HISTOGRAM));
        let Some((exemplars, numbers)) = wanted else { return };
        self.exemplars = exemplars.of(series);
        self.exemplars.retain(|exemplar| numbers.contains(&exemplar.number));
        self.exemplars.sort_by(|a, b| a.time.cmp(&b.time).then(a.value.total_cmp(&b.value)));
        self.exemplars.dedup_by(|a, b| a.time == b.time && a.value == b.value && a.bucket == b.bucket);
    }

    /// Whether lines follow a 0.
    pub(super) fn has_zero(&self) -> bool {
        self.zero.is_some()
    }

    /// The time of the 0 before this line.
    pub(super) fn zero_of(&self, line: usize) -> Option<Timestamp> {
        self.zero.filter(|_| !self.without_zero.get(line).is_some_and(|is_without| *is_without))
    }
}
