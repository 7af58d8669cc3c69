//! Lines as they arrive. The script fills the table from the stream.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::wording::text;

/// The words of the filter by verdict.
const VERDICTS: [(&str, &str); 4] = [("", "any"), ("recorded", "recorded"), ("rejected", "rejected"), ("dropped", "dropped by a rule")];

pub(super) fn show(place: &Place<'_>, filter: &Value) -> Markup {
    html! {
        (heading(place, "Lines as they arrive, and what became of each.", ""))
        div #live data-still {
            @if place.live.can_watch { (watch(place, filter)) } @else {
                p.banner {
                    "Not on this address, because lines may contain secrets. " code { "--web.enable-tail=true" }
                    " enables it, on the addresses of " code { "--web.admin-listen-address" } " if there are any."
                }
            }
        }
    }
}

fn watch(place: &Place<'_>, filter: &Value) -> Markup {
    html! {
        form.inline #filter method="get" {
            (field("tail-name", "name", "Name", "checkout.*", filter))
            (field("source", "source", "Sender", "10.0.0.1", filter))
            (field("label", "label", "Label", "host=web*", filter))
            (field("rule", "rule", "Rule", "2, or none", filter))
            span.field {
                label for="verdict" { "Verdict" }
                select #verdict name="verdict" {
                    @let asked = text(&filter["verdict"]);
                    @for (word, shown) in VERDICTS { option value=(word) selected[word == asked] { (shown) } }
                    // A reason that a link states.
                    @if VERDICTS.iter().all(|(word, _)| *word != asked) { option value=(asked) selected { (asked) } }
                }
            }
            button { "Watch" }
        }
        noscript { p.banner { "This view needs its script. " code { "statsd-bridge tail" } " shows the same in a terminal." } }
        p.banner.loss #tail-error role="alert" hidden {}
        section.card {
            div.inline {
                button #tail-pause type="button" aria-pressed="false" data-script hidden { "Pause" }
                button #tail-clear type="button" data-script hidden { "Clear" }
                button #tail-copy type="button" data-script hidden { "Copy" }
                button #tail-save type="button" data-script hidden { "Save" }
                span.soft #tail-counts role="status" { "No line arrived yet." }
            }
            div.wide tabindex="0" role="region" aria-label="Lines" {
                table {
                    caption { "The last 300 lines, newest first" }
                    thead { tr {
                        th scope="col" class="name" { "Line" }
                        th scope="col" class="text" { "Verdict" }
                        th scope="col" class="name" { "Series" }
                        th scope="col" class="text" { "Rule" }
                        th scope="col" class="text" { "Sender" }
                        th scope="col" class="text" { "Time" }
                    } }
                    tbody #tail data-stream=(place.path("/api/v1/tail")) {}
                }
            }
            details {
                summary { "The same as a capture, for " code { "statsd-bridge replay" } }
                pre #tail-text {}
            }
        }
    }
}

fn field(id: &str, name: &str, label: &str, example: &str, filter: &Value) -> Markup {
    html! {
        span.field {
            label for=(id) { (label) }
            input id=(id) type="text" name=(name) value=(text(&filter[name])) placeholder=(example) autocomplete="off" spellcheck="false";
        }
    }
}
