//! Rejected lines and samples by reason, and conflicting names.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::plain_text::percent_encoded;
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::{asked, heading};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{count_of, cut, list, number, rate, sentence, text, with_code};
use crate::program::web::view::View;

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let reasons = list(&data["rejections"]).map(|entry| {
        let last = &entry["last"];
        vec![
            html! { span id=(text(&entry["reason"])) { (text(&entry["reason"])) } (watched(place, text(&entry["reason"]))) },
            html! { (rate(number(&entry["rate"]))) },
            html! { (count_of(&entry["count"])) },
            html! { @if last.is_object() { code { (asked(place, text(&last["input"]))) } br; span.soft { "from " (text(&last["source"])) " at " (text(&last["time"])) } } },
            html! { (with_code(&sentence(text(&entry["advice"])))) },
        ]
    });
    let columns = [
        (Column::Name, "Reason"),
        (Column::Number, "Rate"),
        (Column::Number, "Since start"),
        (Column::Text, "Last input"),
        (Column::Text, "What helps"),
    ];
    html! {
        (heading(place, "Why lines and samples were rejected.", ""))
        div #live {
            section.card { (table("Reasons, most frequent first", &columns, reasons.collect(), "Nothing was rejected since the start.")) }
            section.card { h2 { "Conflicting names" } (conflicts(place, data)) p.foot { a href=(place.path("/api/v1/conflicts")) { "JSON" } } }
        }
    }
}

/// A link to the lines that are rejected for this reason, where lines are shown as they arrive.
fn watched(place: &Place<'_>, reason: &str) -> Markup {
    html! {
        @if place.live.can_watch {
            br;
            a.small href=(format!("{}?verdict={}", place.link(View::Tail), percent_encoded(reason))) { "watch" span.unseen { " lines with " (reason) } }
        }
    }
}

fn conflicts(place: &Place<'_>, data: &Value) -> Markup {
    let side = |side: &Value| {
        html! {
            @if side.is_object() {
                (text(&side["type"])) " " code { (asked(place, text(&side["name"]))) } br;
                @if side["sample"].is_string() { code { (asked(place, text(&side["sample"]))) } } @else { code { (cut(text(&side["help"]))) } }
                br;
                span.soft { "from " (text(&side["source"])) }
            }
        }
    };
    let rows = list(&data["conflicts"]).map(|conflict| {
        vec![
            html! { (asked(place, text(&conflict["name"]))) },
            html! { (text(&conflict["policy"])) },
            html! { (count_of(&conflict["samples"])) },
            side(&conflict["kept"]),
            side(&conflict["came"]),
        ]
    });
    let columns = [
        (Column::Name, "Name"),
        (Column::Text, "What happens"),
        (Column::Number, "Samples"),
        (Column::Text, "Kept"),
        (Column::Text, "Came later"),
    ];
    table("Names that would have made the exposition invalid", &columns, rows.collect(), "There is none.")
}
