//! Lines as they arrive. The script fills the table from the stream.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::wording::text;
use crate::program::web::view::View;

/// The words of the filter by verdict.
const VERDICTS: [(&str, &str); 4] = [("", "any"), ("recorded", "recorded"), ("rejected", "rejected"), ("dropped", "dropped by a rule")];

/// The columns.
const HEADS: [(&str, &str); 6] =
    [("name", "Line"), ("text", "Verdict"), ("name", "Series"), ("text", "Rule"), ("text", "Sender"), ("text", "Time")];

pub(super) fn show(place: &Place<'_>, filter: &Value) -> Markup {
    html! {
        (heading(place, "Lines as they arrive, and what became of each.", ""))
        div #live data-still {
            @if place.live.can_watch { (watch(place, filter)) } @else {
                p.banner {
                    "Lines are not shown at this address, because they may contain secrets. Start the bridge with " code { "--web.enable-tail=true" }
                    "; if it has " code { "--web.admin-listen-address" } ", use that address."
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
                table.stack role="table" {
                    caption { "The last 300 lines, newest first. A line links to what became of it." }
                    thead { tr { @for (class, head) in HEADS { th scope="col" class=(class) { (head) } } } }
                    tbody #tail data-stream=(place.path("/api/v1/tail")) data-heads=(HEADS.map(|(_, head)| head).join("|")) {}
                }
            }
            p.foot {
                "Why lines are rejected: " a href=(place.link(View::Rejected)) { "Rejected" } " explains each reason. "
                code { "_overflow_" } " is the value that replaces labels beyond a limit: " a href=(place.link(View::Cardinality)) { "Cardinality" } "."
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
