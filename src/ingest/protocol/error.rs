//! Why a line or a sample is rejected before anything is known of its series.

/// A reason of rejection by the grammar. `as_str` is the value of the label `reason`.
///
/// Names and meaning are those of statsd_exporter where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleError {
    /// The line has no `:`, or nothing before it, or its name is not UTF-8.
    MalformedLine,
    /// Tags in the name and DogStatsD tags in one line.
    MixedTaggingStyles,
    /// Nothing like `|kind` follows the value.
    NotEnoughParts,
    /// Packed values of a kind that may have none, as statsd_exporter has it.
    InvalidExtendedAggregateType,
    /// The line is longer than the limit; nothing of it was looked at.
    LineTooLong,
    /// The datagram was longer than the buffer, and this was its last, cut line.
    TruncatedLine,
    /// Begins like a DogStatsD event (`_e{`) and is none.
    MalformedEvent,
    /// Begins like a DogStatsD service check (`_sc|`) and is none.
    MalformedServiceCheck,
    /// A field is empty.
    MalformedComponent,
    /// The value is no finite decimal number.
    MalformedValue,
    /// The sample rate is no number above 0 and up to 1.
    InvalidSampleFactor,
    /// The kind is none that the bridge knows.
    IllegalEvent,
}

impl SampleError {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 12] = [
        Self::MalformedLine,
        Self::MixedTaggingStyles,
        Self::NotEnoughParts,
        Self::InvalidExtendedAggregateType,
        Self::LineTooLong,
        Self::TruncatedLine,
        Self::MalformedEvent,
        Self::MalformedServiceCheck,
        Self::MalformedComponent,
        Self::MalformedValue,
        Self::InvalidSampleFactor,
        Self::IllegalEvent,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedLine => "malformed_line",
            Self::MixedTaggingStyles => "mixed_tagging_styles",
            Self::NotEnoughParts => "not_enough_parts_after_colon",
            Self::InvalidExtendedAggregateType => "invalid_extended_aggregate_type",
            Self::LineTooLong => "line_too_long",
            Self::TruncatedLine => "truncated_line",
            Self::MalformedEvent => "malformed_event",
            Self::MalformedServiceCheck => "malformed_service_check",
            Self::MalformedComponent => "malformed_component",
            Self::MalformedValue => "malformed_value",
            Self::InvalidSampleFactor => "invalid_sample_factor",
            Self::IllegalEvent => "illegal_event",
        }
    }

    /// Whether the whole line is rejected (it then counts as a line and holds no sample), or one sample of it.
    pub const fn rejects_line(self) -> bool {
        (self as usize) <= Self::MalformedServiceCheck as usize
    }
}

/// A rejection, and the tag errors met before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub error: SampleError,
    /// Tags skipped before the rejection.
    pub tag_errors: u32,
}
