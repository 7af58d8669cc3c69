//! web: expositions, the API and the landing page over HTTP.
//!
//! [`serve`] runs one listener until its shutdown future ends; several listeners may share one [`WebState`]. Everything that a
//! client can make grow has a limit in [`WebOptions`].
//!
//! ```text
//! server        puts the parts together for one listener
//!   web_state     what all listeners share
//!   connection    accepts; limits, TLS, HTTP/1, HTTP/2
//!     handler       one request: through the gate, to the router
//!       router        from path and method to the response
//!         scrape        one scrape: its turn, its exposition, rendered and compressed as the client takes it
//!         api           questions about rules, series and conflicts; deletion
//!         pages         HTML: the landing page
//!         lifecycle     readiness; requests to quit and to reload
//!       access        who may connect and ask: networks, TLS, users, rate limit, the web configuration file
//!     request_body  the body of a request, bounded in bytes and time
//!     request_path  the path as all compare it
//!     activity      what a connection is doing: connection writes it, scrape reads it
//!     fair_turns    turns at what few may do at once, each address in its turn
//! web_options   what an operator may set
//! ```
//! Imports lead from the outer parts to the inner ones only. This module knows the bridge as something that renders itself and
//! answers questions; it knows no StatsD, no signals and no flags.

mod access;
mod activity;
mod addresses;
mod api;
mod connection;
mod fair_turns;
mod handler;
mod lifecycle;
mod pages;
mod request_body;
mod request_path;
mod response;
mod router;
mod scrape;
mod server;
#[cfg(test)]
mod tests;
mod web_options;
mod web_state;

pub(super) use self::access::browsers::AllowedHosts;
pub(super) use self::access::gate::Gate;
pub(super) use self::access::networks::AllowedNetwork;
pub(super) use self::access::web_config::{WebConfigError, check as check_config};
pub(super) use self::connection::web_listener::WebListener;
pub(super) use self::server::serve;
pub(super) use self::web_options::WebOptions;
pub(super) use self::web_state::WebState;
