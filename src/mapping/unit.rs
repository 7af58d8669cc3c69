//! Units of values on the wire: how a value becomes one in the base unit, and the suffix that says so. Knows no samples.

use std::borrow::Cow;

use super::spec::Unit;

/// How a value becomes one in the base unit. Division, where the factor is a fraction, for 320 / 1000 is exactly 0.32 and
/// 320 * 0.001 is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factor {
    /// Times this.
    Multiply(f64),
    /// Divided by this.
    Divide(f64),
}

impl Factor {
    /// `value` in the base unit.
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Multiply(factor) => value * factor,
            Self::Divide(divisor) => value / divisor,
        }
    }
}

/// How a value in `unit` becomes one in its base unit.
pub fn unit_factor(unit: Unit) -> Factor {
    match unit {
        Unit::Seconds | Unit::Bytes | Unit::Ratio | Unit::None => Factor::Multiply(1.0),
        Unit::Milliseconds => Factor::Divide(1e3),
        Unit::Microseconds => Factor::Divide(1e6),
        Unit::Nanoseconds => Factor::Divide(1e9),
        Unit::Kibibytes => Factor::Multiply(1024.0),
        Unit::Mebibytes => Factor::Multiply(1_048_576.0),
        Unit::Percent => Factor::Divide(100.0),
    }
}

/// `name` with the suffix of `unit`'s base unit, before `_total`, unless it has it. An empty name stays empty.
pub fn name_with_unit(name: &str, unit: Unit) -> Cow<'_, str> {
    let suffix = match unit {
        Unit::Seconds | Unit::Milliseconds | Unit::Microseconds | Unit::Nanoseconds => "_seconds",
        Unit::Bytes | Unit::Kibibytes | Unit::Mebibytes => "_bytes",
        Unit::Percent | Unit::Ratio => "_ratio",
        Unit::None => return Cow::Borrowed(name),
    };
    let (stem, total) = name.strip_suffix("_total").map_or((name, ""), |stem| (stem, "_total"));
    if name.is_empty() || stem.ends_with(suffix) || suffix.strip_prefix('_') == Some(stem) {
        return Cow::Borrowed(name);
    }
    Cow::Owned([stem, suffix, total].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_they_are_written() {
        for (unit, value, want) in [
            (Unit::Milliseconds, 320.0, 0.32),
            (Unit::Microseconds, 1.0, 1e-6),
            (Unit::Nanoseconds, 7.0, 7e-9),
            (Unit::Percent, 29.0, 0.29),
            (Unit::Kibibytes, 1.5, 1536.0),
            (Unit::Mebibytes, 2.0, 2_097_152.0),
            (Unit::None, 5.0, 5.0),
        ] {
            assert_eq!(unit_factor(unit).apply(value).to_bits(), f64::to_bits(want), "{unit:?}");
        }
    }

    #[test]
    fn the_suffix_stands_once_and_before_total() {
        for (name, unit, want) in [
            ("latency", Unit::Milliseconds, "latency_seconds"),
            ("latency_seconds", Unit::Seconds, "latency_seconds"),
            ("busy_total", Unit::Nanoseconds, "busy_seconds_total"),
            ("busy_seconds_total", Unit::Nanoseconds, "busy_seconds_total"),
            ("mem", Unit::Kibibytes, "mem_bytes"),
            ("bytes", Unit::Bytes, "bytes"),
            ("cpu", Unit::Percent, "cpu_ratio"),
            ("x", Unit::None, "x"),
            ("", Unit::Seconds, ""),
        ] {
            assert_eq!(name_with_unit(name, unit), want);
        }
    }
}
