//! TLS: the handshake of a connection, and what rustls does not bring: one curve, and the checks of exporter-toolkit on
//! certificates of clients. Knows no HTTP beyond the first byte of a client that speaks it by mistake.

pub(in crate::program::web) mod client_certificates;
pub(in crate::program::web) mod offer;
mod p521;
mod sans;
