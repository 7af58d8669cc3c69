//! Metrics of scrapes and HTTP connections.

use metrics::{Counter, Gauge, Histogram, describe_histogram, histogram};

use super::described::{count_at, described_counter, described_counters, described_gauge};
use crate::options::Prefix;

/// Why an HTTP connection was cut, in the order of the web server's enum.
const CONNECTION_CUTS: [&str; 8] = ["idle", "header", "write", "response", "crowded", "header_too_large", "malformed", "flood"];

/// Why a scrape did not receive its whole exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScrapeCut {
    /// The client was slow, and other scrapes waited for its slot.
    Crowded,
    /// The exposition could not be completed.
    Failed,
    /// The client closed the connection, or the program ended.
    Left,
    /// The connection exceeded a time limit.
    Slow,
    /// The timeout that the scraper sent has expired.
    Timeout,
}

impl ScrapeCut {
    /// The label values, in the order of the enum.
    const NAMES: [&'static str; 5] = ["crowded", "failed", "left", "slow", "timeout"];
}

/// Metrics of scrapes and HTTP connections.
pub(crate) struct Scrape {
    /// Scrapes whose exposition was rendered completely.
    pub pages: Counter,
    /// Scrapes that received the exposition of another scrape.
    pub shared: Counter,
    /// Scrapes rejected because too many expositions were being rendered.
    pub busy: Counter,
    cut: [Counter; ScrapeCut::NAMES.len()],
    connections_cut: [Counter; CONNECTION_CUTS.len()],
    /// Seconds of rendering and compressing one exposition.
    pub seconds: Histogram,
    /// Bytes of the last exposition before compression.
    pub bytes: Gauge,
    /// HTTP connections open now.
    pub connections: Gauge,
    /// HTTP connections without a request yet, or that wait for a slot.
    pub connections_waiting: Gauge,
    /// HTTP connections rejected because too many were open.
    pub connections_rejected: Counter,
}

impl Scrape {
    /// Counts a scrape that did not receive its whole exposition.
    pub(crate) fn cut(&self, why: ScrapeCut) {
        count_at(&self.cut, why as usize);
    }

    /// Counts an HTTP connection that was cut.
    pub(crate) fn connection_cut(&self, why: usize) {
        count_at(&self.connections_cut, why);
    }
}

/// The counter of families left out of expositions.
pub(super) fn families_left_out(p: Prefix) -> Counter {
    let help = "Families left out of expositions because their escaped name is that of another family.";
    described_counter(p, "page_families_left_out_total", help)
}

pub(super) fn scrape(p: Prefix) -> Scrape {
    let seconds = format!("{}scrape_duration_seconds", p.as_str());
    describe_histogram!(seconds.clone(), "Time to render and compress one exposition.");
    Scrape {
        pages: described_counter(p, "scrapes_total", "Scrapes whose exposition was rendered completely."),
        shared: described_counter(
            p,
            "scrapes_shared_total",
            "Scrapes that were sent the exposition rendered for another scrape. Part of scrapes_total.",
        ),
        cut: described_counters(
            p,
            ("scrapes_cut_total", "Scrapes that were not sent their whole exposition, by reason."),
            "reason",
            ScrapeCut::NAMES,
        ),
        busy: described_counter(p, "scrapes_refused_total", "Scrapes rejected with 503 because too many expositions were being rendered."),
        seconds: histogram!(seconds),
        bytes: described_gauge(p, "scrape_page_bytes", "Size of the last exposition before compression."),
        connections_cut: described_counters(
            p,
            (
                "http_connections_cut_total",
                "HTTP connections closed by the bridge, by reason: a limit, a malformed request, or a place for a new connection.",
            ),
            "reason",
            CONNECTION_CUTS,
        ),
        connections: described_gauge(p, "http_connections_open", "Open HTTP connections that have sent a request."),
        connections_waiting: described_gauge(
            p,
            "http_connections_waiting",
            "HTTP connections that have not sent a request yet, or that wait for a slot.",
        ),
        connections_rejected: described_counter(
            p,
            "http_connections_refused_total",
            "HTTP connections closed without an answer because too many waited for a slot.",
        ),
    }
}
