//! The forms of lines that the parser accepts.

/// Tag styles and fields that the parser accepts, each with a switch. If a tag style is off, its characters belong to the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// `name:1|c|#key:value`.
    pub dogstatsd_tags: bool,
    /// `name,key=value:1|c`.
    pub influxdb_tags: bool,
    /// `name#key=value:1|c`.
    pub librato_tags: bool,
    /// `name[key=value]:1|c`.
    pub signalfx_tags: bool,
    /// `name;key=value:1|c`.
    pub graphite_tags: bool,
    /// Whether a DogStatsD tag without a value becomes the label `key="true"`, if the key is a label name. Off: the tag counts as a tag
    /// error and is skipped.
    pub bare_tags: bool,
    /// Whether the field `c:ID` becomes the label `container_id`. Off: the field is skipped.
    pub container_id: bool,
    /// Which kinds may have packed values, `name:1:2:3|ms`.
    pub packed_values: PackedValues,
    /// Whether the kind `m`, a meter, is a counter. Off: its samples are rejected.
    pub meters: bool,
    /// Whether the kind `kv`, a key with its value, is a gauge that each sample sets. Off: its samples are rejected.
    pub key_values: bool,
    /// Whether a DogStatsD service check becomes a sample of the gauge `service_check_status`. Off: it is counted and discarded.
    pub service_checks: bool,
    /// Whether a DogStatsD event becomes a sample of the counter `dogstatsd_events_total`, and is kept within the limits. Off: it is counted
    /// and discarded.
    pub events: bool,
    /// Whether lines are parsed as statsd_exporter parses them, where the bridge differs: blanks at the ends belong to the line, the
    /// first colon ends a name, brackets and delimiters of tags always end a name, InfluxDB's escapes have no meaning, only a colon
    /// separates the key and value of a DogStatsD tag, and a line that is not UTF-8 is rejected.
    pub exporter_rules: bool,
}

/// Which kinds may have packed values: several numbers of one name and kind, separated by colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PackedValues {
    /// None: numbers before the last one belong to the name.
    Never,
    /// Timers, histograms and distributions; lines of other kinds are rejected.
    Observers,
    /// All but sets.
    #[default]
    All,
}

impl Dialect {
    /// This dialect, changed by `change`.
    pub fn with<R>(mut self, change: impl FnOnce(&mut Self) -> R) -> Self {
        change(&mut self);
        self
    }

    /// The dialect of statsd_exporter.
    pub const STATSD_EXPORTER: Self = Self {
        dogstatsd_tags: true,
        influxdb_tags: true,
        librato_tags: true,
        signalfx_tags: true,
        graphite_tags: false,
        bare_tags: false,
        container_id: true,
        packed_values: PackedValues::Observers,
        meters: false,
        key_values: false,
        service_checks: false,
        events: false,
        exporter_rules: true,
    };
}

/// All tag styles, bare tags and packed values; without the container's label.
impl Default for Dialect {
    fn default() -> Self {
        Self {
            dogstatsd_tags: true,
            influxdb_tags: true,
            librato_tags: true,
            signalfx_tags: true,
            graphite_tags: true,
            bare_tags: true,
            container_id: false,
            packed_values: PackedValues::All,
            meters: true,
            key_values: true,
            service_checks: true,
            events: true,
            exporter_rules: false,
        }
    }
}
