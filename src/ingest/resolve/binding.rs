//! A binding: the target of the samples of an identity, the conversion of their numbers, and where they are counted.
//!
//! Holds results only. Knows neither rules nor options nor the registry.

use std::sync::Arc;

use crate::hits::Slot;
use crate::ingest::protocol::{Kind, Sample, SampleError, TagErrors, Value};
use crate::mapping::Factor;
use crate::prefetch::prefetch;
use crate::registry::{Conflict, Limited, Series, WorkerCell};
use crate::sources::ClientField;
use crate::telemetry::SampleRejection;

/// The result of resolving the raw bytes of an identity.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) target: Target,
    /// Fields that few bindings need.
    pub(crate) extra: Option<Box<Extra>>,
    /// The counter of the samples: by rule, or by name if unmapped.
    pub(crate) slot: Slot,
    pub(crate) is_mapped: bool,
    pub(crate) is_tagged: bool,
    /// Whether a signed value sets a gauge.
    pub(crate) signed_sets: bool,
    pub(crate) scale: Scale,
}

/// The fields of a binding that few bindings need.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The limit because of which samples are folded into another series.
    pub(crate) folded: Option<Arc<Limited>>,
    pub(crate) tag_errors: TagErrors,
    pub(crate) factor: Factor,
    /// The series of the exemplars, once a sample had one.
    pub(crate) series: Option<Arc<Series>>,
    /// The number that a client reports about itself with these samples.
    pub(crate) client: Option<ClientField>,
}

/// The conversion of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    One,
    /// Milliseconds on the wire, seconds in expositions.
    Thousandth,
    /// The factor in [`Extra`].
    Factor,
}

/// The target of a sample.
#[derive(Debug)]
pub(crate) enum Target {
    /// Samples are recorded.
    Cell(WorkerCell),
    /// Samples reach no cell.
    Outcome(Outcome),
}

/// How samples are counted that reach no cell.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Each sample is a rejected line.
    LineRejected(SampleError),
    Rejected(SampleRejection),
    Limited(Arc<Limited>),
    Conflict(SampleRejection, Arc<Conflict>),
    /// A rule drops them.
    Dropped,
}

/// The optional parts of an admission.
#[derive(Default)]
pub(super) struct Links {
    pub(super) folded: Option<Arc<Limited>>,
    pub(super) series: Option<Arc<Series>>,
}

// With the 9 bytes that the table of bindings adds, it fits a cache line.
const _: () = assert!(size_of::<Binding>() <= 48, "a binding and its key's place no longer fit a cache line");

impl Binding {
    pub(super) fn to(target: Target) -> Self {
        Self { target, extra: None, slot: Slot::NONE, is_mapped: false, is_tagged: false, signed_sets: false, scale: Scale::One }
    }

    pub(super) fn without_cell(outcome: Outcome) -> Self {
        Self::to(Target::Outcome(outcome))
    }

    pub(super) fn set_extra(&mut self, Links { folded, series }: Links, tag_errors: TagErrors, factor: Factor) {
        self.scale = match factor {
            Factor { divide, multiply } if divide == 1.0 && multiply == 1.0 => Scale::One,
            Factor { divide, multiply } if divide == 1000.0 && multiply == 1.0 => Scale::Thousandth,
            _ => Scale::Factor,
        };
        if folded.is_some() || series.is_some() || tag_errors != TagErrors::default() || self.scale == Scale::Factor {
            self.extra = Some(Box::new(Extra { folded, tag_errors, factor, series, client: None }));
        }
    }

    /// Marks the binding as one of a client's telemetry.
    pub(super) fn set_client(&mut self, field: ClientField) {
        self.extra.get_or_insert_default().client = Some(field);
    }

    /// The memory of the binding without its place in a table, with the allocator's overhead.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |_| size_of::<Extra>() + 16)
    }

    /// Converts a number of the wire to the unit of the exposition.
    #[inline(always)]
    pub(crate) fn convert(&self, number: f64) -> f64 {
        match self.scale {
            Scale::One => number,
            Scale::Thousandth => number / 1000.0,
            Scale::Factor => {
                debug_assert!(self.extra.is_some(), "`set_extra` sets both");
                self.extra.as_ref().map_or(number, |extra| extra.factor.apply(number))
            }
        }
    }

    /// The series of its exemplars.
    pub(crate) fn series(&self) -> Option<&Arc<Series>> {
        self.extra.as_ref()?.series.as_ref()
    }

    /// Whether its samples are rejected, or folded into another series. That may change when series are removed.
    pub(crate) fn lacks_own_series(&self) -> bool {
        let is_folded = self.extra.as_ref().is_some_and(|extra| extra.folded.is_some());
        is_folded || !matches!(self.target, Target::Cell(_) | Target::Outcome(Outcome::Dropped))
    }

    /// Whether OpenMetrics has exemplars for series of this kind.
    pub(crate) fn may_have_exemplars(&self) -> bool {
        matches!(self.target, Target::Cell(WorkerCell::Counter(_) | WorkerCell::Histogram(..) | WorkerCell::Native(..)))
    }

    /// Whether its cell has a tombstone.
    pub(crate) fn is_expired(&self) -> bool {
        matches!(&self.target, Target::Cell(cell) if cell.stamp().last().is_none())
    }

    /// Prefetches the cell that a sample of this binding writes to.
    #[inline(always)]
    pub(crate) fn prefetch_cell(&self) {
        match &self.target {
            Target::Cell(WorkerCell::Counter(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(WorkerCell::Gauge(cell)) => prefetch(Arc::as_ptr(cell)),
            // The sum is at the beginning of the cell, buckets are up to two cache lines behind it.
            Target::Cell(WorkerCell::Histogram(cell, _)) => cell.addresses().into_iter().for_each(prefetch),
            Target::Cell(WorkerCell::Native(classic, cell)) => {
                classic.addresses().into_iter().for_each(prefetch);
                cell.addresses().into_iter().for_each(prefetch);
            }
            Target::Cell(WorkerCell::Summary(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(WorkerCell::Set(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Outcome(_) => {}
        }
    }
}

/// The amount by which a sample changes a gauge; `None` if it sets the gauge. `number` is the converted value.
#[inline(always)]
pub(crate) fn change_of_gauge(sample: &Sample<'_>, number: f64, signed_sets: bool) -> Option<f64> {
    match (sample.kind, sample.value) {
        // A rule turned a counter into a gauge. Its samples are added.
        (Kind::Counter, _) => Some(number * sample.weight),
        (Kind::Gauge, Value::Signed(_)) if !signed_sets => Some(number),
        _ => None,
    }
}
