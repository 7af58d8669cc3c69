//! Explains each reason of a rejection, with advice. Must not know the rejected line.

use crate::ingest::protocol::SampleError;
use crate::telemetry::Refusal;

/// A sentence for a value of the label `reason`.
pub(super) fn of_reason(reason: &str) -> &'static str {
    let grammar = SampleError::ALL.into_iter().find(|error| error.as_str() == reason).map(of_grammar);
    let refusal = || Refusal::ALL.into_iter().find(|refusal| refusal.as_str() == reason).map(of_refusal);
    let advice = grammar.or_else(refusal);
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
        SampleError::MalformedEvent => {
            "the line starts like a DogStatsD event but is malformed; write _e{TITLE_BYTES,TEXT_BYTES}:TITLE|TEXT"
        }
        SampleError::MalformedServiceCheck => {
            "the line starts like a DogStatsD service check but is malformed; write _sc|NAME|STATUS with STATUS 0 to 3"
        }
        SampleError::MalformedComponent => "a field is empty: the line has || or ends with |; remove the |",
        SampleError::MalformedValue => "the value is not a finite decimal number; write 1, -1.5 or 1e3",
        SampleError::InvalidSampleFactor => "the sample rate is not a number above 0 and up to 1; write @0.1",
        SampleError::IllegalEvent => "the kind is unknown; write c, g, ms, h, d or s",
    }
}

fn of_refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NegativeCounter => "a counter cannot decrease; send a gauge (|g), or write `as: gauge` in a rule",
        Refusal::EmptyName => "the name is empty; send a name, or fix the `name` of the rule",
        Refusal::OwnName => "the name is that of a self-metric; choose another name",
        Refusal::PrometheusName => {
            "Prometheus writes a metric of this name itself; choose another name, or see --statsd.allow-prometheus-names"
        }
        Refusal::Conflict => {
            "a family of this name, or of a name that collides with it, has another type; give one of them another name by a rule"
        }
        Refusal::ValueOverflow => "the value would become infinite; send smaller numbers",
        Refusal::ValueTooLarge => {
            "one sample would add more than --limits.sample-value, after its sampling rate; send smaller numbers or raise the limit"
        }
        Refusal::NameTooLong => "the name is longer than --limits.name-bytes",
        Refusal::TagsTooLong => "the tags are longer than --limits.tags-bytes",
        Refusal::TooManyTags => "the line has more tags than --limits.tags",
        Refusal::FamilyLimit => {
            "the number of families has reached --limits.families; move the variable parts of names into labels by a rule"
        }
        Refusal::SeriesLimit => "the number of series has reached --limits.series",
        Refusal::FamilySeriesLimit => "the family has reached --limits.series-per-family, or the `limits` of its rule",
        Refusal::LabelValueLimit => "a label has reached --limits.values-per-label, or the `limits` of its rule",
        Refusal::FamilyLabelLimit => "the family has reached --limits.labels-per-family",
        Refusal::SeriesBytesLimit => "the memory for series has reached --limits.series-bytes",
    }
}
