//! Reasons why the grammar rejects a line or a sample.

/// Why the grammar rejects a line or a sample. `as_str` is the value of the label `reason`.
///
/// Reasons that statsd_exporter has, too, have its names and meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleError {
    /// The line has no `:` or no name, or its name is not UTF-8.
    MalformedLine,
    /// The line has tags in its name and DogStatsD tags.
    MixedTaggingStyles,
    /// No `|kind` follows the value.
    NotEnoughParts,
    /// Packed values of a kind that does not allow them under statsd_exporter's rules.
    InvalidExtendedAggregateType,
    /// The line is longer than the limit. It is not parsed.
    LineTooLong,
    /// The last line of a datagram that was longer than the buffer.
    TruncatedLine,
    /// The sender exceeds its limit of lines per second. The lines of the datagram are not parsed.
    SourceLinesLimit,
    /// The line begins like a DogStatsD event (`_e{`) but is malformed.
    MalformedEvent,
    /// The line begins like a DogStatsD service check (`_sc|`) but is malformed.
    MalformedServiceCheck,
    /// A field is empty.
    MalformedComponent,
    /// The value is not a finite decimal number.
    MalformedValue,
    /// The sample rate is not a number above 0 and up to 1.
    InvalidSampleFactor,
    /// The kind is unknown.
    IllegalEvent,
}

impl SampleError {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 13] = [
        Self::MalformedLine,
        Self::MixedTaggingStyles,
        Self::NotEnoughParts,
        Self::InvalidExtendedAggregateType,
        Self::LineTooLong,
        Self::TruncatedLine,
        Self::SourceLinesLimit,
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
            Self::SourceLinesLimit => "source_lines_limit",
            Self::MalformedEvent => "malformed_event",
            Self::MalformedServiceCheck => "malformed_service_check",
            Self::MalformedComponent => "malformed_component",
            Self::MalformedValue => "malformed_value",
            Self::InvalidSampleFactor => "invalid_sample_factor",
            Self::IllegalEvent => "illegal_event",
        }
    }

    /// Whether the whole line is rejected and counts as a line without samples, or only one sample of it.
    pub const fn rejects_line(self) -> bool {
        (self as usize) <= Self::MalformedServiceCheck as usize
    }
}

// Counts are indexed by the discriminant.
const _: () = {
    let mut at = 0;
    while at < SampleError::ALL.len() {
        assert!(SampleError::ALL[at] as usize == at, "out of order");
        at += 1;
    }
    assert!(SampleError::IllegalEvent as usize + 1 == SampleError::ALL.len(), "one is missing");
};

/// A rejected line or sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// The reason.
    pub error: SampleError,
    /// Number of malformed tags found before the rejection.
    pub tag_errors: u32,
}
