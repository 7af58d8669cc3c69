//! The parameters of a request for lines.

use crate::ingest::protocol::SampleError;
use crate::program::web::api::{ApiError, Parameters};
use crate::tap::{LabelFilter, RuleFilter, TapFilter, TextPattern, VerdictFilter};
use crate::telemetry::SampleRejection;

/// The default of `rate`: more lines a second than a person can read.
const DEFAULT_RATE: u32 = 200;

/// The maximum of `rate`, for captures.
const MAX_RATE: u32 = 50_000;

/// The form of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) enum TailFormat {
    /// Server-sent events, which a browser reads.
    Events,
    /// One JSON document a line.
    Json,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct TailQuery {
    pub(super) filter: TapFilter,
    pub(super) lines_per_second: u32,
    pub(super) format: TailFormat,
}

impl TailQuery {
    pub(super) fn read(query: Option<&str>) -> Result<Self, ApiError> {
        let known = ["name", "source", "verdict", "rule", "label", "rate", "format"];
        let parameters = Parameters::read(&[query.unwrap_or_default()], &known)?;
        let stated = |name: &str| parameters.last(name).filter(|text| !text.is_empty());
        let filter = TapFilter {
            name: stated("name").and_then(TextPattern::new),
            source: stated("source").and_then(TextPattern::new),
            verdict: stated("verdict").map(verdict).transpose()?,
            rule: stated("rule").map(rule).transpose()?,
            label: stated("label").map(label).transpose()?,
        };
        let lines_per_second = stated("rate").map_or(Ok(DEFAULT_RATE), rate)?;
        let format = match stated("format") {
            None | Some("events") => TailFormat::Events,
            Some("json") => TailFormat::Json,
            Some(other) => return Err(invalid("format", other, "events or json")),
        };
        Ok(Self { filter, lines_per_second, format })
    }
}

fn verdict(text: &str) -> Result<VerdictFilter, ApiError> {
    let reasons = SampleError::ALL.iter().map(|error| error.as_str()).chain(SampleRejection::ALL.iter().map(|reason| reason.as_str()));
    match text {
        "recorded" => Ok(VerdictFilter::Recorded),
        "rejected" => Ok(VerdictFilter::Rejected),
        "dropped" => Ok(VerdictFilter::Dropped),
        text => reasons.into_iter().find(|reason| *reason == text).map(VerdictFilter::Reason).ok_or_else(|| {
            invalid(
                "verdict",
                text,
                "recorded, rejected, dropped or a value of the label reason of sample_errors_total or events_error_total",
            )
        }),
    }
}

fn rule(text: &str) -> Result<RuleFilter, ApiError> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(RuleFilter::Number(number)),
        _ if text == "none" => Ok(RuleFilter::Unmapped),
        _ => Err(invalid("rule", text, "the number of a rule, from 1, or none")),
    }
}

/// `name` or `name=value`, the value as a pattern.
fn label(text: &str) -> Result<LabelFilter, ApiError> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(invalid("label", text, "NAME or NAME=VALUE"));
    }
    Ok(LabelFilter { name: name.to_owned(), value: TextPattern::new(value) })
}

fn rate(text: &str) -> Result<u32, ApiError> {
    let number = text.parse().ok().filter(|number| (1..=MAX_RATE).contains(number));
    number.ok_or_else(|| invalid("rate", text, &format!("a number of lines a second from 1 to {MAX_RATE}")))
}

fn invalid(name: &str, text: &str, expected: &str) -> ApiError {
    ApiError::bad_data(format!("invalid parameter {name:?}: {text:?} is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_a_filter() {
        let query = "name=shop.*&source=10.0.0.1&verdict=conflict&rule=none&label=host%3Da*&rate=7&format=json";
        let TailQuery { filter, lines_per_second, format } = TailQuery::read(Some(query)).expect("good");
        assert_eq!((lines_per_second, format), (7, TailFormat::Json));
        assert_eq!(filter.verdict, Some(VerdictFilter::Reason("conflict")));
        assert_eq!(filter.rule, Some(RuleFilter::Unmapped));
        assert_eq!(filter.label, Some(LabelFilter { name: "host".to_owned(), value: TextPattern::new("a*") }));
        assert!(filter.wants_name(b"shop.x") && !filter.wants_name(b"a.shop.x"));
        let TailQuery { filter, lines_per_second, format } = TailQuery::read(Some("name=&rule=&rate=")).expect("empty fields of a form");
        assert_eq!((filter, lines_per_second, format), (TapFilter::default(), 200, TailFormat::Events));
    }

    #[test]
    fn wrong_parameters_are_errors_that_name_the_remedy() {
        for (query, why) in [
            ("verdict=lost", "recorded, rejected, dropped"),
            ("rule=0", "from 1, or none"),
            ("rule=a", "from 1, or none"),
            ("label==x", "NAME=VALUE"),
            ("rate=0", "from 1 to 50000"),
            ("rate=50001", "from 1 to 50000"),
            ("format=xml", "events or json"),
            ("nome=x", "unknown parameter \"nome\"; supported: name"),
        ] {
            let error = TailQuery::read(Some(query)).expect_err(query);
            assert!(error.text().contains(why), "{query}: {}", error.text());
        }
    }
}
