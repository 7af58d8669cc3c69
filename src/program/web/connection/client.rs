//! What one connection is served with, whatever the version of HTTP. Knows no socket and no path.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::program::web::activity::{Activity, CutReason, Deadlines};
use crate::program::web::addresses::ConnectionAddresses;
use crate::program::web::handler::RequestHandler;
use crate::program::web::response::WebResponse;
use crate::telemetry::Telemetry;

/// The limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::program::web) struct ConnectionLimits {
    pub(in crate::program::web) deadlines: Deadlines,
    /// Bytes of a request's header.
    pub(in crate::program::web) header_bytes: usize,
}

/// A connection without its stream: its limits, what it is doing, and who answers its requests.
pub(in crate::program::web) struct ClientConnection {
    pub(in crate::program::web) limits: ConnectionLimits,
    pub(in crate::program::web) addresses: ConnectionAddresses,
    pub(in crate::program::web) activity: Arc<Activity>,
    pub(in crate::program::web) handler: Arc<RequestHandler>,
    pub(in crate::program::web) telemetry: Arc<Telemetry>,
    /// True once the server stops.
    pub(in crate::program::web) stop: watch::Receiver<bool>,
}

impl ClientConnection {
    /// The response to one request; its future outlives the borrow, because requests of HTTP/2 are answered in tasks of their own.
    pub(super) fn respond(&self, request: Request<Incoming>) -> impl Future<Output = WebResponse> + Send + use<> {
        let (handler, addresses, activity) = (Arc::clone(&self.handler), self.addresses, Arc::clone(&self.activity));
        async move { handler.respond(request, addresses, activity).await }
    }

    /// Counts that the connection was cut.
    pub(super) fn count_cut(&self, reason: CutReason) {
        self.telemetry.scrape.connection_cut(reason as usize);
    }

    /// Waits until the server stops, or others need the connection's room; which counts as cut, though its response is still sent.
    pub(super) async fn to_end(&self) {
        tokio::select! {
            () = self.stopped() => {}
            () = self.activity.asked_to_leave() => self.count_cut(CutReason::Evicted),
        }
    }

    /// Waits until the server stops.
    pub(super) async fn stopped(&self) {
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}
