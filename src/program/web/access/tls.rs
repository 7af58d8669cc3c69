//! What rustls does not have and the web configuration needs: the names of versions, cipher suites and curves, one more curve, and
//! exporter-toolkit's checks of client certificates. Knows no connections: the handshake belongs to `connection`.

pub(super) mod client_certificates;
pub(super) mod offer;
mod p521;
mod sans;
