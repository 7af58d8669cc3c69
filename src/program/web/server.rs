//! Puts the parts of the server together for one listener, and runs it. Knows what each part needs, and nothing of what it does.

use std::sync::Arc;

use super::activity::Deadlines;
use super::api::{Api, ApiLimits};
use super::connection::accept::Acceptor;
use super::connection::client::ConnectionLimits;
use super::connection::web_listener::WebListener;
use super::handler::RequestHandler;
use super::pages::LandingPage;
use super::request_path::single_slashes;
use super::router::Router;
use super::scrape::endpoint::ScrapeEndpoint;
use super::scrape::expositions::ExpositionMaker;
use super::scrape::renderer::Renderer;
use super::web_options::WebOptions;
use super::web_state::WebState;
use crate::bridge::Bridge;

/// Serves HTTP on `listener` until `shutdown` ends, then lets running responses finish for `drain_timeout`.
///
/// Over TLS, and only to those who may read, where the gate of `state` says so. Never fails: an error of a connection ends that
/// connection, and an error of accepting, such as too many open files, is logged and tried again a little later. Needs a Tokio
/// runtime with time and I/O enabled.
pub(in crate::program) async fn serve(
    listener: impl Into<WebListener>,
    options: WebOptions,
    bridge: Bridge,
    state: Arc<WebState>,
    shutdown: impl Future<Output = ()> + Send,
) {
    acceptor(options, &bridge, &state).run(listener.into(), shutdown).await;
}

/// The acceptor of one listener, with all that its connections lead to.
pub(super) fn acceptor(options: WebOptions, bridge: &Bridge, state: &WebState) -> Acceptor {
    let telemetry = Arc::clone(bridge.telemetry());
    let limits = limits(&options);
    let (allow_from, drain_timeout) = (options.allow_from.clone(), options.drain_timeout);
    let no_auth_paths = options.no_auth_paths.iter().map(|path| single_slashes(path).into_owned()).collect();
    let router = router(options, bridge, state);
    let handler = RequestHandler::new(Arc::clone(&state.gate), no_auth_paths, router, Arc::clone(&telemetry));
    Acceptor {
        allow_from,
        limits,
        drain_timeout,
        asks_clients: bridge.options().counters_start_at_zero.is_some(),
        open: Arc::clone(&state.open),
        handshakes: state.handshakes.clone(),
        gate: Arc::clone(&state.gate),
        handler: Arc::new(handler),
        telemetry,
    }
}

fn limits(options: &WebOptions) -> ConnectionLimits {
    let deadlines = Deadlines {
        idle: options.idle_timeout,
        header: options.header_timeout,
        write: options.write_timeout,
        response: options.response_timeout,
    };
    ConnectionLimits { deadlines, header_bytes: options.max_header_bytes }
}

fn router(options: WebOptions, bridge: &Bridge, state: &WebState) -> Router {
    let telemetry = bridge.telemetry();
    let path = options.telemetry_path;
    let telemetry_path = single_slashes(&format!("/{path}")).into_owned();
    let expositions = ExpositionMaker::new(bridge.clone(), state.clock);
    let renderer =
        Renderer { expositions, queue: Arc::clone(&state.scrapes), memory: Arc::clone(&state.memory), telemetry: Arc::clone(telemetry) };
    let api_limits = ApiLimits { turn: options.turn_timeout, body: options.body_timeout };
    Router {
        lifecycle: Arc::clone(&state.lifecycle),
        has_lifecycle: options.enable_lifecycle,
        hosts: options.allowed_hosts,
        checks_hosts: options.checks_hosts,
        telemetry: Arc::clone(telemetry),
        answers_admin: !options.admin_elsewhere,
        prefix: telemetry.prefix(),
        scrape: ScrapeEndpoint::new(renderer, options.turn_timeout),
        api: Api::new(bridge.clone(), state.reports.clone(), api_limits, options.enable_admin_api),
        landing: Arc::new(LandingPage::new(bridge.clone(), telemetry_path.clone(), options.paste)),
        telemetry_path,
    }
}
