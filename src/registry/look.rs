//! Single families and series, as reports about names show them: values, ages, and where they come from.

use std::sync::Arc;

use super::Registry;
use super::expired_names::ExpiredName;
use super::family::Family;
use super::kind::FamilyKind;
use super::series::Series;
use crate::registry::cell::{HistogramSnapshot, SummarySnapshot};
use crate::source::Source;
use crate::time::Timestamp;

/// The value of a series, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ShownValue {
    /// Of a counter, a gauge or a set.
    Number(f64),
    /// Of a histogram or a summary.
    Observed { count: f64, sum: f64 },
}

impl Registry {
    /// The family of this name, if it has series.
    pub(crate) fn family(&self, name: &str) -> Option<Arc<Family>> {
        self.families.get(name).filter(|family| !family.is_gone())
    }

    /// What expired of the family of this name; `None` if nothing did, or longer ago than 1,000 other families.
    pub(crate) fn expired(&self, name: &str) -> Option<ExpiredName> {
        self.expiry.names().get(name)
    }

    /// Whether a series of this family with these labels expired; `None` if it is not known.
    pub(crate) fn has_expired(&self, name: &str, labels: &str) -> Option<bool> {
        self.expiry.names().has(name, labels)
    }
}

impl Family {
    /// The pattern of the rule that created it; empty for none.
    pub(crate) fn rule(&self) -> &str {
        self.origin()
    }

    /// The sample that created it, as it was sent, and its sender.
    pub(crate) fn first(&self) -> (&str, Source) {
        self.first_sample()
    }

    /// The entry of the cardinality report.
    pub(crate) fn in_report(&self) -> super::FamilyReport {
        self.report()
    }
}

impl Series {
    /// Time of the last sample; `None` if it has expired.
    pub(crate) fn last_sample(&self) -> Option<Timestamp> {
        self.last().map(Timestamp::from_millis)
    }

    /// Its value at `now`. `kind` is that of its family.
    pub(crate) fn shown_value(&self, kind: &FamilyKind, now: Timestamp) -> ShownValue {
        match kind {
            FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => ShownValue::Number(self.number()),
            FamilyKind::Histogram { bounds } => {
                let mut all = HistogramSnapshot::new(bounds.len());
                self.histogram(&mut all);
                ShownValue::Observed { count: all.weight(), sum: all.sum }
            }
            FamilyKind::Summary(_) => {
                let mut all = SummarySnapshot::default();
                self.summary(now, &mut all);
                ShownValue::Observed { count: all.count, sum: all.sum }
            }
        }
    }
}
