//! The last DogStatsD events.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::list_form::{list_form, list_query, not_shown};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{count_of, cut, list, number, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let rows = list(&data["events"]).map(|event| {
        let tags: Vec<&str> = list(&event["tags"]).map(text).collect();
        vec![
            html! { (cut(text(&event["title"]))) },
            html! { (cut(text(&event["text"]))) },
            html! { (text(&event["alert_type"])) @if event["priority"].is_string() { " " (text(&event["priority"])) } },
            html! { code { (cut(&tags.join(", "))) } },
            html! { (text(&event["source"])) },
            html! { (text(&event["time"])) },
        ]
    });
    let columns = [
        (Column::Name, "Title"),
        (Column::Text, "Text"),
        (Column::Text, "Alert"),
        (Column::Name, "Tags"),
        (Column::Text, "Sender"),
        (Column::Text, "Received"),
    ];
    let empty = if number(&data["kept"]) > 0.0 {
        "No event matches the search."
    } else {
        "No event is kept. Either none was received, or --events.keep is 0."
    };
    html! {
        (heading(place, "The last DogStatsD events, newest first.", &list_query(&data["list"], None)))
        (list_form(place, &data["list"], "in titles, texts, tags and senders", &[], &html! {}))
        div #live {
            section.card {
                (table("Events", &columns, rows.collect(), empty))
                (not_shown(place, &data["list"], "events"))
                p.foot { (count_of(&data["kept"])) " events are kept, " (count_of(&data["evicted"])) " made room for newer ones." }
            }
        }
    }
}
