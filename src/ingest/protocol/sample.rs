//! A parsed sample: kind, value, and the bytes of its identity.

use std::fmt;

/// The kind of a sample on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `c`.
    Counter,
    /// `g`.
    Gauge,
    /// `ms`: milliseconds.
    Timer,
    /// `h`.
    Histogram,
    /// `d`.
    Distribution,
    /// `s`.
    Set,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A finite number, absolute for a gauge.
    Number(f64),
    /// A finite number with a sign, which changes a gauge instead of setting it.
    Signed(f64),
    /// A member of a set.
    Member(&'a [u8]),
}

/// One measurement on the wire, borrowed from its line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// The text before the `:` of the value, with tags in the name. Not empty.
    pub name: &'a [u8],
    /// The kind.
    pub kind: Kind,
    /// The value.
    pub value: Value<'a>,
    /// The number of measurements that the sample represents: 1/rate, at least 1. Under statsd_exporter's rules, the weight of a counter
    /// may be any number except 0.
    pub weight: f64,
    /// The fields of the identity, as one slice of the line from the first of them to the last: `#k:v,k:v` and, if the dialect uses it,
    /// `c:ID`. Other fields may be between them. For an event or a service check, a newline before each of its labels, `key:value`, and before
    /// each of these fields. No line of the wire contains a newline.
    pub tags: &'a [u8],
    /// Number of fields of unknown meaning, which are ignored.
    pub unknown_fields: u32,
    /// Whether it is the first sample of its line. Errors in tags of the name are counted once a line.
    pub first: bool,
}

impl Default for Sample<'_> {
    /// A placeholder in a batch.
    fn default() -> Self {
        Self { name: &[], kind: Kind::Counter, value: Value::Number(0.0), weight: 1.0, tags: &[], unknown_fields: 0, first: false }
    }
}

impl Kind {
    /// Whether a sample rate applies. Gauges and sets ignore it.
    #[inline(always)]
    pub const fn has_rate(self) -> bool {
        !matches!(self, Self::Gauge | Self::Set)
    }

    /// Whether its values are observations: timers, histograms and distributions.
    pub const fn is_observed(self) -> bool {
        matches!(self, Self::Timer | Self::Histogram | Self::Distribution)
    }

    /// Its text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "c",
            Self::Gauge => "g",
            Self::Timer => "ms",
            Self::Histogram => "h",
            Self::Distribution => "d",
            Self::Set => "s",
        }
    }
}

impl fmt::Display for Sample<'_> {
    /// Formats the sample for reports, nearly as it was sent: control characters are escaped, invalid UTF-8 is replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(self.name, f)?;
        match self.value {
            Value::Number(number) => write!(f, ":{number}")?,
            Value::Signed(number) => write!(f, ":{number:+}")?,
            Value::Member(member) => {
                f.write_str(":")?;
                printable(member, f)?;
            }
        }
        write!(f, "|{}", self.kind.as_str())?;
        if self.weight != 1.0 {
            write!(f, "|@{}", 1.0 / self.weight)?;
        }
        if !self.tags.is_empty() {
            f.write_str("|")?;
        }
        printable(self.tags, f)
    }
}

fn printable(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = String::from_utf8_lossy(bytes);
    text.chars().try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") })
}
