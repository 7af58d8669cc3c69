//! Actions of an administrator: deletion of series with a dry run, and reload of the mapping files.

use maud::{Markup, html};

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;

pub(super) fn show(place: &Place<'_>) -> Markup {
    html! {
        (heading(place, "What an administrator can do here.", ""))
        section.card {
            h2 { "Delete series" }
            @if place.live.can_delete {
                p { "The next sample of a deleted series starts it again. Stop its sender first, or write a rule that drops it." }
                form #delete method="post" action=(place.path("/api/v1/series/delete")) {
                    div.inline {
                        label for="match" { "Selector" }
                        input #match type="text" name="match[]" required placeholder="requests_total{user=\"u1\"}" autocomplete="off" spellcheck="false";
                    }
                    div.inline {
                        // Without a script, each button sends the form, and the answer is JSON.
                        button name="dry_run" value="true" { "Count (dry run)" }
                        button #really.danger name="dry_run" value="false" { "Delete" }
                    }
                }
                output.mono for="match" aria-live="polite" {}
            } @else {
                p { "Series cannot be deleted at this address. Start the bridge with " code { "--web.enable-admin-api" } "; if it has " code { "--web.admin-listen-address" } ", use that address." }
            }
        }
        section.card {
            h2 { "Reload the mapping files" }
            @if place.live.can_reload {
                p { "After a mistake in a file, the rules in force stay." }
                form #reload.inline method="post" action=(place.path("/-/reload")) { button { "Reload" } }
                output.mono aria-live="polite" {}
            } @else {
                p { "The mapping files cannot be reloaded at this address. Start the bridge with " code { "--web.enable-lifecycle" } "; if it has " code { "--web.admin-listen-address" } ", use that address." }
            }
        }
    }
}
