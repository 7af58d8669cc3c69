//! Addresses, the sockets bound to them, and the words for their errors, for everything that listens or connects.
//!
//! ```text
//! address      HOST:PORT as the user types it -> socket addresses
//! web_address  HOST:PORT or unix:PATH
//! bind         an address -> a bound socket, or why there is none
//! socket_path  the path of a Unix socket: checked, freed, removed at the end
//! error_text   an error of the operating system in words
//! ```
//! Must not know a protocol, a flag or a listener.

mod address;
mod bind;
mod error_text;
mod socket_path;
mod web_address;

pub(super) use self::address::{Address, AddressError, canonical, reachable};
pub(super) use self::bind::{BindError, bind_tcp, new_socket};
pub(super) use self::error_text::error_text;
pub(super) use self::socket_path::{OwnedPath, check_path, remove_stale};
pub(super) use self::web_address::WebAddress;
