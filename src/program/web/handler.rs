//! One request: let in or rejected by the gate, answered by the router, and given the headers of the web configuration. Knows no
//! paths and no sockets.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};

use super::access::gate::{AccessChecks, AccessDecision, Gate};
use super::access::web_config::WebConfig;
use super::activity::Activity;
use super::addresses::ConnectionAddresses;
use super::request_path::single_slashes;
use super::response::{WebResponse, text};
use super::router::Router;
use crate::telemetry::Telemetry;

/// Answers the requests of one listener.
pub(super) struct RequestHandler {
    gate: Arc<Gate>,
    /// Paths for which nobody is asked for a password.
    no_auth_paths: Vec<String>,
    router: Router,
    telemetry: Arc<Telemetry>,
}

impl RequestHandler {
    pub(super) fn new(gate: Arc<Gate>, no_auth_paths: Vec<String>, router: Router, telemetry: Arc<Telemetry>) -> Self {
        Self { gate, no_auth_paths, router, telemetry }
    }

    /// The response to one request. A scrape that is slow may be cut for others by the `activity` of its connection.
    pub(super) async fn respond(&self, request: Request<Incoming>, addresses: ConnectionAddresses, activity: Arc<Activity>) -> WebResponse {
        let config = self.gate.config();
        let path = single_slashes(request.uri().path());
        let password = !self.no_auth_paths.iter().any(|open| **open == *path);
        // The rate is shared by all clients: with it, any of them could have a bridge restarted that is well.
        let checks = AccessChecks { password, rate: !self.router.is_probe(&path) };
        if let Some(rejection) = self.router.of_another_host(request.uri(), request.headers(), &addresses) {
            return with_headers(rejection, &config);
        }
        let decision = self.gate.decide((&config, checks), request.headers(), addresses.client(), &self.telemetry.web).await;
        let response = match rejection(decision) {
            Some(rejection) => rejection,
            None => self.router.respond(request, addresses, activity).await,
        };
        with_headers(response, &config)
    }
}

/// With the headers of the web configuration.
fn with_headers(mut response: WebResponse, config: &WebConfig) -> WebResponse {
    for (name, value) in &config.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// What exporter-toolkit answers to a request that is not let in; none for one that is.
fn rejection(decision: AccessDecision) -> Option<WebResponse> {
    let (status, words) = match decision {
        AccessDecision::Allowed => return None,
        AccessDecision::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized\n"),
        AccessDecision::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"),
        AccessDecision::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many passwords are being checked. Try again.\n"),
    };
    let mut response = text(status, words);
    match decision {
        AccessDecision::Unauthorized => drop(response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))),
        AccessDecision::Busy => drop(response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        AccessDecision::Allowed | AccessDecision::RateLimited => {}
    }
    Some(response)
}
