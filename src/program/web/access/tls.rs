//! TLS features that the web configuration needs in addition to rustls: Go's names of cipher suites and curves, the curve P-521, and
//! exporter-toolkit's checks of client certificates. Handshakes are in `connection`.

pub(super) mod client_certificates;
pub(super) mod offer;
mod p521;
mod sans;
