//! Binds Unix stream sockets, and binds a path again that was removed. Must not know connections.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use socket2::SockRef;

use crate::program::net::{BindError, OwnedPath, PathAccess, PathError, bind_path, error_text, probe_stream, shown_path};
use crate::program::readiness::Readiness;
use crate::program::rebinding::Rebinding;
use crate::telemetry::Telemetry;

/// The length of the kernel's queue of connections, and so the limit of those that are accepted from it at shutdown.
pub(super) const BACKLOG: usize = 4096;

/// Options of one Unix stream socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixOptions {
    /// Path of the socket; a leading `@` means an abstract name, which is not in the file system.
    pub path: String,
    /// Who can connect through the path.
    pub access: PathAccess,
}

/// A bound socket. Dropping it removes its path.
pub(crate) struct BoundUnix {
    listener: UnixListener,
    path: Option<OwnedPath>,
    options: UnixOptions,
    is_inherited: bool,
}

impl BoundUnix {
    /// Binds the socket. A socket without a listener at the path is replaced.
    ///
    /// # Errors
    ///
    /// The socket cannot be bound; the path exists and is not a socket; another program listens on it.
    pub(crate) fn bind(options: &UnixOptions) -> Result<Self, BindError> {
        let bound = try_bind(options).map_err(|error| BindError::of_path("unix", &options.path, error))?;
        Ok(Self { listener: bound.0, path: bound.1, options: options.clone(), is_inherited: false })
    }

    /// Takes a socket that systemd bound. Its path is never removed or bound again.
    ///
    /// # Errors
    ///
    /// The options of the socket cannot be set.
    pub(crate) fn inherit(listener: UnixListener) -> io::Result<Self> {
        let path = shown_path(&listener.local_addr()?);
        listener.set_nonblocking(true)?;
        let access = PathAccess { mode: 0, owner: None, group: None };
        Ok(Self { listener, path: None, options: UnixOptions { path, access }, is_inherited: true })
    }

    /// Whether it outlives this process, because systemd holds it too.
    pub(super) fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// The path or abstract name as typed.
    pub(crate) fn path(&self) -> &str {
        &self.options.path
    }

    /// The listener and its path, which [`WatchedPath::check`] watches from now on.
    pub(super) fn into_parts(self, telemetry: &Arc<Telemetry>, readiness: &Arc<Readiness>) -> (UnixListener, Option<WatchedPath>) {
        tracing::info!(path = self.options.path, "listening on unix");
        let rebinding = Rebinding::new(self.options.path.clone(), telemetry.clone(), readiness.part());
        (self.listener, self.path.map(|path| WatchedPath { path, rebinding, options: self.options }))
    }
}

fn try_bind(options: &UnixOptions) -> Result<(UnixListener, Option<OwnedPath>), PathError> {
    let (listener, path) = bind_path(&options.path, &options.access, UnixListener::bind_addr, probe_stream)?;
    let prepared = SockRef::from(&listener).listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX));
    prepared.and_then(|()| listener.set_nonblocking(true)).map_err(|error| error_text(&error))?;
    Ok((listener, path))
}

/// The path of a listening socket.
pub(super) struct WatchedPath {
    path: OwnedPath,
    rebinding: Rebinding,
    options: UnixOptions,
}

impl WatchedPath {
    /// Binds the path again if it no longer leads to the socket.
    pub(super) fn check(&mut self) -> Option<UnixListener> {
        let (listener, path) = self.rebinding.check(&self.path, || try_bind(&self.options).map_err(String::from))?;
        if let Some(path) = path {
            self.path = path;
        }
        Some(listener)
    }
}
