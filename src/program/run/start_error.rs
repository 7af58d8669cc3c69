//! Why the program cannot start, and the exit code of each reason. Must not print.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::program::flag_names::FlagNames;
use crate::program::net::{AddressError, BindError, error_text};
use crate::program::rulebook::Mistakes;
use crate::program::web::WebConfigError;

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A socket cannot be had.
    #[error("{error}")]
    Bind {
        /// The flag that names its address.
        flag: &'static str,
        /// Why.
        error: BindError,
    },
    /// The address that lines are passed on to is wrong.
    #[error(transparent)]
    Relay(#[from] AddressError),
    /// All listeners are turned off.
    #[error("At least one of UDP/TCP/Unixgram listeners must be specified.")]
    NoListener,
    /// Lines would come back for ever.
    #[error("{0} is the bridge itself")]
    RelayLoop(SocketAddr),
    /// There is a mistake in the mapping files.
    #[error("{0}")]
    Mapping(#[from] Mistakes),
    /// The state file cannot be written.
    #[error("cannot write {}: {}", path.display(), error_text(error))]
    State {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is a mistake in the web configuration file.
    #[error("{0}")]
    WebConfig(#[from] WebConfigError),
    /// The program was not started by a socket of systemd.
    #[error("systemd has given no stream socket; start the bridge by its .socket unit, or take the flag out")]
    NoSystemdSocket,
    /// A thread, socket or the like beyond the listeners.
    #[error("cannot start: {}", error_text(.0))]
    System(#[from] io::Error),
}

impl StartError {
    /// Of a socket whose address this flag names.
    pub(super) fn bind(flag: &'static str) -> impl Fn(BindError) -> Self {
        move |error| Self::Bind { flag, error }
    }

    /// A line for the user, with the flag or variable to look at.
    pub(crate) fn line(&self, names: &FlagNames) -> String {
        match self {
            Self::Bind { flag, error: BindError::Listen { .. } } => format!("{self}; {} chooses another address", names.of(flag)),
            Self::Bind { flag, .. } => format!("{}: {self}", names.of(flag)),
            Self::Relay(_) | Self::RelayLoop(_) => format!("{}: {self}", names.of("statsd.relay.address")),
            Self::State { .. } => format!("{}: {self}", names.of("state.file")),
            Self::NoSystemdSocket => format!("{}: {self}", names.of("web.systemd-socket")),
            Self::Mapping(_) => {
                let set = names.set_by_variables(&["statsd.mapping-config", "preset"]);
                format!("the mapping files cannot be used{set}:\n{self}")
            }
            Self::WebConfig(_) => format!("the web configuration cannot be used{}:\n{self}", names.set_by_variables(&["web.config.file"])),
            Self::NoListener | Self::System(_) => self.to_string(),
        }
    }

    /// 2 where what the user typed is wrong, 1 where the machine says no.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Relay(_) | Self::RelayLoop(_) | Self::Bind { error: BindError::Address(_), .. } => 2,
            Self::Bind { .. }
            | Self::NoListener
            | Self::Mapping(_)
            | Self::State { .. }
            | Self::System(_)
            | Self::WebConfig(_)
            | Self::NoSystemdSocket => 1,
        }
    }
}
