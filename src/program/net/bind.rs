//! Binds sockets to addresses. Must not know the options of any transport.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use super::address::{Address, AddressError, Candidates};
use super::error_text::error_text;
use super::socket_path::PathError;

/// The reason why a socket cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BindError {
    /// The operating system rejected the socket or its address.
    #[error("cannot listen on {transport} {address}: {why}")]
    Listen {
        /// `udp`, `tcp`, `unixgram`, `unix` or `http`.
        transport: &'static str,
        /// The address as typed.
        address: String,
        /// The cause.
        why: String,
    },
    /// Another program listens at the path, on a socket of another kind: for datagrams instead of streams, or the reverse.
    #[error("cannot listen on {transport} {path}: another program listens there on a socket of another kind")]
    OtherKind {
        /// `unix` or `unixgram`.
        transport: &'static str,
        /// The path.
        path: String,
    },
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl BindError {
    /// The error of a path or an abstract name.
    pub(crate) fn of_path(transport: &'static str, path: &str, error: PathError) -> Self {
        match error {
            PathError::OtherKind => Self::OtherKind { transport, path: path.to_owned() },
            PathError::Other(why) => Self::Listen { transport, address: path.to_owned(), why },
        }
    }
}

impl Address {
    /// Runs `bind` on the best candidate, and on the alternative if the system does not support the address family of the best one.
    pub(crate) fn bind_first<T>(&self, transport: &'static str, mut bind: impl FnMut(SocketAddr) -> io::Result<T>) -> Result<T, BindError> {
        let Candidates { best, alternative } = self.candidates()?;
        let is_unsupported = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL));
        let bound = match (bind(best), alternative) {
            (Err(error), Some(alternative)) if is_unsupported(&error) => bind(alternative),
            (bound, _) => bound,
        };
        bound.map_err(|error| BindError::Listen { transport, address: self.to_string(), why: error_text(&error) })
    }
}

/// An unbound socket for `address`. A socket for the IPv6 wildcard also receives IPv4.
pub(crate) fn new_socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind.cloexec(), None)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// A TCP listener, and the address that it is bound to.
pub(crate) struct BoundTcp {
    /// Non-blocking.
    pub listener: TcpListener,
    /// The bound address, with the port that the kernel picked for port 0.
    pub address: SocketAddr,
}

/// Binds a non-blocking TCP listener.
pub(crate) fn bind_tcp(address: &Address, transport: &'static str) -> Result<BoundTcp, BindError> {
    // The kernel lowers the backlog to the limit of the system. The servers limit open connections.
    const BACKLOG: i32 = 4096;
    address.bind_first(transport, |candidate| {
        let socket = new_socket(candidate, Type::STREAM)?;
        socket.set_reuse_address(true)?;
        socket.bind(&candidate.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        Ok(BoundTcp { address: listener.local_addr()?, listener })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = bind_tcp(&Address::parse(&address).unwrap(), "tcp").err().unwrap();
        assert_eq!(error.to_string(), format!("cannot listen on tcp {address}: Address already in use"));
    }
}
