//! An invalid value of a flag.

use std::fmt;

/// A flag, and why its value is invalid.
pub(super) struct WrongValue {
    pub(super) flag: &'static str,
    pub(super) why: String,
}

pub(super) fn wrong(flag: &'static str, why: impl fmt::Display) -> WrongValue {
    WrongValue { flag, why: why.to_string() }
}
