//! Own metrics of pages served and of the connections that they go over.

use metrics::{Counter, Gauge, Histogram, describe_histogram, histogram};

use super::described::{described_counter, described_counters, described_gauge};
use crate::options::Prefix;

/// Why an HTTP connection was cut, in the order of the web server's reasons.
const CONNECTION_CUTS: [&str; 8] = ["idle", "header", "write", "response", "crowded", "header_too_large", "malformed", "flood"];

/// Why a scrape did not get its page to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScrapeCut {
    /// Others waited for its place, and its client was slow.
    Crowded,
    /// The page could not be completed.
    Failed,
    /// The client went away, or the program ended.
    Left,
    /// A limit of time of the connection was passed.
    Slow,
    /// The time was over that the scraper had said.
    Timeout,
}

impl ScrapeCut {
    /// All, as the metric has them.
    const NAMES: [&'static str; 5] = ["crowded", "failed", "left", "slow", "timeout"];
}

/// Counters of pages served.
pub(crate) struct Scrape {
    /// Scrapes that were given a page.
    pub pages: Counter,
    /// Of these, those that were given the page of another.
    pub shared: Counter,
    /// Pages refused because so many were being rendered.
    pub busy: Counter,
    cut: [Counter; ScrapeCut::NAMES.len()],
    connections_cut: [Counter; CONNECTION_CUTS.len()],
    /// Families left out of pages because their escaped name is another family's.
    pub families_left_out: Counter,
    /// Seconds of rendering and compressing one page.
    pub seconds: Histogram,
    /// Bytes of the last page before compression.
    pub bytes: Gauge,
    /// HTTP connections open now.
    pub connections: Gauge,
    /// HTTP connections whose request is awaited, or that wait for a place.
    pub connections_waiting: Gauge,
    /// HTTP connections refused because so many were open.
    pub connections_refused: Counter,
}

impl Scrape {
    /// Counts a scrape that did not get its page to the end.
    pub(crate) fn cut(&self, why: ScrapeCut) {
        if let Some(counter) = self.cut.get(why as usize) {
            counter.increment(1);
        }
    }

    /// Counts an HTTP connection that was cut.
    pub(crate) fn connection_cut(&self, why: usize) {
        if let Some(counter) = self.connections_cut.get(why) {
            counter.increment(1);
        }
    }
}

pub(super) fn scrape(p: Prefix) -> Scrape {
    let seconds = format!("{}scrape_duration_seconds", p.as_str());
    describe_histogram!(seconds.clone(), "Time to render and compress one page.");
    Scrape {
        pages: described_counter(p, "scrapes_total", "Scrapes for which a page was rendered to its end."),
        shared: described_counter(p, "scrapes_shared_total", "Of these, scrapes that were sent the page of another one."),
        cut: described_counters(
            p,
            ("scrapes_cut_total", "Scrapes that were not sent their page to the end, by reason."),
            "reason",
            ScrapeCut::NAMES,
        ),
        busy: described_counter(p, "scrapes_refused_total", "Pages refused with 503 because so many were being rendered."),
        families_left_out: described_counter(
            p,
            "page_families_left_out_total",
            "Families left out of pages because the escaping asked for gives them the name of another one.",
        ),
        seconds: histogram!(seconds),
        bytes: described_gauge(p, "scrape_page_bytes", "Size of the last page before compression."),
        connections_cut: described_counters(
            p,
            (
                "http_connections_cut_total",
                "HTTP connections cut by a limit of time or size, for what is no HTTP, or for a new one, by reason.",
            ),
            "reason",
            CONNECTION_CUTS,
        ),
        connections: described_gauge(p, "http_connections_open", "HTTP connections whose request has come, open now."),
        connections_waiting: described_gauge(
            p,
            "http_connections_waiting",
            "HTTP connections whose first request is awaited, or that wait for one of the places of those open.",
        ),
        connections_refused: described_counter(
            p,
            "http_connections_refused_total",
            "HTTP connections closed unanswered because so many waited for a place.",
        ),
    }
}
