//! TLS of servers, as the section `tls_server_config` of a web configuration file describes it.
//!
//! ```text
//! listener_tls         the file of --statsd.tls-config-file, and its reload
//!   section              tls_server_config: certificates, versions, cipher suites, curves, client certificates
//! config_file          reads a configuration file: its settings, or all errors
//!   config_reader        typed values of the YAML tree of a file; collects errors with line and column
//!     files                reads and hashes the file and the files that it names
//!   offer                Go's names of cipher suites and curves; p521: a curve that rustls does not have
//!   client_certificates  the checks of client certificates by exporter-toolkit; sans: the names in a certificate
//! handshake            handshakes take turns; why one failed
//! ```
//! What the web server and the listeners share. Must not know what a connection carries.

mod client_certificates;
pub(super) mod config_file;
pub(super) mod config_reader;
pub(super) mod files;
pub(super) mod handshake;
pub(super) mod listener_tls;
mod offer;
mod p521;
mod sans;
pub(super) mod section;
