//! Explains each reason of a rejection, with advice. Must not know the rejected line.

use crate::ingest::protocol::SampleError;
use crate::telemetry::SampleRejection;

/// A sentence for a value of the label `reason`.
pub(crate) fn of_reason(reason: &str) -> &'static str {
    let grammar = SampleError::ALL.into_iter().find(|error| error.as_str() == reason).map(of_grammar);
    let rejection = || SampleRejection::ALL.into_iter().find(|rejection| rejection.as_str() == reason).map(of_rejection);
    let advice = grammar.or_else(rejection);
    debug_assert!(advice.is_some(), "no advice for the reason {reason:?}");
    advice.unwrap_or_default()
}

fn of_grammar(error: SampleError) -> &'static str {
    match error {
        SampleError::MalformedLine => "a line is NAME:VALUE|KIND, with a UTF-8 name; write app.requests:1|c",
        SampleError::MixedTaggingStyles => {
            "the line has tags both in the name and after |#; use one style, such as app.requests:1|c|#key:value"
        }
        SampleError::NotEnoughParts => "|KIND is missing after the value; write app.requests:1|c",
        SampleError::InvalidExtendedAggregateType => {
            "only ms, h and d may have several values; send one line per value, or see --statsd.packed-values"
        }
        SampleError::LineTooLong => "the line is longer than --limits.line-bytes; send shorter lines or raise the limit",
        SampleError::TruncatedLine => "the datagram was truncated within this line; send smaller datagrams",
        SampleError::SourceLinesLimit => "the sender exceeds --sources.lines-per-second",
        SampleError::MalformedEvent => {
            "the line starts like a DogStatsD event but is malformed; write _e{TITLE_BYTES,TEXT_BYTES}:TITLE|TEXT"
        }
        SampleError::MalformedServiceCheck => {
            "the line starts like a DogStatsD service check but is malformed; write _sc|NAME|STATUS with STATUS 0 to 3"
        }
        SampleError::MalformedComponent => "a field is empty: the line has || or ends with |; remove the |",
        SampleError::MalformedValue => "the value is not a finite decimal number; write 1, -1.5 or 1e3",
        SampleError::InvalidSampleFactor => "the sample rate is not a number above 0 and up to 1; write @0.1",
        SampleError::IllegalEvent => "the kind is unknown, or its flag is off; write c, g, ms, h, d, s, m or kv",
    }
}

fn of_rejection(rejection: SampleRejection) -> &'static str {
    match rejection {
        SampleRejection::NegativeCounter => "a counter cannot decrease; send a gauge (|g), or write `as: gauge` in a rule",
        SampleRejection::EmptyName => "the name is empty; send a name, or fix the `name` of the rule",
        SampleRejection::OwnName => "the name is that of a self-metric; choose another name",
        SampleRejection::PrometheusName => {
            "Prometheus writes a metric of this name itself; choose another name, or see --statsd.allow-prometheus-names"
        }
        SampleRejection::Conflict => {
            "a family of this name, or of a name that collides with it, has another type; give one of them another name by a rule"
        }
        SampleRejection::ValueOverflow => "the value would become infinite; send smaller numbers",
        SampleRejection::ValueTooLarge => {
            "one sample would add more than --limits.sample-value, after its sampling rate; send smaller numbers or raise the limit"
        }
        SampleRejection::NameTooLong => "the name is longer than --limits.name-bytes",
        SampleRejection::TagsTooLong => "the tags are longer than --limits.tags-bytes",
        SampleRejection::TooManyTags => "the line has more tags than --limits.tags",
        SampleRejection::FamilyLimit => {
            "the number of families has reached --limits.families; move the variable parts of names into labels by a rule"
        }
        SampleRejection::SeriesLimit => "the number of series has reached --limits.series",
        SampleRejection::FamilySeriesLimit => "the family has reached --limits.series-per-family, or the `limits` of its rule",
        SampleRejection::LabelValueLimit => "a label has reached --limits.values-per-label, or the `limits` of its rule",
        SampleRejection::FamilyLabelLimit => "the family has reached --limits.labels-per-family",
        SampleRejection::SeriesBytesLimit => "the memory for series has reached --limits.series-bytes",
        SampleRejection::SourceSeriesLimit => "the sender exceeds --sources.new-series-per-second",
    }
}
