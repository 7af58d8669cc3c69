//! Scrapes: how often, how long ago, what was cut.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{ago, count_of, list, number, short, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let rows = list(&data["self_metrics"]).filter(|row| number(&row["value"]) != 0.0).map(|row| {
        let labels = text(&row["labels"]);
        vec![
            html! { (text(&row["name"])) @if !labels.is_empty() { "{" (labels) "}" } @if !text(&row["of"]).is_empty() { " " span.tag { (text(&row["of"])) } } },
            html! { (short(number(&row["value"]))) },
            html! { (text(&row["help"])) },
        ]
    });
    let columns = [(Column::Name, "Self-metric"), (Column::Number, "Value"), (Column::Text, "Meaning")];
    html! {
        (heading(place, "Who reads the exposition, and how often.", ""))
        div #live {
            section.card {
                dl.facts {
                    dt { "Path" } dd { code { (text(&data["path"])) } }
                    dt { "Last scrape or push" } dd { @if data["seconds_since_read"].is_number() { (ago(number(&data["seconds_since_read"]))) } @else { "never" } }
                    dt { "Rate" } dd { (short(number(&data["per_minute"]))) " a minute" }
                    dt { "Scrapes" } dd { (count_of(&data["total"])) ", " (count_of(&data["failed"])) " cut or answered 503" }
                }
            }
            section.card { (table("Self-metrics of scrapes and HTTP that are not 0", &columns, rows.collect(), "All are 0.")) }
        }
    }
}
