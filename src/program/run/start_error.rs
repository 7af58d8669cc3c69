//! Why the program cannot start, and the exit code of each reason. Must not print.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::program::net::{AddressError, BindError, error_text};
use crate::program::rulebook::Mistakes;
use crate::program::web::WebConfigError;

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A socket cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An address is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// All listeners are turned off.
    #[error("At least one of UDP/TCP/Unixgram listeners must be specified.")]
    NoListener,
    /// Lines would come back for ever.
    #[error("--statsd.relay.address: {0} is the bridge itself")]
    RelayLoop(SocketAddr),
    /// There is a mistake in the mapping files.
    #[error("the mapping files cannot be used:\n{0}")]
    Mapping(#[from] Mistakes),
    /// The state file cannot be written.
    #[error("--state.file: cannot write {}: {}", path.display(), error_text(error))]
    State {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is a mistake in the web configuration file.
    #[error("the web configuration cannot be used:\n{0}")]
    WebConfig(#[from] WebConfigError),
    /// The program was not started by a socket of systemd.
    #[error("--web.systemd-socket: systemd has given no stream socket; start the bridge by its .socket unit, or take the flag out")]
    NoSystemdSocket,
    /// A thread, socket or the like beyond the listeners.
    #[error("cannot start: {}", error_text(.0))]
    System(#[from] io::Error),
}

impl StartError {
    /// 2 where what the user typed is wrong, 1 where the machine says no.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Address(_) | Self::RelayLoop(_) | Self::Bind(BindError::Address(_)) => 2,
            Self::Bind(_)
            | Self::NoListener
            | Self::Mapping(_)
            | Self::State { .. }
            | Self::System(_)
            | Self::WebConfig(_)
            | Self::NoSystemdSocket => 1,
        }
    }
}
