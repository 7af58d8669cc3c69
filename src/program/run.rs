//! Connects sockets, bridge and web server, and runs them until all received lines are recorded.
//!
//! ```text
//! Sockets::bind   binds all sockets; an error names the address that failed
//! run             restore series -> start listeners -> ready -> shutdown -> not ready -> drain and stop listeners
//!                 -> save series -> linger -> stop the web server
//! ```
//! Must not know signals (`start` does), so that tests run all of it on port 0.

mod http_sockets;
mod line_tls;
mod listeners;
mod snapshots;
pub(super) mod start;
mod start_error;
mod systemd_sockets;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::http_sockets::HttpSockets;
use self::listeners::{ListenerContext, start_listeners};
use self::snapshots::Snapshots;
pub(super) use self::start_error::StartError;
use self::systemd_sockets::{PassedStream, SystemdSockets};
use crate::bridge::Bridge;
use crate::options::OriginValue;
use crate::program::clock;
use crate::program::configuration::{Configuration, Files};
use crate::program::descriptors::{ConnectionLimits, within_limit};
use crate::program::event_file;
use crate::program::history::History;
use crate::program::listener::relay::{Endpoint, RelayOptions, RelayTarget, Relays};
use crate::program::listener::stream::{BoundUnix, StreamOptions};
use crate::program::listener::udp::BoundUdp;
use crate::program::listener::unix::{BoundUnixgram, UnixgramOptions};
use crate::program::listener::{Processes, Stop};
use crate::program::logging;
use crate::program::net::{BoundTcp, bind_tcp, reachable};
use crate::program::push::Pushers;
use crate::program::reload::Reloader;
use crate::program::reload_requests::ReloadRequests;
use crate::program::settings::Settings;
use crate::program::tls::listener_tls::ListenerTls;
use crate::program::web::{WebOptions, WebState};

/// Interval of maintenance: series expire, and histograms of self-metrics are folded. It does not depend on scrapes.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// Grace time for listeners after the deadline of draining. A listener that runs longer is abandoned.
const LISTENER_GRACE: Duration = Duration::from_secs(1);

/// Requests to a running program.
pub(super) struct Signals<F> {
    /// Resolves when the program must shut down.
    pub end: F,
    /// Requests to reload the mapping files.
    pub reload: Arc<ReloadRequests>,
}

/// All bound sockets. Nothing is received before [`run`].
pub(super) struct Sockets {
    udp: Vec<BoundUdp>,
    tcp: Vec<BoundTcp>,
    unixgram: Vec<BoundUnixgram>,
    unix: Vec<BoundUnix>,
    /// TLS of the TCP sockets; `None` for plain text.
    tls: Option<Arc<ListenerTls>>,
    /// Whether the sockets for lines are those of systemd, which outlive this process.
    is_inherited: bool,
    /// The sockets of the web server, with its access control.
    pub web: HttpSockets,
}

impl Sockets {
    /// Binds all sockets of the settings.
    pub(super) fn bind(settings: &Settings) -> Result<Self, StartError> {
        let mut passed = SystemdSockets::take(settings.web_systemd, settings.statsd_systemd)?;
        let web = std::mem::take(&mut passed.web);
        if settings.statsd_systemd {
            return Self::inherit(settings, passed, web);
        }
        if settings.udp.is_empty() && settings.tcp.is_empty() && settings.unixgram.is_none() && settings.unix.is_empty() {
            return Err(StartError::NoListener);
        }
        let udp = settings.udp.iter().map(|address| BoundUdp::bind(address, &settings.udp_options));
        let udp = udp.collect::<Result<Vec<_>, _>>().map_err(StartError::bind("statsd.listen-udp"))?;
        let tcp = settings.tcp.iter().map(|address| bind_tcp(address, "tcp"));
        let tcp = tcp.collect::<Result<Vec<_>, _>>().map_err(StartError::bind("statsd.listen-tcp"))?;
        let tls = line_tls::read(settings, !tcp.is_empty())?;
        let unixgram = settings.unixgram.as_ref().map(BoundUnixgram::bind).transpose();
        let unixgram = unixgram.map_err(StartError::bind("statsd.listen-unixgram"))?;
        let unix = settings.unix.iter().map(BoundUnix::bind).collect::<Result<_, _>>().map_err(StartError::bind("statsd.listen-unix"))?;
        let web = HttpSockets::bind(settings, web)?;
        let sockets = Self { udp, tcp, unixgram: unixgram.into_iter().collect(), unix, tls, is_inherited: false, web };
        check_relay(&settings.relay, &sockets).map(|()| sockets)
    }

    /// Uses the sockets for lines that systemd passed.
    fn inherit(settings: &Settings, passed: SystemdSockets, web: Vec<PassedStream>) -> Result<Self, StartError> {
        let udp = BoundUdp::inherit(passed.udp, &settings.udp_options)?;
        let tcp = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true)?;
            Ok(BoundTcp { address: listener.local_addr()?, listener })
        };
        let tcp = passed.tcp.into_iter().map(tcp).collect::<io::Result<Vec<_>>>()?;
        let tls = line_tls::read(settings, !tcp.is_empty())?;
        let options = UnixgramOptions::of_systemd(&settings.udp_options);
        let unixgram = passed.unixgram.into_iter().map(|socket| BoundUnixgram::inherit(socket, options.clone()));
        let unixgram = unixgram.collect::<io::Result<_>>()?;
        let unix = passed.unix.into_iter().map(BoundUnix::inherit).collect::<io::Result<_>>()?;
        let web = HttpSockets::bind(settings, web)?;
        let sockets = Self { udp, tcp, unixgram, unix, tls, is_inherited: true, web };
        check_relay(&settings.relay, &sockets).map(|()| sockets)
    }

    /// The first UDP address, as reachable from this machine.
    pub(super) fn udp_address(&self) -> Option<SocketAddr> {
        self.udp.first().map(|bound| reachable(bound.address()))
    }

    /// The first TCP address, as reachable from this machine.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.first().map(|bound| reachable(bound.address))
    }

    /// Where to scrape from this machine; `None` if no socket serves the exposition.
    pub(super) fn scrape_url(&self, path: &str) -> Option<String> {
        match self.web.address() {
            Some(address) => Some(format!("{}://{}{path}", self.web.scheme(), reachable(address))),
            None => self.web.path().map(|socket| format!("{path} at {socket}")),
        }
    }

    /// A shell command that sends one sample.
    pub(super) fn example_command(&self) -> Option<String> {
        let to = |protocol, at: SocketAddr| format!("echo 'hello:1|c' > /dev/{protocol}/{}/{}", at.ip(), at.port());
        let to_path = |path: &str, how| match path.strip_prefix('@') {
            Some(name) => format!("echo 'hello:1|c' | socat - ABSTRACT-{how}:{name}"),
            None => format!("echo 'hello:1|c' | socat - UNIX-{how}:{path}"),
        };
        let unixgram = || self.unixgram.first().map(|bound| to_path(bound.path(), "SENDTO"));
        let unix = || self.unix.first().map(|bound| to_path(bound.path(), "CONNECT"));
        let tcp = || match &self.tls {
            None => self.tcp_address().map(|at| to("tcp", at)),
            Some(_) => self.tcp_address().map(|at| format!("echo 'hello:1|c' | openssl s_client -quiet -no_ign_eof -connect {at}")),
        };
        self.udp_address().map(|at| to("udp", at)).or_else(tcp).or_else(unixgram).or_else(unix)
    }
}

/// Resolves the targets of the relay. One of the bridge's own sockets is an error.
fn check_relay(options: &RelayOptions, sockets: &Sockets) -> Result<(), StartError> {
    for RelayTarget { endpoint, .. } in &options.targets {
        let address = endpoint.resolve()?;
        let is_own = |own: SocketAddr| {
            let is_here = |to: SocketAddr| own.ip() == to.ip() || (own.ip().is_unspecified() && to.ip().is_loopback());
            address.is_some_and(|to| own.port() == to.port() && is_here(to))
        };
        let is_loop = match endpoint {
            Endpoint::Udp(..) => sockets.udp.iter().any(|own| is_own(own.address())),
            Endpoint::Tcp(_) => sockets.tcp.iter().any(|own| is_own(own.address)),
            Endpoint::Unixgram(path) => sockets.unixgram.iter().any(|own| own.path() == path),
            Endpoint::Unixstream(path) => sockets.unix.iter().any(|own| own.path() == path),
        };
        if is_loop {
            return Err(StartError::RelayLoop(endpoint.to_string()));
        }
    }
    Ok(())
}

/// Runs until `signals.end` resolves or a request of `/-/quit`. Then reads what the kernel still holds, saves the series, answers
/// scrapes for the linger time, and returns. The exit code is not 0 if the series could not be saved.
pub(super) async fn run(
    sockets: Sockets,
    reloader: Reloader,
    settings: &Settings,
    signals: Signals<impl Future<Output = ()>>,
) -> Result<ExitCode, StartError> {
    let bridge = reloader.bridge().clone();
    let snapshots = Snapshots::start(&bridge, settings.state.as_ref()).await?;
    if let Some(path) = &settings.event_file {
        event_file::start(path, &bridge).map_err(|error| StartError::Events { path: path.clone(), error })?;
    }
    // Before any line is received, so that the first cycle has new counters at little more than 0.
    let (pushers, push_file) = Pushers::start_all(&settings.push, &bridge).await.map_err(StartError::PushConfig)?;
    let reload = signals.reload;
    let (tcp_options, unix_options, mut web_options) = within_descriptors(settings, !sockets.tcp.is_empty(), !sockets.unix.is_empty());
    let files = Files {
        rules: Some(reloader.record()),
        web: sockets.web.record(),
        push: push_file.record(),
        tls: sockets.tls.as_ref().map(|tls| tls.record()),
    };
    let mut configuration = Configuration::new(settings, files);
    note_lowered(&mut configuration, settings, (&tcp_options, &unix_options, &web_options));
    web_options.sample_command = sockets.example_command();
    let history = Arc::<History>::default();
    let state = WebState::new(&web_options, clock::now).with_reload_requests(Arc::clone(&reload)).with_pushers(pushers.clone());
    let state = state.with_history(Arc::clone(&history)).with_configuration(configuration);
    let web = sockets.web.start(&web_options, &bridge, state)?;
    let state = Arc::clone(&web.state.lifecycle);

    let stop = Stop::new(settings.drain);
    let relays = Relays::start(&settings.relay, settings.bridge.dialect, bridge.telemetry(), &stop)?;
    let processes = processes(&bridge, settings, sockets.unixgram.len() + sockets.unix.len())?;
    let listeners = start_listeners(
        sockets.udp,
        sockets.tcp,
        sockets.unixgram,
        sockets.unix,
        &ListenerContext {
            bridge: &bridge,
            is_inherited: sockets.is_inherited,
            tcp_options,
            unix_options,
            relays: &relays,
            processes,
            stop: &stop,
            readiness: state.readiness(),
            tls: sockets.tls.as_ref(),
            handshakes: web.state.handshakes(),
        },
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

    let upkeep = tokio::spawn(maintain(bridge.clone(), history));
    let following_tls = line_tls::follow(sockets.tls.as_ref(), &bridge);
    let pushing = [tokio::spawn(pushers.clone().observe()), tokio::spawn(pushers.clone().follow(push_file))];
    let following = tokio::spawn(reloader.follow(reload, settings.watch_interval));
    tokio::select! {
        () = signals.end => tracing::info!("shutdown requested: reading what the kernel still holds"),
        () = state.quit_requested() => tracing::info!("shutdown requested over http: reading what the kernel still holds"),
    }
    state.readiness().set_started(false);
    stop.set();
    listeners.ended(stop.deadline() + LISTENER_GRACE).await;
    relays.end(stop.deadline() + LISTENER_GRACE).await;
    event_file::flush();
    log_sums(&bridge);
    // A receiver that does not answer must not delay the state file.
    let save = async {
        match snapshots {
            Some(snapshots) => snapshots.end().await,
            None => true,
        }
    };
    let (is_saved, ()) = tokio::join!(save, pushers.end(Instant::now() + settings.drain));
    pushing.iter().for_each(JoinHandle::abort);
    tokio::time::sleep(settings.linger).await;
    web.end().await;
    [upkeep, following].iter().chain(&following_tls).for_each(JoinHandle::abort);
    Ok(if is_saved { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The processes that send over Unix sockets; `None` if there is no such socket or nothing depends on who sends.
fn processes(bridge: &Bridge, settings: &Settings, unix_sockets: usize) -> io::Result<Option<Processes>> {
    let has_label = settings.bridge.origin_label.as_ref().is_some_and(|label| label.value() == OriginValue::ContainerId);
    if unix_sockets == 0 || settings.bridge.sources.max == 0 && !has_label {
        return Ok(None);
    }
    let bridge = bridge.clone();
    Processes::start(Box::new(move |has_ended| bridge.end_processes(has_ended))).map(Some)
}

/// The options of the servers that accept connections, with limits lowered to the number of file descriptors.
fn within_descriptors(settings: &Settings, has_tcp: bool, has_unix: bool) -> (StreamOptions, StreamOptions, WebOptions) {
    let (mut tcp, mut unix, mut web) = (settings.tcp_options.clone(), settings.unix_options.clone(), settings.web_options.clone());
    let requested = ConnectionLimits {
        tcp: if has_tcp { tcp.max_connections } else { 0 },
        unix: if has_unix { unix.max_connections } else { 0 },
        http: web.max_connections,
        waiting: web.lobby_connections,
    };
    // With this option, a second descriptor of each connection shows whether the client received the whole exposition.
    let each_http = if settings.bridge.counters_start_at_zero.is_some() { 2 } else { 1 };
    let given = within_limit(requested, each_http);
    tcp.max_connections = given.tcp;
    unix.max_connections = given.unix;
    web.max_connections = given.http;
    web.lobby_connections = given.waiting;
    (tcp, unix, web)
}

/// Says which limits are lower than their flags.
fn note_lowered(configuration: &mut Configuration, settings: &Settings, in_force: (&StreamOptions, &StreamOptions, &WebOptions)) {
    let (tcp, unix, web) = in_force;
    for (flag, stated, used) in [
        ("tcp.max-connections", settings.tcp_options.max_connections, tcp.max_connections),
        ("unix.max-connections", settings.unix_options.max_connections, unix.max_connections),
        ("web.max-connections", settings.web_options.max_connections, web.max_connections),
        ("web.max-waiting-connections", settings.web_options.lobby_connections, web.lobby_connections),
    ] {
        // 0: there is no such listener.
        if used < stated && used > 0 {
            let limit = "the limit of open files allows no more; raise LimitNOFILE= of the service, or ulimit -n";
            configuration.note(flag, format!("{used} in force: {limit}"));
        }
    }
}

/// Expiry and other work at intervals, which does not depend on scrapes.
async fn maintain(bridge: Bridge, history: Arc<History>) {
    let mut interval = tokio::time::interval(MAINTENANCE);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let (bridge, history) = (bridge.clone(), Arc::clone(&history));
        let step = move || {
            clock::refresh(&bridge);
            bridge.expire(clock::now());
            bridge.telemetry().runtime.log_dropped.absolute(logging::dropped());
            bridge.telemetry().runtime.events_unwritten.absolute(event_file::dropped());
            bridge.telemetry().run_upkeep();
            history.observe(&bridge, clock::now());
        };
        if tokio::task::spawn_blocking(step).await.is_err() {
            tracing::error!("maintenance panicked");
        }
    }
}

fn log_sums(bridge: &Bridge) {
    let sums = bridge.accounting();
    tracing::info!(
        lines = sums.lines,
        lines_refused = sums.lines_rejected,
        samples = sums.samples,
        samples_recorded = sums.recorded,
        samples_refused = sums.samples_rejected,
        "all listeners have ended"
    );
}

#[cfg(test)]
mod tests;
