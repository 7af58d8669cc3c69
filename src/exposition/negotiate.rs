//! Content negotiation: the format of a scrape by its `Accept` header.
//!
//! Works like client_golang with OpenMetrics enabled: sorts clauses by quality, takes the first clause with a known format, and
//! falls back to the text format. `*/*` names no format. Two points follow RFC 9110 instead: types and parameter names are compared
//! case-insensitively, and a quality of 0 rejects a format. Knows header text, but no HTTP library.

use super::Format;
use crate::engine::Engine;
use crate::name::Escaping;
use crate::options::OpenMetrics;

/// Further clauses are ignored. Prometheus sends seven at most.
const CLAUSES_MAX: usize = 64;

/// Which scrapers may get OpenMetrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMetricsOffer {
    /// None.
    Never,
    /// Scrapers that do not accept the text format.
    WithoutText,
    /// All scrapers that ask for it.
    AsAsked,
}

impl OpenMetricsOffer {
    /// The offer by the options and the rules in force. It depends on no samples and no scrapes, so a scraper gets the same
    /// format from one change of the rules to the next.
    pub(crate) fn of(engine: &Engine) -> Self {
        let options = engine.options();
        match options.openmetrics {
            OpenMetrics::Never => Self::Never,
            OpenMetrics::Always => Self::AsAsked,
            OpenMetrics::Auto if options.exemplar_tag.is_some() || options.created_lines || engine.has_units() => Self::AsAsked,
            OpenMetrics::Auto => Self::WithoutText,
        }
    }
}

/// The result of a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The format of the exposition.
    pub format: Format,
    /// How names that need it are escaped.
    pub escaping: Escaping,
    /// Whether the scraper asked for an OpenMetrics version before 1.0.0. The exposition is the same.
    old_openmetrics: bool,
}

impl Default for Negotiated {
    /// The text format, the default.
    fn default() -> Self {
        Self { format: Format::Text, escaping: Escaping::Underscores, old_openmetrics: false }
    }
}

impl Negotiated {
    /// The result for an `Accept` header. The caller joins several headers with commas.
    pub fn of(accept: &str, openmetrics: OpenMetricsOffer) -> Self {
        let mut clauses: Vec<Clause<'_>> = accept.split(',').take(CLAUSES_MAX).map(Clause::parse).collect();
        // The sort is stable: of equal qualities, the first clause wins.
        clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        clauses.retain(|clause| clause.quality > 0.0);
        let offers_openmetrics = match openmetrics {
            OpenMetricsOffer::Never => false,
            OpenMetricsOffer::WithoutText => !clauses.iter().any(Clause::accepts_text),
            OpenMetricsOffer::AsAsked => true,
        };
        let wanted = clauses.iter();
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

/// One media range of the header. If a parameter occurs twice, the last one counts, as in Go's library.
struct Clause<'a> {
    kind: &'a str,
    version: &'a str,
    proto: &'a str,
    encoding: &'a str,
    escaping: &'a str,
    /// 1 if none is given. May be above 1: Prometheus 2.49.0 sends such qualities.
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
                // A quality that is not a number counts as 1.
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

    /// Whether the clause accepts the text format.
    fn accepts_text(&self) -> bool {
        let is_any = ["*/*", "text/*"].iter().any(|any| self.kind.eq_ignore_ascii_case(any));
        is_any || self.negotiated().is_some_and(|negotiated| negotiated.format == Format::Text)
    }

    /// The format that the clause names, if it is known.
    fn negotiated(&self) -> Option<Negotiated> {
        let is = |kind: &str| self.kind.eq_ignore_ascii_case(kind);
        let format = if is("text/plain") {
            // The versions differ only in the quoting of names, which the escaping decides.
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

    use super::OpenMetricsOffer::{AsAsked, Never, WithoutText};
    use super::*;

    fn content_type(accept: &str) -> String {
        Negotiated::of(accept, AsAsked).content_type()
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
        let escaping = |accept| Negotiated::of(accept, AsAsked).escaping;
        assert_eq!(escaping("text/plain;escaping=values"), Escaping::Values);
        assert_eq!(escaping("text/plain;escaping=dots;escaping=allow-utf-8"), Escaping::AllowUtf8);
        assert_eq!(escaping("text/plain;escaping=nothing"), Escaping::Underscores);
        assert_eq!(escaping("text/html;escaping=values,text/plain;q=0.1"), Escaping::Underscores);
        assert_eq!(escaping("*/*;escaping=values"), Escaping::Underscores);
    }

    #[test]
    fn openmetrics_is_unknown_where_it_is_not_offered() {
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=1.0.0;escaping=values;q=0.5";
        assert_eq!(Negotiated::of(accept, Never), Negotiated { escaping: Escaping::Values, ..Negotiated::default() });
        assert_eq!(Negotiated::of("application/openmetrics-text;version=1.0.0", Never), Negotiated::default());
    }

    #[test]
    fn whoever_accepts_text_gets_it_where_openmetrics_has_nothing_more_to_show() {
        let content_type = |accept: &str| Negotiated::of(accept, WithoutText).content_type();
        let proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let openmetrics = "application/openmetrics-text;version=1.0.0";
        for (accept, want) in [
            (format!("{openmetrics},application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), TEXT),
            (format!("{openmetrics};q=0.5,text/plain;version=0.0.4;q=0.3"), TEXT),
            // Prometheus 3.16 with `scrape_protocols: [OpenMetricsText1.0.0]`.
            (format!("{openmetrics};escaping=allow-utf-8;q=0.7,*/*;q=0.6"), TEXT),
            (format!("{openmetrics},*/*;q=0.1"), TEXT),
            (format!("{openmetrics},text/*;q=0.1"), TEXT),
            (openmetrics.to_owned(), OPENMETRICS),
            (format!("{openmetrics},text/plain;q=0"), OPENMETRICS),
            (format!("{openmetrics},*/*;q=0,text/html"), OPENMETRICS),
            (format!("{openmetrics},text/plain;version=7"), OPENMETRICS),
            (format!("{openmetrics};q=0.5,{proto};q=0.4"), OPENMETRICS),
            (format!("{openmetrics};q=0.5,{proto};q=0.6"), PROTOBUF),
            (format!("{openmetrics};q=0.5,{proto};q=0.6,text/plain;q=0.1"), PROTOBUF),
            (String::new(), TEXT),
        ] {
            assert_eq!(content_type(&accept), want, "{accept}");
        }
        let accept = format!("{openmetrics};escaping=values,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;q=0.3");
        assert_eq!(Negotiated::of(&accept, WithoutText).escaping, Escaping::AllowUtf8, "that of the clause that is taken");
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(accept in "[ -~]{0,200}") {
            prop_assert!(content_type(&accept).is_ascii());
        }
    }
}
