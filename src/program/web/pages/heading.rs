//! The title of a view, with a link to its JSON.

use maud::{Markup, html};

use super::frame::Place;

/// The title. `query` is that of the JSON: empty, or with its `?`.
pub(super) fn heading(place: &Place<'_>, lead: &str, query: &str) -> Markup {
    html! {
        div.head {
            h1 { (place.view.title()) }
            p { (lead) }
            @if let Some(name) = place.view.api() { a.json href=(place.path(&format!("/api/v1/{name}{query}"))) { "JSON" } }
        }
    }
}
