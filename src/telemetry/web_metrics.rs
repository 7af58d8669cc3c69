//! Metrics of the web server's access control: TLS, basic authentication, limits of requests and networks.

use metrics::{Counter, Gauge};

use super::described::{count_at, described_counter, described_counters, described_gauge};
use super::tls_metrics::HandshakeError;
use crate::options::Prefix;

/// Counters of rejected connections and requests, and metrics of the web configuration file.
pub(crate) struct WebMetrics {
    /// TLS handshakes that failed, by reason.
    pub handshake_errors: [Counter; HandshakeError::ALL.len()],
    /// Requests answered 401.
    pub unauthorized: Counter,
    /// Requests answered 503 because too many passwords were being checked.
    pub passwords_rejected: Counter,
    requests_rejected: [Counter; RequestRejection::ALL.len()],
    /// Requests answered 429.
    pub rate_limited: Counter,
    /// Connections closed because their network is not allowed.
    pub denied: Counter,
    /// Successful reloads of the web configuration file.
    pub reloads_good: Counter,
    /// Reloads rejected because of an error in the file.
    pub reloads_bad: Counter,
    /// 1 if the last reload was successful.
    pub last_was_good: Gauge,
    /// Viewers of lines.
    pub tails: Gauge,
    /// Lines that matched the filter of a viewer: shown, missed.
    pub tail_lines: [Counter; 2],
}

impl WebMetrics {
    /// Counts a rejected request.
    pub(crate) fn request_rejected(&self, why: RequestRejection) {
        count_at(&self.requests_rejected, why as usize);
    }

    /// Counts a failed handshake.
    pub(crate) fn handshake_error(&self, error: HandshakeError) {
        count_at(&self.handshake_errors, error as usize);
    }
}

/// Why a request was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestRejection {
    /// 503: too many requests wait for a slow part of the API.
    ApiBusy,
    /// 408: the body was received too slowly.
    SlowBody,
    /// 403: the request would change state, and a page of another site may have sent it.
    CrossSite,
    /// 403: the request names a host that does not belong to the bridge.
    ForeignHost,
    /// 503: there are as many viewers of lines as allowed.
    TailBusy,
}

impl RequestRejection {
    /// All of them, in the order of the enum.
    pub(crate) const ALL: [Self; 5] = [Self::ApiBusy, Self::SlowBody, Self::CrossSite, Self::ForeignHost, Self::TailBusy];

    /// The label value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiBusy => "api_busy",
            Self::SlowBody => "slow_body",
            Self::CrossSite => "cross_site",
            Self::ForeignHost => "foreign_host",
            Self::TailBusy => "tail_busy",
        }
    }
}

pub(super) fn web_metrics(p: Prefix) -> WebMetrics {
    let counter = |name, help| described_counter(p, name, help);
    let handshakes = ("tls_handshake_errors_total", "TLS handshakes of HTTP clients that failed, by reason.");
    let reloads =
        ("web_config_reloads_total", "Reloads of the web configuration file after a change, by outcome. The start does not count.");
    let [reloads_good, reloads_bad] = described_counters(p, reloads, "outcome", ["success", "failure"]);
    let tail_lines =
        ("tail_lines_total", "Lines that matched the filter of a viewer, by result. Missed ones exceed a limit of the viewer.");
    WebMetrics {
        handshake_errors: described_counters(p, handshakes, "reason", HandshakeError::ALL.map(HandshakeError::as_str)),
        unauthorized: counter(
            "http_unauthorized_total",
            "Requests answered with 401: the user is missing or unknown, or the password is wrong.",
        ),
        passwords_rejected: counter(
            "http_password_checks_refused_total",
            "Requests answered with 503 because too many passwords were being checked.",
        ),
        requests_rejected: described_counters(
            p,
            ("http_requests_rejected_total", "Requests rejected, by reason."),
            "reason",
            RequestRejection::ALL.map(RequestRejection::as_str),
        ),
        rate_limited: counter("http_rate_limited_total", "Requests answered with 429 because of rate_limit."),
        denied: counter(
            "http_connections_denied_total",
            "HTTP connections closed because --web.allow-from does not include their network.",
        ),
        reloads_good,
        reloads_bad,
        last_was_good: described_gauge(
            p,
            "web_config_last_reload_successful",
            "1 if the last reload of the web configuration file was successful, or there is no such file.",
        ),
        tails: described_gauge(p, "tail_viewers", "Viewers that watch lines arrive."),
        tail_lines: described_counters(p, tail_lines, "result", ["shown", "missed"]),
    }
}
