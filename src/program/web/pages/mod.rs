//! HTML pages: the landing page.
//!
//! ```text
//! landing     renders the template
//!   problems    rejections, limits hit, conflicts and unmapped names
//! ```
//! Does not depend on responses, nor on paths other than those it links to.

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
    sample_command: Option<String>,
}

impl LandingPage {
    /// `sample_command` is a shell command that sends one sample to the bridge.
    pub(super) fn new(bridge: Bridge, telemetry_path: String, sample_command: Option<String>) -> Self {
        Self { bridge, telemetry_path, sample_command }
    }

    /// Renders the page for a client that connected to `address`.
    pub(super) fn html(&self, ready: bool, address: Option<SocketAddr>) -> String {
        landing::html(&LandingFacts {
            telemetry_path: &self.telemetry_path,
            ready,
            sample_command: self.sample_command.as_deref(),
            address,
            problems: Problems::of(&self.bridge),
        })
    }
}
