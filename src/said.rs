//! said: names that a message was logged about, so that it is logged once for each.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Names kept. Beyond it nothing more is logged: a flood of new names must fill neither memory nor the log.
const MOST_NAMES: usize = 1_000;

/// Names that a message was logged about.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<HashSet<Box<str>>>);

impl Said {
    /// Whether nothing was logged about `name` yet, and something may be now.
    pub(crate) fn first_time(&self, name: &str) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.len() < MOST_NAMES && names.insert(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_once_and_so_many_names() {
        let said = Said::default();
        assert!(said.first_time("a") && said.first_time("b") && !said.first_time("a"));
        assert!((2..MOST_NAMES).all(|n| said.first_time(&n.to_string())));
        assert!(!said.first_time("one more"));
    }
}
