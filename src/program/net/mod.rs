//! Addresses, bound sockets and the texts of their errors, for all code that listens or connects.
//!
//! ```text
//! address      HOST:PORT -> socket addresses
//! web_address  HOST:PORT or unix:PATH
//! bind         address -> bound socket
//! client_address  the address that fair queueing uses
//! networks     networks in CIDR notation
//! socket_path  paths of Unix sockets: validation, removal of stale sockets, removal at shutdown
//! error_text   the text of operating system errors
//! ```
//! Must not know a protocol, a flag or a listener.

mod address;
mod bind;
mod client_address;
mod error_text;
mod networks;
mod socket_path;
mod web_address;

pub(super) use self::address::{Address, AddressError, canonical, reachable};
pub(super) use self::bind::{BindError, BoundTcp, bind_tcp, new_socket};
pub(super) use self::client_address::ClientAddress;
pub(super) use self::error_text::error_text;
pub(super) use self::networks::AllowedNetwork;
pub(super) use self::socket_path::PathAccess;
pub(super) use self::socket_path::{OwnedPath, PathError, bind_path, check_path, probe_stream, remove_stale, shown_path};
pub(super) use self::web_address::WebAddress;
