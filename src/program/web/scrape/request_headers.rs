//! Reads the format and the timeout from the headers of a scrape, and the escaping from its URL.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use tokio::time::Instant;

use crate::exposition::{Negotiated, OpenMetricsOffer};
use crate::name::Escaping;

/// Negotiates the format from the `Accept` header. `escaping=` in the query of the URL overrides that of the header: Prometheus names
/// no escaping beside protobuf, but its configuration can set parameters of the URL.
pub(super) fn negotiate(headers: &HeaderMap, query: Option<&str>, openmetrics: OpenMetricsOffer) -> Negotiated {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut negotiated = Negotiated::of(&accept.join(","), openmetrics);
    let parameters = query.into_iter().flat_map(|query| query.split('&'));
    let named = parameters.filter_map(|parameter| Escaping::parse(parameter.strip_prefix("escaping=")?)).next_back();
    negotiated.escaping = named.unwrap_or(negotiated.escaping);
    negotiated
}

/// The deadlines of a scrape.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScrapeDeadlines {
    /// For admission; after it the scrape is rejected.
    pub(super) turn: Instant,
    /// For the whole exposition: when the scraper's own timeout expires, if it sends one.
    pub(super) end: Option<Instant>,
}

impl ScrapeDeadlines {
    /// A scrape waits at most `max_turn` to be admitted, and at most three quarters of the scraper's own timeout, so that time is left
    /// for the exposition.
    pub(super) fn of(headers: &HeaderMap, max_turn: Duration) -> Self {
        let now = Instant::now();
        let timeout = scrape_timeout(headers);
        let turn = now + timeout.map_or(max_turn, |timeout| max_turn.min(timeout * 3 / 4));
        Self { turn, end: timeout.and_then(|timeout| now.checked_add(timeout)) }
    }
}

fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-prometheus-scrape-timeout-seconds")?.to_str().ok()?;
    let timeout = Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()?;
    // A timeout of more than a day is ignored.
    (!timeout.is_zero() && timeout < Duration::from_secs(86_400)).then_some(timeout)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::exposition::Format;

    #[test]
    fn the_url_overrides_the_escaping_of_the_header() {
        let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4";
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        let of = |query| negotiate(&headers, query, OpenMetricsOffer::WithoutText);
        for (query, escaping) in [
            (None, Escaping::Underscores),
            (Some(""), Escaping::Underscores),
            (Some("escaping=allow-utf-8"), Escaping::AllowUtf8),
            (Some("a=b&escaping=values&c"), Escaping::Values),
            (Some("escaping=values&escaping=dots"), Escaping::Dots),
            // An unknown name has no effect, as in the header.
            (Some("escaping=other"), Escaping::Underscores),
            (Some("escaping=dots&escaping="), Escaping::Dots),
            (Some("unescaping=dots"), Escaping::Underscores),
        ] {
            assert_eq!((of(query).format, of(query).escaping), (Format::Protobuf, escaping), "{query:?}");
        }
        let text = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/plain;escaping=allow-utf-8"))]);
        let overridden = negotiate(&text, Some("escaping=underscores"), OpenMetricsOffer::WithoutText);
        assert_eq!(overridden.escaping, Escaping::Underscores);
    }

    #[test]
    fn a_scrape_never_waits_longer_than_its_scraper() {
        let most = Duration::from_secs(5);
        let times = |text: &'static str| {
            let name = "x-prometheus-scrape-timeout-seconds".parse().expect("a name");
            let before = Instant::now();
            let times = ScrapeDeadlines::of(&HeaderMap::from_iter([(name, HeaderValue::from_static(text))]), most);
            (times.turn - before, times.end.map(|end| end - before))
        };
        let (turn, end) = times("2");
        assert!(turn >= Duration::from_millis(1500) && turn < most, "{turn:?}");
        assert!(end.is_some_and(|end| end >= Duration::from_secs(2)), "{end:?}");
        let (turn, end) = times("10");
        assert!(turn >= most && end.is_some(), "{turn:?} {end:?}");
        for odd in ["0", "-1", "NaN", "inf", "1e300", "1e6", "soon", ""] {
            let (turn, end) = times(odd);
            assert!(turn >= most && end.is_none(), "{odd}: {turn:?} {end:?}");
        }
    }
}
