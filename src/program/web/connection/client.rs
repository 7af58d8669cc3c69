//! The common parts of HTTP/1 and HTTP/2 connections: limits, state and the request handler.

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
    /// The maximum size of request headers.
    pub(in crate::program::web) header_bytes: usize,
}

/// A connection without its stream.
pub(in crate::program::web) struct ClientConnection {
    pub(in crate::program::web) limits: ConnectionLimits,
    pub(in crate::program::web) addresses: ConnectionAddresses,
    pub(in crate::program::web) activity: Arc<Activity>,
    pub(in crate::program::web) handler: Arc<RequestHandler>,
    pub(in crate::program::web) telemetry: Arc<Telemetry>,
    /// True once the server is stopping.
    pub(in crate::program::web) stop: watch::Receiver<bool>,
}

impl ClientConnection {
    /// Answers one request. The future does not borrow `self`, because HTTP/2 requests are handled in separate tasks.
    pub(super) fn respond(&self, request: Request<Incoming>) -> impl Future<Output = WebResponse> + Send + use<> {
        let (handler, addresses, activity) = (Arc::clone(&self.handler), self.addresses, Arc::clone(&self.activity));
        async move { handler.respond(request, addresses, activity).await }
    }

    /// Counts a cut connection.
    pub(super) fn count_cut(&self, reason: CutReason) {
        self.telemetry.scrape.connection_cut(reason as usize);
    }

    /// Waits until the connection should close after its current response: the server is stopping, or another connection needs its slot
    /// (counted as evicted).
    pub(super) async fn should_close(&self) {
        tokio::select! {
            () = self.stopped() => {}
            () = self.activity.close_requested() => self.count_cut(CutReason::Evicted),
        }
    }

    /// Waits until the server is stopping.
    pub(super) async fn stopped(&self) {
        // An error means that the server has ended, which has the same effect.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}
