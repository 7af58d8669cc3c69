//! The assembly: puts sockets, bridge and web server together and runs them until everything received is recorded.
//!
//! ```text
//! Sockets::bind   all sockets, or an error that names the one that cannot be had
//! run             series are restored -> listeners start -> ready -> shutdown -> not ready -> listeners drain and end
//!                 -> series are kept -> linger -> web ends
//! ```
//! Must not know signals (`start` does) or flags, so that a test runs all of it with port 0.

mod http_sockets;
mod snapshots;
pub(super) mod start;
mod start_error;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use self::http_sockets::HttpSockets;
use self::snapshots::Snapshots;
pub(super) use self::start_error::StartError;
use crate::bridge::Bridge;
use crate::program::clock;
use crate::program::descriptors::{ConnectionLimits, within_limit};
use crate::program::listener::relay::{Relay, RelayOptions};
use crate::program::listener::tcp::TcpOptions;
use crate::program::listener::udp::BoundUdp;
use crate::program::listener::unix::BoundUnixgram;
use crate::program::listener::{Intake, Stop, tcp};
use crate::program::logging;
use crate::program::net::{bind_tcp, reachable};
use crate::program::readiness::Readiness;
use crate::program::reload::Reloader;
use crate::program::reload_requests::ReloadRequests;
use crate::program::settings::Settings;
use crate::program::web::{WebOptions, WebState};

/// How often series expire and the own histograms are folded, scraped or not.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// Listeners end by the deadline of draining by themselves. One that does not is given up after this.
const ENDED_AFTER: Duration = Duration::from_secs(1);

/// What may be asked of a running program from outside.
pub(super) struct Signals<F> {
    /// Ends when the program is to end.
    pub end: F,
    /// Requests to read the mapping files again.
    pub reload: Arc<ReloadRequests>,
}

/// All sockets, bound. Nothing is received before [`run`].
pub(super) struct Sockets {
    udp: Vec<BoundUdp>,
    tcp: Vec<StdListener>,
    unixgram: Option<BoundUnixgram>,
    /// HTTP, and who may read.
    pub web: HttpSockets,
    /// Target and datagram size; each receiver opens a socket of its own towards it.
    relay: Option<(SocketAddr, usize)>,
}

impl Sockets {
    /// Binds whatever the settings name.
    pub(super) fn bind(settings: &Settings) -> Result<Self, StartError> {
        if settings.udp.is_empty() && settings.tcp.is_empty() && settings.unixgram.is_none() {
            return Err(StartError::NoListener);
        }
        let udp = settings.udp.iter().map(|address| BoundUdp::bind(address, &settings.udp_options));
        let udp = udp.collect::<Result<Vec<_>, _>>().map_err(StartError::bind("statsd.listen-udp"))?;
        let tcp = settings.tcp.iter().map(|address| bind_tcp(address, "tcp"));
        let tcp = tcp.collect::<Result<_, _>>().map_err(StartError::bind("statsd.listen-tcp"))?;
        let unixgram = settings.unixgram.as_ref().map(BoundUnixgram::bind).transpose();
        let unixgram = unixgram.map_err(StartError::bind("statsd.listen-unixgram"))?;
        let web = HttpSockets::bind(settings)?;
        let relay = settings.relay.as_ref().map(|options| relay_target(options, &udp)).transpose()?;
        Ok(Self { udp, tcp, unixgram, web, relay })
    }

    /// The first UDP address, as a program on this machine reaches it.
    pub(super) fn udp_address(&self) -> Option<SocketAddr> {
        self.udp.first().map(|bound| reachable(bound.address()))
    }

    /// The first TCP address, as a program on this machine reaches it.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.first().and_then(|listener| listener.local_addr().ok()).map(reachable)
    }

    /// Where the page is, as a program on this machine reaches it.
    pub(super) fn page_url(&self, path: &str) -> String {
        match (self.web.address(), self.web.path()) {
            (Some(address), _) => format!("{}://{}{path}", self.web.scheme(), reachable(address)),
            (None, socket) => format!("{path} at {}", socket.unwrap_or("the sockets of systemd")),
        }
    }

    /// A shell line that sends one sample.
    pub(super) fn line_to_paste(&self) -> Option<String> {
        let to = |protocol, at: SocketAddr| format!("echo 'hello:1|c' > /dev/{protocol}/{}/{}", at.ip(), at.port());
        let unixgram = || {
            let bound = self.unixgram.as_ref()?;
            let (kind, path) = match bound.path().strip_prefix('@') {
                Some(name) => ("ABSTRACT-SENDTO", name),
                None => ("UNIX-SENDTO", bound.path()),
            };
            Some(format!("echo 'hello:1|c' | socat - {kind}:{path}"))
        };
        self.udp_address().map(|at| to("udp", at)).or_else(|| self.tcp_address().map(|at| to("tcp", at))).or_else(unixgram)
    }
}

/// Where lines are relayed to, unless that is one of the bridge's own sockets.
fn relay_target(options: &RelayOptions, udp: &[BoundUdp]) -> Result<(SocketAddr, usize), StartError> {
    let target = options.resolve()?;
    let mut own = udp.iter().map(BoundUdp::address).filter(|own| own.port() == target.port());
    let is_own = own.any(|own| own.ip() == target.ip() || (own.ip().is_unspecified() && target.ip().is_loopback()));
    if is_own { Err(StartError::RelayLoop(target)) } else { Ok((target, options.packet_bytes)) }
}

/// Runs until `shutdown` ends, or `/-/quit` asks for the end. Then takes what the kernel holds, keeps the series, stays scrapeable for
/// the linger time and returns: the exit code is another one than 0 if the series could not be kept.
pub(super) async fn run(
    sockets: Sockets,
    reloader: Reloader,
    settings: &Settings,
    signals: Signals<impl Future<Output = ()>>,
) -> Result<ExitCode, StartError> {
    let bridge = reloader.bridge().clone();
    let snapshots = Snapshots::start(&bridge, settings.state.as_ref()).await?;
    let reload = signals.reload;
    let (tcp_options, mut web_options) = within_descriptors(settings);
    web_options.sample_command = sockets.line_to_paste();
    let state = WebState::new(&web_options, clock::now).with_reload_requests(Arc::clone(&reload));
    let web = sockets.web.start(&web_options, &bridge, state)?;
    let state = Arc::clone(&web.state.lifecycle);

    let stop = Stop::new(settings.drain);
    let listeners = start_listeners(
        sockets.udp,
        sockets.tcp,
        sockets.unixgram,
        &ListenerContext { bridge: &bridge, tcp_options, relay: sockets.relay, stop: &stop, readiness: state.readiness() },
    );
    let listeners = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            stop.set();
            return Err(error);
        }
    };
    state.readiness().set_started(true);
    tracing::info!("ready");

    let upkeep = tokio::spawn(maintain(bridge.clone()));
    let following = tokio::spawn(reloader.follow(reload, settings.watch_interval));
    tokio::select! {
        () = signals.end => tracing::info!("asked to end: taking what the kernel holds"),
        () = state.quit_requested() => tracing::info!("asked to end over http: taking what the kernel holds"),
    }
    state.readiness().set_started(false);
    stop.set();
    listeners.ended(stop.deadline() + ENDED_AFTER).await;
    log_sums(&bridge);
    let is_kept = match snapshots {
        Some(snapshots) => snapshots.end().await,
        None => true,
    };
    tokio::time::sleep(settings.linger).await;
    web.end().await;
    [upkeep, following].iter().for_each(JoinHandle::abort);
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The options of those that take connections, with no more of them than there are descriptors for.
fn within_descriptors(settings: &Settings) -> (TcpOptions, WebOptions) {
    let (mut tcp, mut web) = (settings.tcp_options.clone(), settings.web_options.clone());
    let has_tcp = !settings.tcp.is_empty();
    let asked =
        ConnectionLimits { tcp: if has_tcp { tcp.max_connections } else { 0 }, http: web.max_connections, waiting: web.lobby_connections };
    // With it, a connection is asked whether its client got its exposition whole.
    let each_http = if settings.bridge.counters_start_at_zero.is_some() { 2 } else { 1 };
    let given = within_limit(asked, each_http);
    tcp.max_connections = given.tcp;
    web.max_connections = given.http;
    web.lobby_connections = given.waiting;
    (tcp, web)
}

/// What every listener gets a piece of.
struct ListenerContext<'a> {
    bridge: &'a Bridge,
    tcp_options: TcpOptions,
    relay: Option<(SocketAddr, usize)>,
    stop: &'a Arc<Stop>,
    readiness: &'a Arc<Readiness>,
}

impl ListenerContext<'_> {
    /// A worker and a relay for one receiver.
    fn intake(&self) -> io::Result<Intake> {
        let open = |(target, bytes)| Relay::open(target, bytes, self.bridge.telemetry());
        Ok(Intake::new(self.bridge.worker(), self.relay.map(open).transpose()?))
    }
}

struct Listeners {
    threads: Vec<thread::JoinHandle<()>>,
    tasks: JoinSet<()>,
}

fn start_listeners(
    udp: Vec<BoundUdp>,
    tcp: Vec<StdListener>,
    unixgram: Option<BoundUnixgram>,
    context: &ListenerContext<'_>,
) -> Result<Listeners, StartError> {
    let telemetry = context.bridge.telemetry();
    let mut listeners = Listeners { threads: Vec::new(), tasks: JoinSet::new() };
    for bound in udp {
        listeners.threads.extend(bound.start(telemetry, context.stop, context.readiness, || context.intake())?);
    }
    if !tcp.is_empty() {
        let sockets = tcp.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
        for address in sockets.iter().flat_map(TcpListener::local_addr) {
            tracing::info!(%address, "listening on tcp");
        }
        let options = context.tcp_options.clone();
        listeners.tasks.spawn(tcp::serve(sockets, options, context.intake()?, telemetry.clone(), context.stop.clone()));
    }
    if let Some(bound) = unixgram {
        let readiness = context.readiness.clone();
        listeners.tasks.spawn(bound.serve(context.intake()?, telemetry.clone(), context.stop.clone(), readiness));
    }
    Ok(listeners)
}

impl Listeners {
    /// Waits until all have drained their sockets, but no longer than until `deadline`.
    async fn ended(self, deadline: Instant) {
        if tokio::time::timeout_at(deadline.into(), self.all_ended()).await.is_err() {
            tracing::error!("listeners have not ended in time");
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
            tracing::error!(failed, "listeners ended by a panic");
        }
    }
}

/// What is to be done whether anybody scrapes or not.
async fn maintain(bridge: Bridge) {
    let mut interval = tokio::time::interval(MAINTENANCE);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let bridge = bridge.clone();
        let step = move || {
            clock::refresh(&bridge);
            bridge.expire(clock::now());
            bridge.telemetry().runtime.log_dropped.absolute(logging::dropped());
            bridge.telemetry().run_upkeep();
        };
        if tokio::task::spawn_blocking(step).await.is_err() {
            tracing::error!("maintenance ended by a panic");
        }
    }
}

fn log_sums(bridge: &Bridge) {
    let sums = bridge.accounting();
    tracing::info!(
        lines = sums.lines,
        lines_refused = sums.lines_refused,
        samples = sums.samples,
        samples_recorded = sums.recorded,
        samples_refused = sums.samples_refused,
        "all listeners have ended"
    );
}

#[cfg(test)]
mod tests;
