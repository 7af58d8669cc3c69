//! Assembles the parts of the server for one listener and runs it.

use std::sync::Arc;

use super::activity::Deadlines;
use super::api::{Api, ApiLimits, Live};
use super::connection::accept::Acceptor;
use super::connection::client::ConnectionLimits;
use super::connection::web_listener::WebListener;
use super::handler::RequestHandler;
use super::pages::Pages;
use super::request_path::collapse_slashes;
use super::router::Router;
use super::scrape::endpoint::ScrapeEndpoint;
use super::scrape::expositions::ExpositionMaker;
use super::scrape::renderer::Renderer;
use super::tail::TailEndpoint;
use super::web_options::WebOptions;
use super::web_state::WebState;
use crate::bridge::Bridge;

/// Serves HTTP on `listener` until `shutdown` completes, then lets open responses finish for up to `drain_timeout`.
///
/// The gate of `state` decides about TLS and access. Never fails: an error on a connection ends that connection. If accepting
/// fails, for example because too many files are open, the server logs the error and retries after a pause. Requires a Tokio runtime
/// with time and I/O enabled.
pub(in crate::program) async fn serve(
    listener: impl Into<WebListener>,
    options: WebOptions,
    bridge: Bridge,
    state: Arc<WebState>,
    shutdown: impl Future<Output = ()> + Send,
) {
    acceptor(options, &bridge, &state).run(listener.into(), shutdown).await;
}

/// Assembles the acceptor of one listener.
pub(super) fn acceptor(options: WebOptions, bridge: &Bridge, state: &WebState) -> Acceptor {
    let telemetry = Arc::clone(bridge.telemetry());
    let limits = limits(&options);
    let (allow_from, drain_timeout) = (options.allow_from.clone(), options.drain_timeout);
    let no_auth_paths = options.no_auth_paths.iter().map(|path| collapse_slashes(path).into_owned()).collect();
    let router = router(options, bridge, state);
    let handler = RequestHandler::new(Arc::clone(&state.gate), no_auth_paths, router, Arc::clone(&telemetry));
    Acceptor {
        allow_from,
        limits,
        drain_timeout,
        confirm_delivery: bridge.options().counters_start_at_zero.is_some(),
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
    let telemetry_path = collapse_slashes(&format!("/{path}")).into_owned();
    let expositions = ExpositionMaker::new(bridge.clone(), state.clock);
    let renderer =
        Renderer { expositions, queue: Arc::clone(&state.scrapes), memory: Arc::clone(&state.memory), telemetry: Arc::clone(telemetry) };
    let api_limits = ApiLimits { turn_timeout: options.turn_timeout, body_timeout: options.body_timeout };
    let serves_admin_paths = !options.admin_on_other_listener;
    let live = Arc::new(Live {
        bridge: bridge.clone(),
        pushers: state.pushers.clone(),
        history: Arc::clone(&state.history),
        configuration: Arc::clone(&state.configuration),
        clock: state.clock,
        telemetry_path: telemetry_path.clone(),
        sample_command: options.sample_command,
        can_delete: serves_admin_paths && options.enable_admin_api,
        can_watch: serves_admin_paths && options.enable_tail,
        can_reload: serves_admin_paths && options.enable_lifecycle,
    });
    Router {
        lifecycle: Arc::clone(&state.lifecycle),
        enable_lifecycle: options.enable_lifecycle,
        allowed_hosts: options.allowed_hosts,
        check_hosts: options.check_hosts,
        telemetry: Arc::clone(telemetry),
        serves_admin_paths,
        prefix: telemetry.prefix(),
        scrape: ScrapeEndpoint::new(renderer, options.turn_timeout),
        tail: TailEndpoint::new(bridge.clone(), options.enable_tail.then_some(options.max_tails)),
        api: Api::new(Arc::clone(&live), state.reports.clone(), api_limits, options.enable_admin_api),
        pages: Arc::new(Pages::new(live)),
        telemetry_path,
    }
}
