//! Metrics of TLS on stream listeners, and the reasons of failed handshakes of all servers.

use metrics::{Counter, Gauge};

use super::described::{count_at, described_counters, described_gauge};
use crate::options::Prefix;

/// Why a TLS handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// The handshake took too long.
    Timeout,
    /// The client closed the connection.
    Closed,
    /// The client does not speak TLS.
    NotTls,
    /// Client and bridge have no version, cipher suite, curve or protocol in common.
    Incompatible,
    /// The client sent no certificate although one is required.
    NoCertificate,
    /// The client's certificate is expired, of an unknown issuer, or otherwise invalid.
    BadCertificate,
    /// The client's certificate has no allowed name.
    NotAllowed,
    /// The client sent an alert, for example because it rejects the bridge's certificate.
    Alert,
    /// Anything else.
    Other,
}

impl HandshakeError {
    /// All of them, in the order of the enum.
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

/// Connections that TLS ended.
#[derive(Clone)]
pub(crate) struct StreamTlsErrors {
    handshakes: [Counter; HandshakeError::ALL.len()],
    /// Connections whose client speaks TLS where the listener does not.
    pub unexpected: Counter,
}

impl StreamTlsErrors {
    /// For a kind of socket without TLS.
    pub(super) fn none() -> Self {
        Self { handshakes: HandshakeError::ALL.map(|_| Counter::noop()), unexpected: Counter::noop() }
    }

    /// Counts a failed handshake.
    pub(crate) fn handshake(&self, error: HandshakeError) {
        count_at(&self.handshakes, error as usize);
    }
}

/// Reloads of the TLS configuration of listeners.
#[derive(Clone)]
pub(crate) struct TlsReloads {
    /// Successful reloads.
    pub good: Counter,
    /// Reloads rejected because of an error in a file.
    pub bad: Counter,
    /// 1 if the last reload was successful.
    pub last_was_good: Gauge,
}

/// The metrics of TLS over TCP.
pub(super) fn tcp_tls(p: Prefix) -> (StreamTlsErrors, TlsReloads) {
    const ERRORS: (&str, &str) = (
        "tcp_tls_errors_total",
        "TCP connections closed because a TLS handshake failed, or because the client used TLS without --statsd.tls-config-file, by reason.",
    );
    let reloads = (
        "tcp_tls_config_reloads_total",
        "Reloads of the file of --statsd.tls-config-file after a change, by outcome. The start does not count.",
    );
    let handshakes = described_counters(p, ERRORS, "reason", HandshakeError::ALL.map(HandshakeError::as_str));
    let [unexpected] = described_counters(p, ERRORS, "reason", ["unexpected_tls"]);
    let [good, bad] = described_counters(p, reloads, "outcome", ["success", "failure"]);
    let last_was_good = described_gauge(
        p,
        "tcp_tls_config_last_reload_successful",
        "1 if the last reload of the file of --statsd.tls-config-file was successful, or there is no such file.",
    );
    (StreamTlsErrors { handshakes, unexpected }, TlsReloads { good, bad, last_was_good })
}
