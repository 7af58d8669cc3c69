//! The web server's sockets and access control, from the settings to the tasks that serve them.
//!
//! Binds addresses and paths, or uses the sockets that systemd passes. Must not know requests and responses.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnix;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::start_error::StartError;
use super::systemd_sockets::PassedStream;
use crate::bridge::Bridge;
use crate::program::load_record::LoadRecord;
use crate::program::net::{BindError, BoundTcp, OwnedPath, WebAddress, bind_tcp, error_text, probe_stream, remove_stale};
use crate::program::rebinding::{CHECK_INTERVAL, Rebinding};
use crate::program::settings::Settings;
use crate::program::web::{self, Gate, WebListener};

/// All bound sockets of the web server, and its access control.
pub(crate) struct HttpSockets {
    bound: Vec<BoundHttp>,
    gate: Arc<Gate>,
}

struct BoundHttp {
    socket: StreamSocket,
    /// The address as messages show it.
    shown: String,
    is_admin: bool,
    /// Removed when the server has stopped.
    path: Option<OwnedPath>,
}

enum StreamSocket {
    Tcp(BoundTcp),
    Unix(StdUnix),
}

impl HttpSockets {
    /// Reads the web configuration file, and binds the sockets of the settings or uses `passed`, the sockets of systemd.
    pub(super) fn bind(settings: &Settings, passed: Vec<PassedStream>) -> Result<Self, StartError> {
        let gate = match &settings.web_config {
            Some(path) => {
                let (gate, warnings) = Gate::read(path.clone())?;
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                gate
            }
            None => Gate::open(),
        };
        let mut bound: Vec<BoundHttp> = if settings.web_systemd {
            passed.into_iter().map(BoundHttp::passed).collect::<Result<_, _>>()?
        } else {
            settings.web.iter().map(|address| BoundHttp::bind(address, false)).collect::<Result<_, _>>()?
        };
        for address in &settings.web_admin {
            bound.push(BoundHttp::bind(address, true)?);
        }
        Ok(Self { bound, gate: Arc::new(gate) })
    }

    /// The first TCP address that serves the exposition.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.bound.iter().filter(|bound| !bound.is_admin).find_map(BoundHttp::address)
    }

    /// What is known of the web configuration file; `None` without one.
    pub(super) fn record(&self) -> Option<Arc<LoadRecord>> {
        self.gate.record()
    }

    /// `https` if the web configuration has TLS, else `http`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.gate.has_tls() { "https" } else { "http" }
    }

    /// The first Unix socket that serves the exposition.
    pub(crate) fn path(&self) -> Option<&str> {
        self.bound.iter().find(|bound| !bound.is_admin && matches!(bound.socket, StreamSocket::Unix(_))).map(|bound| bound.shown.as_str())
    }

    /// Starts to serve on all sockets, and to watch the web configuration file.
    pub(super) fn start(self, options: &web::WebOptions, bridge: &Bridge, state: web::WebState) -> Result<Serving, StartError> {
        let state = Arc::new(state.with_gate(Arc::clone(&self.gate)));
        let stop = watch::Sender::new(false);
        let mut servers = JoinSet::new();
        let (scheme, has_admin) = (self.scheme(), self.bound.iter().any(|bound| bound.is_admin));
        for bound in self.bound {
            // On loopback addresses, only loopback names are valid. Elsewhere the bridge cannot know its names; a flag lists them.
            let is_loopback = bound.address().is_some_and(|address| address.ip().is_loopback());
            let check_hosts = is_loopback || !options.allowed_hosts.is_empty();
            let admin_on_other_listener = has_admin && !bound.is_admin;
            let options = web::WebOptions { admin_on_other_listener, check_hosts, ..options.clone() };
            tracing::info!(address = bound.shown, path = options.telemetry_path, admin = bound.is_admin, "listening on {scheme}");
            let listener = match bound.socket {
                StreamSocket::Tcp(socket) => WebListener::Tcp(TcpListener::from_std(socket.listener)?),
                StreamSocket::Unix(socket) => WebListener::Unix(UnixListener::from_std(socket)?),
            };
            let (bridge, state) = (bridge.clone(), Arc::clone(&state));
            let part = state.lifecycle.readiness().part();
            let rebinding = Rebinding::new(bound.shown, Arc::clone(bridge.telemetry()), part);
            let serve = move |listener, stop| web::serve(listener, options.clone(), bridge.clone(), Arc::clone(&state), stopped(stop));
            match bound.path {
                None => servers.spawn(serve(listener, stop.subscribe())),
                Some(path) => servers.spawn(serve_path(listener, path, rebinding, stop.subscribe(), serve)),
            };
        }
        let following = tokio::spawn(self.gate.follow(Arc::clone(bridge.telemetry())));
        Ok(Serving { state, servers, stop, following })
    }
}

impl BoundHttp {
    fn bind(address: &WebAddress, is_admin: bool) -> Result<Self, StartError> {
        let failed_by = StartError::bind(if is_admin { "web.admin-listen-address" } else { "web.listen-address" });
        match address {
            WebAddress::Tcp(address) => {
                let socket = bind_tcp(address, "http").map_err(failed_by)?;
                Ok(Self { shown: socket.address.to_string(), socket: StreamSocket::Tcp(socket), is_admin, path: None })
            }
            WebAddress::Unix(path) => {
                let failed = |why| failed_by(BindError::Listen { transport: "http", address: address.to_string(), why });
                let (socket, owned) = bind_path(path).map_err(failed)?;
                Ok(Self { socket: StreamSocket::Unix(socket), shown: address.to_string(), is_admin, path: Some(owned) })
            }
        }
    }

    /// A socket that systemd passed to this process.
    fn passed(socket: PassedStream) -> Result<Self, StartError> {
        let (socket, shown) = match socket {
            PassedStream::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let socket = BoundTcp { address: listener.local_addr()?, listener };
                let shown = socket.address.to_string();
                (StreamSocket::Tcp(socket), shown)
            }
            PassedStream::Unix(socket) => {
                socket.set_nonblocking(true)?;
                (StreamSocket::Unix(socket), "a Unix socket of systemd".to_owned())
            }
        };
        Ok(Self { socket, shown, is_admin: false, path: None })
    }

    fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            StreamSocket::Tcp(socket) => Some(socket.address),
            StreamSocket::Unix(_) => None,
        }
    }
}

/// Binds a socket to this path. A socket without a listener at the path is replaced.
fn bind_path(path: &Path) -> Result<(StdUnix, OwnedPath), String> {
    let words = |error: std::io::Error| error_text(&error);
    remove_stale(path, probe_stream)?;
    let socket = StdUnix::bind(path).map_err(words)?;
    let owned = OwnedPath::new(path).map_err(words)?;
    socket.set_nonblocking(true).map_err(words)?;
    Ok((socket, owned))
}

/// Resolves when `stop` is set, or its sender is dropped.
async fn stopped(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// Serves the socket of a path until `stop` is set. A path that was removed is bound again. Connections of the old socket are closed
/// after the response in progress.
async fn serve_path<F, S>(first: WebListener, path: OwnedPath, mut rebinding: Rebinding, stop: watch::Receiver<bool>, serve: F)
where
    F: Fn(WebListener, watch::Receiver<bool>) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let (mut path, mut current, mut served) = (path, watch::Sender::new(false), JoinSet::new());
    served.spawn(serve(first, current.subscribe()));
    let mut end = pin!(stopped(stop));
    loop {
        tokio::select! {
            () = &mut end => break,
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
            Some(_) = served.join_next(), if served.len() > 1 => continue,
        }
        let bind = || {
            let (socket, owned) = bind_path(path.path())?;
            UnixListener::from_std(socket).map(|socket| (WebListener::Unix(socket), owned)).map_err(|error| error_text(&error))
        };
        if let Some((listener, owned)) = rebinding.check(&path, bind) {
            current.send_replace(true);
            (path, current) = (owned, watch::Sender::new(false));
            served.spawn(serve(listener, current.subscribe()));
        }
    }
    current.send_replace(true);
    while served.join_next().await.is_some() {}
}

/// The running web server.
pub(super) struct Serving {
    pub(super) state: Arc<web::WebState>,
    servers: JoinSet<()>,
    stop: watch::Sender<bool>,
    following: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Stops the server after the responses in progress.
    pub(super) async fn end(mut self) {
        self.following.abort();
        self.stop.send_replace(true);
        while self.servers.join_next().await.is_some() {}
    }
}
