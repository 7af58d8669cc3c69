//! Converts kinds and values of series to plain data, and back where a bridge can have saved that data.

use std::sync::Arc;

use super::{Moment, SavedKind, SavedSeries, SavedValue};
use crate::options::{Buckets, Quantiles, SummaryOptions};
use crate::registry::cell::{Bounds, HistogramSnapshot, NativeSnapshot, SavedNative, SavedSet, SummaryCell};
use crate::registry::kind::FamilyKind;
use crate::registry::series::Series;
use crate::registry::worker_cells::WorkerCell;
use crate::time::Timestamp;

/// Maximum number of steps of a saved summary's window; rules allow fewer.
const MAX_STEPS: u32 = 1_000;

impl SavedKind {
    pub(super) fn of(kind: &FamilyKind) -> Self {
        match kind {
            FamilyKind::Counter => Self::Counter,
            FamilyKind::Gauge => Self::Gauge,
            FamilyKind::Set => Self::Set,
            FamilyKind::Histogram { bounds } => Self::Histogram { bounds: bounds.to_vec(), native: bounds.native().copied() },
            FamilyKind::Summary(options) => {
                Self::Summary { quantiles: options.quantiles.to_vec(), max_age_ms: options.max_age_ms, age_buckets: options.age_buckets }
            }
        }
    }

    /// The kind; `None` where no rule and no flag can have stated its options.
    pub(crate) fn restore(&self) -> Option<FamilyKind> {
        match self {
            Self::Counter => Some(FamilyKind::Counter),
            Self::Gauge => Some(FamilyKind::Gauge),
            Self::Set => Some(FamilyKind::Set),
            Self::Histogram { bounds, native } => {
                let buckets = Buckets::new(bounds.iter().copied()).ok()?;
                let is_good = native.is_none_or(|options| options.is_legal());
                is_good.then(|| FamilyKind::Histogram { bounds: Bounds::shared(&buckets, *native) })
            }
            Self::Summary { quantiles, max_age_ms, age_buckets } => {
                let quantiles = Quantiles::new(quantiles.iter().copied()).ok().filter(|_| *age_buckets <= MAX_STEPS)?;
                Some(FamilyKind::Summary(Arc::new(SummaryOptions { quantiles, max_age_ms: *max_age_ms, age_buckets: *age_buckets })))
            }
        }
    }
}

impl SavedSeries {
    /// Adds `millis` to its times, which converts them from the timeline to wall time, or back. The created timestamp is always in wall
    /// time and stays. `kind` is that of the family.
    pub(super) fn shifted(mut self, millis: i64, kind: &SavedKind) -> Self {
        if millis == 0 {
            return self;
        }
        self.last_ms = self.last_ms.saturating_add_signed(millis);
        if self.grace_until_ms > 0 {
            // 0 is no time.
            self.grace_until_ms = self.grace_until_ms.saturating_add_signed(millis).max(1);
        }
        match (&mut self.value, kind) {
            // 0 and 1 are no times; see `shown_from_s`.
            (SavedValue::NewCounter { shown_from_s, .. }, _) if *shown_from_s > 1 => {
                let seconds = i32::try_from(millis.div_euclid(1_000)).unwrap_or(if millis < 0 { i32::MIN } else { i32::MAX });
                *shown_from_s = shown_from_s.saturating_add_signed(seconds).max(1);
            }
            (SavedValue::Summary(summary), SavedKind::Summary { max_age_ms, age_buckets, .. }) => {
                let options = SummaryOptions { quantiles: Quantiles::none(), max_age_ms: *max_age_ms, age_buckets: *age_buckets };
                summary.shift(millis, SummaryCell::step_ms(&options));
            }
            _ => {}
        }
        self
    }
}

impl SavedValue {
    /// The value merged over workers; `kind` is that of the family.
    pub(super) fn of(series: &Series, kind: &FamilyKind, Moment { now, has_zeroes, .. }: Moment) -> Self {
        match kind {
            FamilyKind::Counter if has_zeroes && !series.was_shown(now) => {
                Self::NewCounter { sum: series.number(), shown_from_s: series.shown_from_s() }
            }
            FamilyKind::Counter | FamilyKind::Gauge => Self::Number(series.number()),
            FamilyKind::Histogram { bounds } => {
                let (HistogramSnapshot { sum, buckets }, native, has_fractions) = saved_histogram(series, bounds);
                match native {
                    Some(native) if has_fractions => Self::FloatHistogram { sum, buckets, native },
                    native => Self::Histogram { sum, buckets, native },
                }
            }
            FamilyKind::Summary(_) => Self::Summary(series.with_summaries(|cells| SummaryCell::save(cells, now))),
            FamilyKind::Set => Self::Set(series.set().save()),
        }
    }

    /// Second since 1970 from which expositions show the value; 0 while the 0 that they show first was not delivered, 1 if they show the
    /// value already.
    pub(super) fn shown_from_s(&self) -> u32 {
        match self {
            Self::NewCounter { shown_from_s, .. } => *shown_from_s,
            _ => 1,
        }
    }

    /// Whether it has native buckets.
    pub(super) fn has_native(&self) -> bool {
        matches!(self, Self::Histogram { native: Some(_), .. } | Self::FloatHistogram { .. })
    }

    /// Approximate number of encoded bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Number(_) | Self::NewCounter { .. } => 16,
            Self::Histogram { buckets, native, .. } => histogram_bytes(buckets, native.as_ref()),
            Self::FloatHistogram { buckets, native, .. } => histogram_bytes(buckets, Some(native)),
            // The size of a sketch with many values.
            Self::Summary(summary) => 16 + 4096 * summary.steps.len(),
            Self::Set(SavedSet::Exact(hashes)) => 10 * hashes.len() + 16,
            Self::Set(SavedSet::Estimated(registers)) => registers.len() + 16,
        }
    }

    /// Whether a bridge can have saved this value of a family of this kind.
    pub(super) fn is_of(&self, kind: &FamilyKind) -> bool {
        match (self, kind) {
            (Self::Number(sum) | Self::NewCounter { sum, .. }, FamilyKind::Counter) => sum.is_finite() && *sum >= 0.0,
            (Self::Number(value), FamilyKind::Gauge) => value.is_finite(),
            (Self::Histogram { buckets, .. } | Self::FloatHistogram { buckets, .. }, FamilyKind::Histogram { bounds }) => {
                buckets.len() == bounds.len() + 1
            }
            (Self::Summary(_), FamilyKind::Summary(_)) | (Self::Set(_), FamilyKind::Set) => true,
            _ => false,
        }
    }

    /// Adds the value to the cell. Returns false and changes nothing if the cell cannot take it.
    pub(super) fn absorbed_by(self, cell: &WorkerCell, now: Timestamp) -> bool {
        match (self, cell) {
            (Self::Number(sum) | Self::NewCounter { sum, .. }, WorkerCell::Counter(cell)) => cell.add(sum),
            (Self::Number(value), WorkerCell::Gauge(cell)) => cell.set(value),
            (Self::Histogram { sum, buckets, .. } | Self::FloatHistogram { sum, buckets, .. }, WorkerCell::Histogram(cell, _)) => {
                cell.absorb(&HistogramSnapshot { sum, buckets })
            }
            (Self::Histogram { sum, buckets, native }, WorkerCell::Native(_, cell)) => {
                cell.absorb(&HistogramSnapshot { sum, buckets }, native.as_ref(), false)
            }
            (Self::FloatHistogram { sum, buckets, native }, WorkerCell::Native(_, cell)) => {
                cell.absorb(&HistogramSnapshot { sum, buckets }, Some(&native), true)
            }
            (Self::Summary(summary), WorkerCell::Summary(cell)) => cell.absorb(summary, now),
            (Self::Set(set), WorkerCell::Set(cell)) => cell.absorb(set),
            _ => false,
        }
    }
}

fn histogram_bytes(buckets: &[f64], native: Option<&SavedNative>) -> usize {
    8 * buckets.len() + 16 + 12 * native.map_or(0, |native| native.positive.len() + native.negative.len())
}

/// Classic buckets, native buckets, and whether expositions show the native ones as floats.
fn saved_histogram(series: &Series, bounds: &Bounds) -> (HistogramSnapshot, Option<SavedNative>, bool) {
    let mut all = HistogramSnapshot::new(bounds.len());
    let Some(mut native) = bounds.native().map(NativeSnapshot::new) else {
        series.histogram(&mut all);
        return (all, None, false);
    };
    let has_native = series.histogram_with_native(bounds, &mut all, &mut native);
    (all, has_native.then(|| native.save()), native.has_fractions())
}
