//! Who may connect and whose requests are answered.
//!
//! ```text
//! gate          decides on each request, by the configuration in force; follows the file
//!   passwords     basic authentication; verdicts are cached, comparisons made by turns
//!   rate_limit    requests over all clients
//!   web_config    the file of --web.config.file: settings, or all mistakes by line and column
//!     tls           what of TLS is offered; client certificates
//! browsers      hosts of --web.allowed-hosts; what pages of others make a browser send
//! networks      the networks of --web.allow-from
//! ```
//! Knows headers of requests, and neither paths nor sockets.

pub(super) mod browsers;
pub(super) mod gate;
pub(super) mod networks;
mod passwords;
mod rate_limit;
mod tls;
pub(super) mod web_config;
