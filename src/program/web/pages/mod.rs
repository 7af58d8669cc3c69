//! HTML for people: the landing page.
//!
//! ```text
//! landing     the template, filled in
//!   problems    limits that were hit, names in conflict
//! ```
//! Knows the bridge, and neither paths beyond those it links to nor responses.

mod landing;
mod problems;

use std::net::SocketAddr;

use self::landing::LandingFacts;
use self::problems::Problems;
use crate::bridge::Bridge;

/// The landing page of one listener.
pub(super) struct LandingPage {
    bridge: Bridge,
    telemetry_path: String,
    paste: Option<String>,
}

impl LandingPage {
    /// `paste` is a shell line that sends one sample to the bridge.
    pub(super) fn new(bridge: Bridge, telemetry_path: String, paste: Option<String>) -> Self {
        Self { bridge, telemetry_path, paste }
    }

    /// The page as it is now, for a client that connected to `address`.
    pub(super) fn html(&self, ready: bool, address: Option<SocketAddr>) -> String {
        landing::html(&LandingFacts {
            telemetry_path: &self.telemetry_path,
            ready,
            paste: self.paste.as_deref(),
            address,
            problems: Problems::of(&self.bridge),
        })
    }
}
