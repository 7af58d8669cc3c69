//! The label whose value is the sender.

use std::fmt;
use std::sync::Arc;

use crate::name::is_legacy_label;

/// A label that the bridge adds to every series: who sent its samples. It is part of the identity of a series and counts against all
/// limits. A sender that is not known adds no label. A tag, or a label of a rule, with this name is renamed to `exported_NAME`. Cheap to
/// clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginLabel {
    name: Arc<str>,
    value: OriginValue,
}

/// What the label shows of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OriginValue {
    /// The IP address, without the port. Senders over Unix sockets have none.
    Address,
    /// The id of the container: that of [`UnixPeer`](crate::UnixPeer); if there is none, that of the field `c:ID` or `c:ci-ID`.
    ContainerId,
}

impl OriginLabel {
    /// A label of this name.
    ///
    /// # Errors
    ///
    /// [`OriginLabelError`] if the name is no label name, or a reserved one: `le`, `quantile`, or one with two underscores at the beginning.
    pub fn new(name: &str, value: OriginValue) -> Result<Self, OriginLabelError> {
        if !is_legacy_label(name) || name.starts_with("__") || matches!(name, "le" | "quantile") {
            return Err(OriginLabelError { name: name.to_owned() });
        }
        Ok(Self { name: name.into(), value })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it shows.
    pub fn value(&self) -> OriginValue {
        self.value
    }
}

/// A text that cannot be the name of an [`OriginLabel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginLabelError {
    name: String,
}

impl fmt::Display for OriginLabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.name.chars().take(100).collect();
        write!(f, "{start:?} cannot be the name of the label: expected a label name other than le, quantile and those that begin with __")
    }
}

impl std::error::Error for OriginLabelError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_series_reserves_are_accepted() {
        for bad in ["", "a-b", "1a", "le", "quantile", "__name__", "__", "é"] {
            assert!(OriginLabel::new(bad, OriginValue::Address).is_err(), "{bad:?}");
        }
        let label = OriginLabel::new("origin", OriginValue::ContainerId).unwrap();
        assert_eq!((label.name(), label.value()), ("origin", OriginValue::ContainerId));
    }
}
