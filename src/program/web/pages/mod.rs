//! HTML pages: one frame with a navigation, and a view of each report of the API.
//!
//! ```text
//! frame      head, navigation and keys around a view
//! views      one file for each view: the JSON of a report as HTML
//!   heading    the title of a view
//!   chart      a line as SVG
//!   list_form  search, order and length of a list
//!   table      a table with its heads
//!   wording    numbers, sizes, ages and cut texts
//! visit      one request
//! assets     the style sheet and the script
//! ```
//! The page needs no script: the script only renews it and takes keys. Texts of senders become markup nowhere: `maud` escapes every
//! value, and [`inert`] replaces control characters and hidden characters in the finished page. Links are relative, so that the page
//! works behind any path. Does not depend on responses.

pub(super) mod assets;
mod chart;
mod frame;
mod heading;
mod inert;
mod list_form;
mod table;
mod views;
mod visit;
mod wording;

use std::sync::Arc;

use hyper::StatusCode;

pub(super) use self::visit::Visit;
use super::api::{Live, Reader, report};

/// The pages of one listener.
pub(super) struct Pages {
    live: Arc<Live>,
}

impl Pages {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self { live }
    }

    /// Renders a view. Its cost is that of its report; do not call it on an async thread.
    pub(super) fn html(&self, visit: &Visit) -> (StatusCode, String) {
        let place = frame::Place { view: visit.view, base: if visit.at_root { "" } else { "../" }, live: &self.live };
        let (status, shown) = match report(visit.view, &self.live, visit.query.as_deref(), Reader::Page) {
            Ok(data) => (StatusCode::OK, views::show(&place, visit, data.data())),
            Err(error) => (error.status(), views::error(&error.text)),
        };
        (status, inert::inert(frame::page(&place, visit, &shown).into_string()))
    }
}
