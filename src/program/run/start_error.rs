//! Errors at the start of the program, and their exit codes. Must not print.

use std::io;
use std::path::PathBuf;

use crate::program::flag_names::FlagNames;
use crate::program::net::{AddressError, BindError, error_text};
use crate::program::rulebook::Mistakes;
use crate::program::tls::config_file::ConfigFileError;

/// The reason why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// A socket cannot be bound.
    #[error("{error}")]
    Bind {
        /// The flag of its address.
        flag: &'static str,
        /// The cause.
        error: BindError,
    },
    /// The address of the relay is invalid.
    #[error(transparent)]
    Relay(#[from] AddressError),
    /// All listeners are turned off.
    #[error("At least one of UDP/TCP/Unixgram/Unix listeners must be specified.")]
    NoListener,
    /// The relay would send lines back to the bridge.
    #[error("{0} is an address of the bridge itself")]
    RelayLoop(String),
    /// The mapping files have errors.
    #[error("{0}")]
    Mapping(#[from] Mistakes),
    /// The state file cannot be written.
    #[error("cannot write {}: {}", path.display(), error_text(error))]
    State {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file of events cannot be opened.
    #[error("cannot write {}: {}", path.display(), error_text(error))]
    Events {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The push configuration file has errors.
    #[error("{0}")]
    PushConfig(ConfigFileError),
    /// The web configuration file has errors.
    #[error("{0}")]
    WebConfig(#[from] ConfigFileError),
    /// The TLS configuration file of the listeners has errors.
    #[error("{0}")]
    Tls(ConfigFileError),
    /// systemd passed no socket for this flag.
    #[error("systemd passed no {kind}; start the bridge by its .socket unit, or remove the flag")]
    NoSystemdSocket {
        /// The flag that needs the socket.
        flag: &'static str,
        /// The kind of the socket.
        kind: &'static str,
    },
    /// systemd passed a socket of another kind than its use needs.
    #[error("the socket {name:?} of systemd is not {needed}")]
    SystemdSocketKind {
        /// The name of the socket.
        name: String,
        /// The kind that is needed.
        needed: &'static str,
    },
    /// The name of a socket of systemd does not say what the socket is for.
    #[error("systemd passed a socket named {0:?}; set FileDescriptorName=web or FileDescriptorName=statsd in its .socket unit")]
    SystemdSocketName(String),
    /// The system could not provide a thread, a socket or another resource.
    #[error("cannot start: {}", error_text(.0))]
    System(#[from] io::Error),
}

impl StartError {
    /// Makes the error of a socket whose address comes from this flag.
    pub(super) fn bind(flag: &'static str) -> impl Fn(BindError) -> Self {
        move |error| Self::Bind { flag, error }
    }

    /// The message for the user, with the flag or environment variable.
    pub(crate) fn line(&self, names: &FlagNames) -> String {
        match self {
            Self::Bind { flag, error: BindError::Listen { .. } } => format!("{self}; {} chooses another address", names.of(flag)),
            Self::Bind { flag, error: BindError::OtherKind { transport, .. } } => {
                let (other, carries) =
                    if *transport == "unix" { ("statsd.listen-unixgram", "datagrams") } else { ("statsd.listen-unix", "streams") };
                format!("{self}; {} is for {carries}, and {} chooses another address", names.of(other), names.of(flag))
            }
            Self::Bind { flag, .. } => format!("{}: {self}", names.of(flag)),
            Self::Relay(_) | Self::RelayLoop(_) => format!("{}: {self}", names.of("statsd.relay.address")),
            Self::State { .. } => format!("{}: {self}", names.of("state.file")),
            Self::Events { .. } => format!("{}: {self}", names.of("events.log-file")),
            Self::NoSystemdSocket { flag, .. } => format!("{}: {self}", names.of(flag)),
            Self::Mapping(_) => {
                let set = names.set_by_variables(&["statsd.mapping-config", "preset"]);
                format!("the mapping files have errors{set}:\n{self}")
            }
            Self::PushConfig(_) => format!("the push configuration has errors{}:\n{self}", names.set_by_variables(&["push.config.file"])),
            Self::WebConfig(_) => format!("the web configuration has errors{}:\n{self}", names.set_by_variables(&["web.config.file"])),
            Self::Tls(_) => {
                format!("the TLS configuration of listeners has errors{}:\n{self}", names.set_by_variables(&["statsd.tls-config-file"]))
            }
            Self::NoListener | Self::SystemdSocketKind { .. } | Self::SystemdSocketName(_) | Self::System(_) => self.to_string(),
        }
    }

    /// 2 for an invalid command line, 1 for all other causes.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Relay(_) | Self::RelayLoop(_) | Self::Bind { error: BindError::Address(_), .. } => 2,
            Self::Bind { .. }
            | Self::NoListener
            | Self::Mapping(_)
            | Self::State { .. }
            | Self::Events { .. }
            | Self::System(_)
            | Self::PushConfig(_)
            | Self::WebConfig(_)
            | Self::Tls(_)
            | Self::NoSystemdSocket { .. }
            | Self::SystemdSocketKind { .. }
            | Self::SystemdSocketName(_) => 1,
        }
    }
}
