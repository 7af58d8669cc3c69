//! Which format a scrape gets, read from its `Accept` header.
//!
//! As Prometheus' own library chooses (client_golang with OpenMetrics on), for whatever a scraper may send: it sorts by
//! quality, takes the first clause that names a format known here, and answers the text format where none does. `*/*` names
//! no format. Two things are as RFC 9110 has them and not as that library does: types and names of parameters are compared
//! without regard to case, and a quality of 0 refuses. Knows header text only, no HTTP library.

use super::Format;
use crate::name::Escaping;

/// More clauses than this are not looked at: Prometheus sends five.
const CLAUSES_MAX: usize = 64;

/// What a scrape gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// What the exposition is written in.
    pub format: Format,
    /// How names that are not legal everywhere are written.
    pub escaping: Escaping,
    /// The version of OpenMetrics that was asked for; the exposition is the same.
    old_openmetrics: bool,
}

impl Default for Negotiated {
    /// The text format, for whoever does not ask.
    fn default() -> Self {
        Self { format: Format::Text, escaping: Escaping::Underscores, old_openmetrics: false }
    }
}

impl Negotiated {
    /// What an `Accept` header of this text asks for; several headers are to be joined by commas. Without `offers_openmetrics`
    /// that format is as good as unknown.
    pub fn of(accept: &str, offers_openmetrics: bool) -> Self {
        let mut clauses: Vec<Clause<'_>> = accept.split(',').take(CLAUSES_MAX).map(Clause::parse).collect();
        // Stable: of equal qualities the first wins.
        clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        let wanted = clauses.iter().filter(|clause| clause.quality > 0.0);
        wanted.filter_map(Clause::negotiated).find(|found| offers_openmetrics || found.format != Format::OpenMetrics).unwrap_or_default()
    }

    /// The `Content-Type` of the exposition.
    pub fn content_type(&self) -> String {
        let kind = match self.format {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics if self.old_openmetrics => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        };
        format!("{kind}; escaping={}", self.escaping.as_str())
    }
}

/// One media range of the header. Of a parameter that stands twice the last counts, as in Go's library.
struct Clause<'a> {
    kind: &'a str,
    version: &'a str,
    proto: &'a str,
    encoding: &'a str,
    escaping: &'a str,
    /// 1 if none is given; above 1 if somebody says so, as Prometheus 2.49.0 does.
    quality: f64,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let mut clause = Self { kind, version: "", proto: "", encoding: "", escaping: "", quality: 1.0 };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let (key, value) = (key.trim_end(), value.trim_start().trim_matches('"'));
            if key.eq_ignore_ascii_case("q") {
                // A quality that is no number asks for nothing special.
                clause.quality = value.parse().ok().filter(|q: &f64| q.is_finite()).unwrap_or(1.0);
            }
            let parameters = [
                ("version", &mut clause.version),
                ("proto", &mut clause.proto),
                ("encoding", &mut clause.encoding),
                ("escaping", &mut clause.escaping),
            ];
            for (name, slot) in parameters {
                if key.eq_ignore_ascii_case(name) {
                    *slot = value;
                }
            }
        }
        clause
    }

    /// What it names, if that is known here.
    fn negotiated(&self) -> Option<Negotiated> {
        let is = |kind: &str| self.kind.eq_ignore_ascii_case(kind);
        let format = if is("text/plain") {
            // The version 1.0.0 differs in the quoting of names only, which is settled by the escaping.
            matches!(self.version, "" | "0.0.4" | "1.0.0").then_some(Format::Text)
        } else if is("application/openmetrics-text") {
            matches!(self.version, "" | "0.0.1" | "1.0.0").then_some(Format::OpenMetrics)
        } else if is("application/vnd.google.protobuf") {
            (self.proto == "io.prometheus.client.MetricFamily" && self.encoding == "delimited").then_some(Format::Protobuf)
        } else {
            None
        }?;
        let old_openmetrics = format == Format::OpenMetrics && self.version != "1.0.0";
        Some(Negotiated { format, escaping: Escaping::parse(self.escaping).unwrap_or_default(), old_openmetrics })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content_type(accept: &str) -> String {
        Negotiated::of(accept, true).content_type()
    }

    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    const PROTOBUF: &str =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores";

    #[test]
    fn the_first_known_format_of_the_best_quality_is_taken() {
        let proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, want) in [
            ("", TEXT),
            ("*/*", TEXT),
            ("curl/8", TEXT),
            (";;;,,,=;q=", TEXT),
            // Prometheus 2.42 to 2.48 without flags.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OPENMETRICS,
            ),
            ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.5", TEXT),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.5", OPENMETRICS),
            ("application/openmetrics-text;version=1.0.0;q=0.1,*/*;q=0.9", OPENMETRICS),
            ("application/openmetrics-text;version=\"1.0.0\"", OPENMETRICS),
            ("Application/OpenMetrics-Text; Version=1.0.0; Q=0.3", OPENMETRICS),
            ("application/openmetrics-text;version=1.0.0;q=0, text/plain;version=0.0.5", TEXT),
            ("application/openmetrics-text;version=1.0.0;q=-1", TEXT),
            ("application/openmetrics-text;version=1.0.0;q=NaN,text/plain;q=0.9", OPENMETRICS),
            (proto, PROTOBUF),
            (&format!("{proto};q=0.1,application/openmetrics-text;version=1.0.0;q=0.2"), OPENMETRICS),
            (&format!("{proto};q=0,text/plain"), TEXT),
            ("application/vnd.google.protobuf;encoding=delimited", TEXT),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text,text/plain;q=0.1", TEXT),
        ] {
            assert_eq!(content_type(accept), want, "{accept}");
        }
    }

    #[test]
    fn the_escaping_is_that_of_the_clause_that_is_taken() {
        let escaping = |accept| Negotiated::of(accept, true).escaping;
        assert_eq!(escaping("text/plain;escaping=values"), Escaping::Values);
        assert_eq!(escaping("text/plain;escaping=dots;escaping=allow-utf-8"), Escaping::AllowUtf8);
        assert_eq!(escaping("text/plain;escaping=nothing"), Escaping::Underscores);
        assert_eq!(escaping("text/html;escaping=values,text/plain;q=0.1"), Escaping::Underscores);
        assert_eq!(escaping("*/*;escaping=values"), Escaping::Underscores);
    }

    #[test]
    fn openmetrics_is_unknown_where_it_is_not_offered() {
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=1.0.0;escaping=values;q=0.5";
        assert_eq!(Negotiated::of(accept, false), Negotiated { escaping: Escaping::Values, ..Negotiated::default() });
        assert_eq!(Negotiated::of("application/openmetrics-text;version=1.0.0", false), Negotiated::default());
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(accept in "[ -~]{0,200}") {
            prop_assert!(content_type(&accept).is_ascii());
        }
    }
}
