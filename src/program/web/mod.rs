//! The web server: expositions, the API and the page over HTTP.
//!
//! [`serve`] runs one listener until its shutdown future completes. Several listeners can share one [`WebState`]. [`WebOptions`]
//! has a limit for every resource that clients can exhaust.
//!
//! ```text
//! server        assembles and runs one listener
//!   web_state     state shared by all listeners
//!   connection    accepts connections; limits, TLS, HTTP/1, HTTP/2
//!     handler       one request: access control, then routing
//!       router        path and method to response
//!         scrape        one scrape: admission, rendering, compression, sending
//!         api           reports about rules, series and conflicts; series deletion
//!         tail          lines as they arrive, to viewers
//!         pages         HTML: the views of the page
//!         lifecycle     readiness; quit and reload requests
//!       access        access control: TLS, users, rate limit, web configuration file
//!     view          names of the views
//!     request_body  reads a request body, limited in size and time
//!     request_path  normalizes a request path
//!     activity      the state of a connection: written by connection, read by scrape
//! web_options   the options of the web server
//! ```
//! Outer modules import inner ones, never the reverse. This module renders and queries the bridge; it does not depend on StatsD,
//! signals or flags.

mod access;
mod activity;
mod addresses;
mod api;
mod connection;
mod handler;
mod lifecycle;
mod pages;
mod request_body;
mod request_path;
mod response;
mod router;
mod scrape;
mod server;
mod tail;
#[cfg(test)]
mod tests;
mod view;
mod web_options;
mod web_state;

pub(super) use self::access::browsers::AllowedHosts;
pub(super) use self::access::gate::Gate;
pub(super) use self::access::web_config::check as check_config;
pub(super) use self::connection::web_listener::WebListener;
pub(super) use self::server::serve;
pub(super) use self::web_options::WebOptions;
pub(super) use self::web_state::WebState;
