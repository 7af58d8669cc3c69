//! One request of a page.

use std::net::SocketAddr;

use crate::program::web::view::View;

/// One request of a view.
pub(in crate::program::web) struct Visit {
    pub(in crate::program::web) view: View,
    pub(in crate::program::web) query: Option<String>,
    /// Whether the path is `/`, and not one below `/ui/`.
    pub(in crate::program::web) at_root: bool,
    /// Whether the program is ready.
    pub(in crate::program::web) is_ready: bool,
    /// The address that the client connected to.
    pub(in crate::program::web) address: Option<SocketAddr>,
}
