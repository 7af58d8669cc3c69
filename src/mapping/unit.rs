//! unit: the conversion factor of a unit and its suffix for names.

use std::borrow::Cow;

use super::spec::Unit;

/// A conversion: a number from the wire is first divided, then multiplied.
///
/// Small units use division, because 320 / 1000 equals 0.32 exactly and 320 * 0.001 does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Factor {
    /// The divisor, applied first.
    pub divide: f64,
    /// The multiplier, applied second.
    pub multiply: f64,
}

impl Default for Factor {
    fn default() -> Self {
        Self { divide: 1.0, multiply: 1.0 }
    }
}

impl Factor {
    /// Converts `number`. The result may be infinite.
    pub(crate) fn apply(self, number: f64) -> f64 {
        number / self.divide * self.multiply
    }
}

/// The conversion of this unit to its base unit.
pub(crate) fn factor(unit: Unit) -> Factor {
    let (divide, multiply) = match unit {
        Unit::Seconds | Unit::Bytes | Unit::Ratio | Unit::None => (1.0, 1.0),
        Unit::Milliseconds => (1e3, 1.0),
        Unit::Microseconds => (1e6, 1.0),
        Unit::Nanoseconds => (1e9, 1.0),
        Unit::Kibibytes => (1.0, 1024.0),
        Unit::Mebibytes => (1.0, 1_048_576.0),
        Unit::Percent => (100.0, 1.0),
    };
    Factor { divide, multiply }
}

/// The base unit, as it is written at the end of names.
pub(crate) fn base(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::Seconds | Unit::Milliseconds | Unit::Microseconds | Unit::Nanoseconds => Some("seconds"),
        Unit::Bytes | Unit::Kibibytes | Unit::Mebibytes => Some("bytes"),
        Unit::Percent | Unit::Ratio => Some("ratio"),
        Unit::None => None,
    }
}

/// Adds the unit's base unit to the end of `name`, before a final `_total`. A name that already has the suffix stays as it is.
pub(crate) fn name_with_unit(name: &str, unit: Unit) -> Cow<'_, str> {
    let Some(base) = base(unit) else { return Cow::Borrowed(name) };
    let (stem, total) = name.strip_suffix("_total").map_or((name, ""), |stem| (stem, "_total"));
    let has_unit = stem.strip_suffix(base).is_some_and(|stem| stem.ends_with('_'));
    if has_unit || stem.is_empty() { Cow::Borrowed(name) } else { Cow::Owned(format!("{stem}_{base}{total}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_and_name() {
        assert_eq!(factor(Unit::Milliseconds).apply(320.0), 0.32);
        assert_eq!(factor(Unit::Percent).apply(7.0), 0.07);
        assert_eq!(factor(Unit::Kibibytes).apply(2.0), 2048.0);
        for (name, unit, want) in [
            ("wait", Unit::Milliseconds, "wait_seconds"),
            ("wait_seconds", Unit::Microseconds, "wait_seconds"),
            ("sent_total", Unit::Bytes, "sent_bytes_total"),
            ("sent_bytes_total", Unit::Mebibytes, "sent_bytes_total"),
            ("busy", Unit::Percent, "busy_ratio"),
            ("busy", Unit::None, "busy"),
        ] {
            assert_eq!(name_with_unit(name, unit), want);
        }
    }
}
