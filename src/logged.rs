//! logged: names that a log message has named, so that each name is logged once.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::lock::lock;

/// The number of names that are kept. Later names are not logged, so that a flood of new names fills neither memory nor the log.
const MAX_NAMES: usize = 1_000;

/// Names that a log message has named.
#[derive(Debug, Default)]
pub(crate) struct LoggedNames(Mutex<HashSet<Box<str>>>);

impl LoggedNames {
    /// Adds `name`. Returns whether the caller should log it: it is new, and there are fewer than [`MAX_NAMES`] names.
    pub(crate) fn first_time(&self, name: &str) -> bool {
        let mut names = lock(&self.0);
        names.len() < MAX_NAMES && names.insert(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_new_once_and_names_are_bounded() {
        let names = LoggedNames::default();
        assert!(names.first_time("a") && names.first_time("b") && !names.first_time("a"));
        assert!((2..MAX_NAMES).all(|n| names.first_time(&n.to_string())));
        assert!(!names.first_time("one more"));
    }
}
