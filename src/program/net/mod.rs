//! Addresses and the sockets bound to them, for everything that listens or connects. Knows no protocol and no flags.

mod address;

pub(super) use self::address::{Address, AddressError, BindError, bind_tcp, canonical, error_text, new_socket, reachable};
