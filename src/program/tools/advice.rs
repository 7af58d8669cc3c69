//! Says what each reason of a rejection means, and what to write instead. Must not know the line that was rejected.

use crate::ingest::protocol::SampleError;
use crate::telemetry::Refusal;

/// A sentence for the value of a label `reason`; empty for one that is not known.
pub(super) fn of_reason(reason: &str) -> &'static str {
    let grammar = SampleError::ALL.into_iter().find(|error| error.as_str() == reason).map(of_grammar);
    let refusal = || Refusal::ALL.into_iter().find(|refusal| refusal.as_str() == reason).map(of_refusal);
    grammar.or_else(refusal).unwrap_or_default()
}

fn of_grammar(error: SampleError) -> &'static str {
    match error {
        SampleError::MalformedLine => "a line is NAME:VALUE|KIND, with a name in UTF-8 before the `:`; write app.requests:1|c",
        SampleError::MixedTaggingStyles => {
            "tags stand in the name and after |#, and a line may have only one style; write app.requests:1|c|#key:value"
        }
        SampleError::NotEnoughParts => "nothing like |KIND follows the value; write app.requests:1|c",
        SampleError::InvalidExtendedAggregateType => {
            "there is a colon in the value, and only ms, h and d may have several; send lines of their own, or see --statsd.packed-values"
        }
        SampleError::LineTooLong => "the line is longer than --limits.line-bytes; send shorter lines or raise the limit",
        SampleError::TruncatedLine => "the datagram was cut and this was its last line; send smaller datagrams",
        SampleError::MalformedEvent => "it starts like a DogStatsD event and is none; write _e{TITLE_BYTES,TEXT_BYTES}:TITLE|TEXT",
        SampleError::MalformedServiceCheck => {
            "it starts like a DogStatsD service check and is none; write _sc|NAME|STATUS with STATUS 0 to 3"
        }
        SampleError::MalformedComponent => "a field is empty: two | stand together, or one stands at the end; remove it",
        SampleError::MalformedValue => "the value is no finite decimal number; write 1, -1.5 or 1e3",
        SampleError::InvalidSampleFactor => "the sample rate is no number above 0 and up to 1; write @0.1",
        SampleError::IllegalEvent => "the kind is none that is known; write c, g, ms, h, d or s",
    }
}

fn of_refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NegativeCounter => "a counter never goes down; send a gauge (|g), or write `as: gauge` in a rule",
        Refusal::EmptyName => "nothing is left of the name; send one, or mend the rule's `name`",
        Refusal::OwnName => "the name belongs to a metric of the bridge itself; choose another one",
        Refusal::PrometheusName => {
            "Prometheus writes a metric of this name itself; choose another one, or see --statsd.allow-prometheus-names"
        }
        Refusal::Conflict => {
            "a family of this name, or of a name like it, has another type already; give one of them another name by a rule"
        }
        Refusal::ValueOverflow => "the value would become infinite; send smaller numbers",
        Refusal::ValueTooLarge => {
            "one sample would add more than --limits.sample-value, after its sampling rate; send smaller numbers or raise the limit"
        }
        Refusal::NameTooLong => "the name is longer than --limits.name-bytes",
        Refusal::TagsTooLong => "the tags are longer than --limits.tags-bytes",
        Refusal::TooManyTags => "it has more tags than --limits.tags",
        Refusal::FamilyLimit => "there are as many families as --limits.families; put what varies in names into labels by a rule",
        Refusal::SeriesLimit => "there are as many series as --limits.series",
        Refusal::FamilySeriesLimit => "the family has as many series as --limits.series-per-family, or as its rule's `limits` say",
        Refusal::LabelValueLimit => "a label has as many values as --limits.values-per-label, or as its rule's `limits` say",
        Refusal::FamilyLabelLimit => "the family has as many labels as --limits.labels-per-family",
        Refusal::SeriesBytesLimit => "the series take as many bytes as --limits.series-bytes",
    }
}
