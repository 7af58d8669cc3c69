//! Handles one request: checks access, routes the request, and adds the response headers of the web configuration. Does not depend
//! on paths or sockets.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};

use super::access::gate::{AccessChecks, AccessDecision, Gate};
use super::access::web_config::WebConfig;
use super::activity::Activity;
use super::addresses::ConnectionAddresses;
use super::request_path::collapse_slashes;
use super::response::{WebResponse, text};
use super::router::Router;
use crate::telemetry::Telemetry;

/// Answers the requests of one listener.
pub(super) struct RequestHandler {
    gate: Arc<Gate>,
    /// Paths that need no password.
    no_auth_paths: Vec<String>,
    router: Router,
    telemetry: Arc<Telemetry>,
}

impl RequestHandler {
    pub(super) fn new(gate: Arc<Gate>, no_auth_paths: Vec<String>, router: Router, telemetry: Arc<Telemetry>) -> Self {
        Self { gate, no_auth_paths, router, telemetry }
    }

    /// Answers one request. Through `activity` a slow scrape's connection can be closed to make room for other clients.
    pub(super) async fn respond(&self, request: Request<Incoming>, addresses: ConnectionAddresses, activity: Arc<Activity>) -> WebResponse {
        let config = self.gate.config();
        let path = collapse_slashes(request.uri().path());
        let password = !self.no_auth_paths.iter().any(|exempt| **exempt == *path);
        // All clients share the rate limit. If probes counted, one client could fail the health checks of a healthy bridge.
        let checks = AccessChecks { password, rate: !self.router.is_probe(&path) };
        if let Some(rejection) = self.router.reject_foreign_host(request.uri(), request.headers(), &addresses) {
            return with_configured_headers(rejection, &config);
        }
        let decision = self.gate.decide(&config, checks, request.headers(), addresses.client(), &self.telemetry.web).await;
        let response = match rejection(decision) {
            Some(rejection) => rejection,
            None => self.router.respond(request, addresses, activity).await,
        };
        with_configured_headers(response, &config)
    }
}

/// Adds the headers of the web configuration.
fn with_configured_headers(mut response: WebResponse, config: &WebConfig) -> WebResponse {
    for (name, value) in &config.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// The response to a request that is not allowed, the same as exporter-toolkit's; `None` for an allowed request.
fn rejection(decision: AccessDecision) -> Option<WebResponse> {
    let (status, message) = match decision {
        AccessDecision::Allowed => return None,
        AccessDecision::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized\n"),
        AccessDecision::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"),
        AccessDecision::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many password checks in progress. Try again.\n"),
    };
    let mut response = text(status, message);
    let header = match decision {
        AccessDecision::Unauthorized => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))),
        AccessDecision::Busy => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
        AccessDecision::Allowed | AccessDecision::RateLimited => None,
    };
    response.headers_mut().extend(header);
    Some(response)
}
