//! Access control for connections and requests.
//!
//! ```text
//! gate            checks each request against the active web configuration; reloads the file
//!   passwords       basic authentication: limits concurrent comparisons, caches results
//!     password_hash   a well-formed bcrypt hash
//!   rate_limit      the rate limit over all clients
//!   web_config      reads the file of --web.config.file; reports all errors with line and column
//! browsers        the hosts of --web.allowed-hosts; detects cross-site requests
//! ```
//! Depends on request headers, not on paths or sockets.

pub(super) mod browsers;
pub(super) mod gate;
mod password_hash;
mod passwords;
mod rate_limit;
pub(super) mod web_config;
