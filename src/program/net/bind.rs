//! Binds sockets to an address, and says why one cannot be had. Must not know the options of any transport.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use super::address::{Address, AddressError};
use super::error_text::error_text;

/// Why a listener could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BindError {
    /// The operating system said no.
    #[error("cannot listen on {transport} {address}: {why}")]
    Listen {
        /// `udp`, `tcp`, `unixgram` or `http`.
        transport: &'static str,
        /// As the user typed it.
        address: String,
        /// In words.
        why: String,
    },
    /// The address itself is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl Address {
    /// Runs `bind` on the candidates until one is not refused for want of its address family.
    pub(crate) fn bind_first<T>(&self, transport: &'static str, mut bind: impl FnMut(SocketAddr) -> io::Result<T>) -> Result<T, BindError> {
        let candidates = self.candidates()?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match bind(candidate) {
                Ok(bound) => return Ok(bound),
                Err(error) => {
                    let no_such_family = matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL));
                    last = error;
                    if !no_such_family {
                        break;
                    }
                }
            }
        }
        Err(BindError::Listen { transport, address: self.to_string(), why: error_text(&last) })
    }
}

/// An unbound socket for `address`; one for all of IPv6 takes IPv4 as well.
pub(crate) fn new_socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind.cloexec(), None)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// Binds a TCP listener for use by tokio.
pub(crate) fn bind_tcp(address: &Address, transport: &'static str) -> Result<TcpListener, BindError> {
    // As many connections may wait in the kernel as it allows; the limits of open ones are the servers'.
    const BACKLOG: i32 = 4096;
    address.bind_first(transport, |candidate| {
        let socket = new_socket(candidate, Type::STREAM)?;
        socket.set_reuse_address(true)?;
        socket.bind(&candidate.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = bind_tcp(&Address::parse(&address).unwrap(), "tcp").unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on tcp {address}: Address already in use"));
    }
}
