//! The views: the JSON of a report as HTML.

mod actions;
mod ask;
mod cardinality;
mod configuration;
mod events;
mod failed_reloads;
mod overview;
mod push;
mod rejected;
mod rules;
mod scrapes;
mod senders;
mod series;
mod tail;

use maud::{Markup, html};
use serde_json::Value;

use super::frame::Place;
use super::visit::Visit;
use crate::program::web::view::View;

/// What a view shows of the data of its report.
pub(super) fn show(place: &Place<'_>, visit: &Visit, data: &Value) -> Markup {
    match place.view {
        View::Overview => overview::show(place, visit, data),
        View::Tail => tail::show(place, data),
        View::Ask => ask::show(place, data),
        View::Series => series::show(place, data),
        View::Rejected => rejected::show(place, data),
        View::Rules => rules::show(place, data),
        View::Cardinality => cardinality::show(place, data),
        View::Senders => senders::show(place, data),
        View::Scrapes => scrapes::show(place, data),
        View::Push => push::show(place, data),
        View::Events => events::show(place, data),
        View::Configuration => configuration::show(place, data),
        View::Actions => actions::show(place),
    }
}

/// The report failed.
pub(super) fn error(text: &str) -> Markup {
    html! {
        div.head { h1 { "Not shown" } }
        div #live data-still { p.banner.loss role="alert" { (text) } }
    }
}
