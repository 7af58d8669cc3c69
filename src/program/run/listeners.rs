//! Starts the listeners for lines on their sockets, and waits until they have drained them.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::task::JoinSet;

use super::start_error::StartError;
use crate::bridge::Bridge;
use crate::program::listener::relay::Relays;
use crate::program::listener::stream::{BoundUnix, StreamListener, StreamOptions, StreamTls};
use crate::program::listener::udp::BoundUdp;
use crate::program::listener::unix::BoundUnixgram;
use crate::program::listener::{Intake, Processes, Stop, stream};
use crate::program::net::BoundTcp;
use crate::program::readiness::Readiness;
use crate::program::tls::handshake::HandshakeTurns;
use crate::program::tls::listener_tls::ListenerTls;

/// The resources that all listeners share.
pub(super) struct ListenerContext<'a> {
    pub(super) bridge: &'a Bridge,
    /// Whether the sockets outlive this process.
    pub(super) is_inherited: bool,
    pub(super) tcp_options: StreamOptions,
    pub(super) unix_options: StreamOptions,
    pub(super) relays: &'a Relays,
    pub(super) processes: Option<Processes>,
    pub(super) stop: &'a Arc<Stop>,
    pub(super) readiness: &'a Arc<Readiness>,
    pub(super) tls: Option<&'a Arc<ListenerTls>>,
    /// The turns of the handshakes, also those of the web server.
    pub(super) handshakes: &'a HandshakeTurns,
}

impl ListenerContext<'_> {
    /// A worker and, if configured, a relay for one receiver.
    fn intake(&self) -> Intake {
        Intake::new(self.bridge.worker(), self.relays.relay()).with_processes(self.processes.clone())
    }
}

/// The listeners that run.
pub(super) struct Listeners {
    threads: Vec<thread::JoinHandle<()>>,
    tasks: JoinSet<()>,
}

/// Starts all listeners on sockets that are bound.
pub(super) fn start_listeners(
    udp: Vec<BoundUdp>,
    tcp: Vec<BoundTcp>,
    unixgram: Vec<BoundUnixgram>,
    unix: Vec<BoundUnix>,
    context: &ListenerContext<'_>,
) -> Result<Listeners, StartError> {
    let telemetry = context.bridge.telemetry();
    let mut listeners = Listeners { threads: Vec::new(), tasks: JoinSet::new() };
    for bound in udp {
        listeners.threads.extend(bound.start(telemetry, context.stop, context.readiness, || Ok(context.intake()))?);
    }
    if !tcp.is_empty() {
        for BoundTcp { address, .. } in &tcp {
            let tls = if context.tls.is_some() { " with tls" } else { "" };
            tracing::info!(%address, "listening on tcp{tls}");
        }
        let sockets = tcp.into_iter().map(|bound| StreamListener::tcp(bound.listener, context.is_inherited)).collect::<io::Result<_>>()?;
        let counters = telemetry.transport.tcp.clone();
        let tls = context.tls.map(|tls| StreamTls::new(Arc::clone(tls), context.handshakes.clone(), counters.tls_errors.clone()));
        listeners.tasks.spawn(stream::serve(sockets, context.tcp_options.clone(), tls, context.intake(), counters, context.stop.clone()));
    }
    if !unix.is_empty() {
        let sockets = unix.into_iter().map(|bound| StreamListener::unix(bound, telemetry, context.readiness)).collect::<io::Result<_>>()?;
        let counters = telemetry.transport.unix.clone();
        listeners.tasks.spawn(stream::serve(sockets, context.unix_options.clone(), None, context.intake(), counters, context.stop.clone()));
    }
    for bound in unixgram {
        listeners.threads.push(bound.start(telemetry, context.stop, context.readiness, context.intake())?);
    }
    Ok(listeners)
}

impl Listeners {
    /// Waits until all listeners have drained their sockets, at most until `deadline`.
    pub(super) async fn ended(self, deadline: Instant) {
        if tokio::time::timeout_at(deadline.into(), self.all_ended()).await.is_err() {
            tracing::error!("listeners have not stopped in time");
        }
    }

    async fn all_ended(mut self) {
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(|| threads.into_iter().map(thread::JoinHandle::join).filter(Result::is_err).count());
        let mut failed = joined.await.unwrap_or(1);
        while let Some(ended) = self.tasks.join_next().await {
            failed += usize::from(ended.is_err());
        }
        if failed > 0 {
            tracing::error!(failed, "listeners panicked");
        }
    }
}
