//! A binding: where the samples of an identity go, how their numbers are converted, and where they are counted.
//!
//! Only holds what was settled. Knows neither rules nor options, and asks nobody.

use std::sync::Arc;

use crate::hits::Slot;
use crate::ingest::protocol::{Kind, Sample, SampleError, TagErrors, Value};
use crate::mapping::Factor;
use crate::prefetch::prefetch;
use crate::registry::{CellHandle, Conflict, Limited, Series};
use crate::telemetry::Refusal;

/// What the raw bytes of an identity resolved to.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) target: Target,
    /// What few bindings have.
    pub(crate) extra: Option<Box<Extra>>,
    /// Where samples are counted by rule, or by name if unmapped.
    pub(crate) slot: Slot,
    pub(crate) is_mapped: bool,
    pub(crate) is_tagged: bool,
    /// Whether a gauge's signed value sets it.
    pub(crate) signed_sets: bool,
    pub(crate) scale: Scale,
}

/// What few bindings have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Where samples are folded into the family's overflow series.
    pub(crate) folded: Option<Arc<Limited>>,
    pub(crate) tag_errors: TagErrors,
    pub(crate) factor: Factor,
    /// Where exemplars are noted, once a sample brought one.
    pub(crate) series: Option<Arc<Series>>,
}

/// What a number is converted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    One,
    /// Milliseconds on the wire, seconds on the page.
    Thousandth,
    /// The factor in [`Extra`].
    Factor,
}

/// Where a sample goes.
#[derive(Debug)]
pub(crate) enum Target {
    Cell(CellHandle),
    LineRefused(SampleError),
    Refused(Refusal),
    Limited(Refusal, Arc<Limited>),
    Conflict(Arc<Conflict>),
    /// A rule said so.
    Dropped,
}

/// What a binding reaches beside its cell.
#[derive(Default)]
pub(super) struct Reached {
    pub(super) folded: Option<Arc<Limited>>,
    pub(super) series: Option<Arc<Series>>,
}

// Together with the 9 bytes that the table of bindings keeps beside it, it fits a cache line.
const _: () = assert!(size_of::<Binding>() <= 48, "a binding has grown");

impl Binding {
    pub(super) fn to(target: Target) -> Self {
        Self { target, extra: None, slot: Slot::NONE, is_mapped: false, is_tagged: false, signed_sets: false, scale: Scale::One }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::to(Target::Refused(refusal))
    }

    pub(super) fn set_extra(&mut self, Reached { folded, series }: Reached, tag_errors: TagErrors, factor: Factor) {
        self.scale = match factor {
            Factor { divide, multiply } if divide == 1.0 && multiply == 1.0 => Scale::One,
            Factor { divide, multiply } if divide == 1000.0 && multiply == 1.0 => Scale::Thousandth,
            _ => Scale::Factor,
        };
        if folded.is_some() || series.is_some() || tag_errors != TagErrors::default() || self.scale == Scale::Factor {
            self.extra = Some(Box::new(Extra { folded, tag_errors, factor, series }));
        }
    }

    /// Bytes that it takes beside its place in a table, the allocator's part included.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |_| size_of::<Extra>() + 16)
    }

    /// A number of the wire as the page shows it.
    #[inline(always)]
    pub(crate) fn convert(&self, number: f64) -> f64 {
        match self.scale {
            Scale::One => number,
            Scale::Thousandth => number / 1000.0,
            Scale::Factor => self.extra.as_ref().map_or(number, |extra| extra.factor.apply(number)),
        }
    }

    /// The series whose exemplars a sample of it may be.
    pub(crate) fn series(&self) -> Option<&Arc<Series>> {
        self.extra.as_ref()?.series.as_ref()
    }

    /// Whether it leads to no cell of its own, so that it may lead elsewhere once there is room.
    pub(crate) fn is_side(&self) -> bool {
        let is_folded = self.extra.as_ref().is_some_and(|extra| extra.folded.is_some());
        is_folded || !matches!(self.target, Target::Cell(_) | Target::Dropped)
    }

    /// Whether OpenMetrics has exemplars for what it leads to.
    pub(crate) fn may_have_exemplars(&self) -> bool {
        matches!(self.target, Target::Cell(CellHandle::Counter(_) | CellHandle::Histogram(..) | CellHandle::Native(..)))
    }

    /// Whether it leads to a series that went, or is about to.
    pub(crate) fn is_retired(&self) -> bool {
        matches!(&self.target, Target::Cell(cell) if cell.stamp().last().is_none())
    }

    /// Asks the memory for the cell that a sample of this binding will write.
    #[inline(always)]
    pub(crate) fn prefetch_cell(&self) {
        match &self.target {
            Target::Cell(CellHandle::Counter(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Gauge(cell)) => prefetch(Arc::as_ptr(cell)),
            // The sum is at its beginning, buckets are up to two cache lines behind it.
            Target::Cell(CellHandle::Histogram(cell, _)) => cell.addresses().into_iter().for_each(prefetch),
            Target::Cell(CellHandle::Native(classic, cell)) => {
                classic.addresses().into_iter().for_each(prefetch);
                cell.addresses().into_iter().for_each(prefetch);
            }
            Target::Cell(CellHandle::Summary(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Set(cell)) => prefetch(Arc::as_ptr(cell)),
            _ => {}
        }
    }
}

/// By how much a sample changes a gauge; `None` if it sets it. `number` is the converted value, `signed_sets` what the binding says.
#[inline(always)]
pub(crate) fn change_of_gauge(sample: &Sample<'_>, number: f64, signed_sets: bool) -> Option<f64> {
    match (sample.kind, sample.value) {
        // A gauge that a rule made of a counter goes up and down by its samples.
        (Kind::Counter, _) => Some(number * sample.weight),
        (Kind::Gauge, Value::Signed(_)) if !signed_sets => Some(number),
        _ => None,
    }
}
