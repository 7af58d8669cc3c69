//! The series that the selectors of a target select.

use std::sync::Arc;

use super::memory::SentFamily;
use super::options::WriteOptions;
use crate::registry::{Family, Series, split};
use crate::selector::Selector;

/// The series of a family that the selectors select. `before` is the family in the previous cycle.
pub(super) fn selected(
    options: &WriteOptions,
    family: &Family,
    all: &Arc<Vec<Arc<Series>>>,
    before: Option<&SentFamily>,
) -> Arc<Vec<Arc<Series>>> {
    if options.include.is_empty() && options.exclude.is_empty() {
        return Arc::clone(all);
    }
    if let Some(before) = before.filter(|before| Arc::ptr_eq(&before.all, all)) {
        return Arc::clone(&before.series);
    }
    Arc::new(all.iter().filter(|series| selects(options, family.name().as_str(), series.labels())).map(Arc::clone).collect())
}

/// Whether the selectors select a series.
pub(super) fn selects(options: &WriteOptions, name: &str, labels: &str) -> bool {
    let WriteOptions { include, exclude, .. } = options;
    if include.is_empty() && exclude.is_empty() {
        return true;
    }
    let pairs: Vec<_> = split(labels).collect();
    let pairs: Vec<(&str, String)> = pairs.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let matches = |selector: &Selector| selector.matches(name, &pairs);
    (include.is_empty() || include.iter().any(matches)) && !exclude.iter().any(matches)
}
