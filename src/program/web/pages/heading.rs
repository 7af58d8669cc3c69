//! The title of a view with a link to its JSON, and links to Ask.

use maud::{Markup, html};

use super::frame::Place;
use super::wording::cut;
use crate::program::plain_text::percent_encoded;
use crate::program::web::view::View;

/// Bytes of a text that a link can ask about: percent-encoded, they fit any limit of a proxy.
const ASKED_BYTES: usize = 2_000;

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

/// A text of a sender, cut, as a link to the question about it. Texts that are empty or long are not linked.
pub(super) fn asked(place: &Place<'_>, text: &str) -> Markup {
    let is_linked = !text.is_empty() && text.len() <= ASKED_BYTES;
    html! {
        @if is_linked { a.asked href=(format!("{}?q={}", place.link(View::Ask), percent_encoded(text))) { (cut(text)) } } @else { (cut(text)) }
    }
}
