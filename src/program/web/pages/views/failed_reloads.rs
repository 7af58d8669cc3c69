//! That the last reload of a file failed, on the views that show what is in force.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::wording::{cut, list, number, reloaded_file, sentence, text};
use crate::program::web::view::View;

/// A banner for each file, with the first line of its first error.
pub(super) fn banners(place: &Place<'_>, failed: &Value) -> Markup {
    html! {
        @for file in list(failed) {
            @let error = &file["error"];
            @let first = text(&error["text"]).lines().next().unwrap_or_default();
            @let more = number(&file["error_count"]) - 1.0;
            div.banner.loss role="status" {
                p {
                    strong { "The last reload of " (reloaded_file(text(&file["name"]))) " failed: what was in force before stays in force. " }
                    @if error["line"].is_number() { code { (cut(text(&error["file"]))) ":" (error["line"]) ":" (error["column"]) } ": " }
                    (sentence(&cut(first))) " "
                    @if more > 0.0 { "More errors: " (more) ". " }
                    a href=(place.link(View::Configuration)) { "Configuration" } " shows all errors, and when the file is read again."
                }
            }
        }
    }
}
