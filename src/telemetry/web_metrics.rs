//! Metrics of who may read: TLS, basic authentication, the limits of requests and networks.

use metrics::{Counter, Gauge};

use super::described::{described_counter, described_counters, described_gauge};
use crate::options::Prefix;

/// Counters of connections and requests that were not let in, and of the web configuration file.
pub(crate) struct WebMetrics {
    /// TLS handshakes that failed, by reason.
    pub handshake_errors: [Counter; HandshakeError::ALL.len()],
    /// Requests answered 401.
    pub unauthorized: Counter,
    /// Requests answered 503 because so many passwords were being checked.
    pub passwords_refused: Counter,
    requests_rejected: [Counter; RequestRejection::ALL.len()],
    /// Requests answered 429.
    pub rate_limited: Counter,
    /// Connections closed because of where they come from.
    pub denied: Counter,
    /// Readings of the web configuration file that put it in force.
    pub reloads_good: Counter,
    /// Readings refused for a mistake.
    pub reloads_bad: Counter,
    /// 1 if the last reading was good.
    pub last_was_good: Gauge,
}

impl WebMetrics {
    /// Counts a rejected request.
    pub(crate) fn request_rejected(&self, why: RequestRejection) {
        if let Some(counter) = self.requests_rejected.get(why as usize) {
            counter.increment(1);
        }
    }

    /// Counts a failed handshake.
    pub(crate) fn handshake_error(&self, error: HandshakeError) {
        if let Some(counter) = self.handshake_errors.get(error as usize) {
            counter.increment(1);
        }
    }
}

/// Why a request was rejected that others are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestRejection {
    /// 503: too many requests wait for what takes long.
    ApiBusy,
    /// 408: its body came too slowly.
    SlowBody,
    /// 403: it would change something, and a page of another site may have sent it.
    CrossSite,
    /// 403: it names a host that is not the bridge's.
    ForeignHost,
}

impl RequestRejection {
    /// Every one, in the order of the enum.
    pub(crate) const ALL: [Self; 4] = [Self::ApiBusy, Self::SlowBody, Self::CrossSite, Self::ForeignHost];

    /// The label value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiBusy => "api_busy",
            Self::SlowBody => "slow_body",
            Self::CrossSite => "cross_site",
            Self::ForeignHost => "foreign_host",
        }
    }
}

/// Why a TLS handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// It took too long.
    Timeout,
    /// The client went away.
    Closed,
    /// The client does not speak TLS.
    NotTls,
    /// No version, cipher suite, curve or protocol that both sides do.
    Incompatible,
    /// The client showed no certificate where one is needed.
    NoCertificate,
    /// The client's certificate is expired, of an unknown issuer, or otherwise not good.
    BadCertificate,
    /// The client's certificate has none of the names that are allowed.
    NotAllowed,
    /// The client does not accept the bridge's certificate, or gave up for another reason that it told.
    Alert,
    /// Anything else.
    Other,
}

impl HandshakeError {
    /// Every one, in the order of the enum.
    pub(crate) const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Closed,
        Self::NotTls,
        Self::Incompatible,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::NotAllowed,
        Self::Alert,
        Self::Other,
    ];

    /// The label value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::NotAllowed => "san_not_allowed",
            Self::Alert => "alert",
            Self::Other => "other",
        }
    }
}

pub(super) fn web_metrics(p: Prefix) -> WebMetrics {
    let counter = |name, help| described_counter(p, name, help);
    let handshakes = ("tls_handshake_errors_total", "TLS handshakes that failed, by reason.");
    let reloads = ("web_config_reloads_total", "Readings of a changed web configuration file, by outcome; the start is none.");
    let [reloads_good, reloads_bad] = described_counters(p, reloads, "outcome", ["success", "failure"]);
    WebMetrics {
        handshake_errors: described_counters(p, handshakes, "reason", HandshakeError::ALL.map(HandshakeError::as_str)),
        unauthorized: counter("http_unauthorized_total", "Requests answered 401: no user, an unknown one, or a wrong password."),
        passwords_refused: counter(
            "http_password_checks_refused_total",
            "Requests answered 503 because so many passwords were being checked.",
        ),
        requests_rejected: described_counters(
            p,
            ("http_requests_rejected_total", "Requests that were not answered as they might have been, by reason."),
            "reason",
            RequestRejection::ALL.map(RequestRejection::as_str),
        ),
        rate_limited: counter("http_rate_limited_total", "Requests answered 429 because of rate_limit."),
        denied: counter(
            "http_connections_denied_total",
            "HTTP connections closed at once because --web.allow-from does not name their network.",
        ),
        reloads_good,
        reloads_bad,
        last_was_good: described_gauge(
            p,
            "web_config_last_reload_successful",
            "1 if the last reading of the web configuration file was good, or there is none.",
        ),
    }
}
