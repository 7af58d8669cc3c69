//! The family with the times at which the series of a gauge were set, for bridges that expose it.
//!
//! A sample of a gauge notes its time anyway, because the series could expire. So the family reads the stamps of the gauge's cells, and
//! costs nothing when a sample is recorded. Its series come and go with those of the gauge. They are not in the registry: they take no
//! place in its limits but memory, no sample can reach them, and they are neither saved nor deleted on their own.

use std::sync::Arc;

use super::series::Series;
use crate::memory::Account;
use crate::time::WallOffset;

/// What follows the name of the gauge in the name of the family.
pub(crate) const SET_TIME_SUFFIX: &str = "_last_set_timestamp_seconds";

/// The help of the family.
pub(super) fn help(gauge: &str) -> Arc<str> {
    format!("Time of the last sample of {gauge}, in seconds since 1970.").into()
}

/// The series of the family for these gauges, in the same order. Those that exist already stay. `None` if nothing changes.
pub(super) fn series_of(
    gauges: &[Arc<Series>],
    before: &[Arc<Series>],
    (wall, account): (&Arc<WallOffset>, &Arc<Account>),
) -> Option<Vec<Arc<Series>>> {
    let is_same = |(gauge, time): (&Arc<Series>, &Arc<Series>)| time.is_time_of(gauge);
    if gauges.len() == before.len() && gauges.iter().zip(before).all(is_same) {
        return None;
    }
    let mut old = before.iter().peekable();
    let mut of = |gauge: &Arc<Series>| {
        while old.next_if(|time| time.labels() < gauge.labels()).is_some() {}
        let known = old.next_if(|time| time.is_time_of(gauge)).map(Arc::clone);
        known.or_else(|| Series::time_of(gauge, wall, account).map(Arc::new))
    };
    Some(gauges.iter().filter_map(&mut of).collect())
}
