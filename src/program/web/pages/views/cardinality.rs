//! Series and their limits: the largest families, their labels, and the limits that were hit.

use maud::{Markup, html};
use serde_json::Value;

use super::series::family_link;
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{bytes, count, count_of, cut, list, number, share, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    html! {
        (heading(place, "Who uses the series, and which limits were hit.", "?limit=100"))
        div #live {
            (totals(&data["totals"]))
            (limits(data))
            section.card { (families(place, data)) }
        }
    }
}

fn totals(totals: &Value) -> Markup {
    let all = [("Series", "series"), ("Memory of series", "series_bytes"), ("Families", "families")];
    html! {
        div.grid {
            @for (title, key) in all {
                @let say = |number| if key == "series_bytes" { bytes(number) } else { count(number) };
                @let (used, limit) = (number(&totals[key]), number(&totals[format!("{key}_limit")]));
                section.card {
                    h2 { (title) }
                    p.figure { (say(used)) " " small { "of " (say(limit)) ", " (share(used, limit)) } }
                    meter min="0" max=(limit.max(1.0)) value=(used) high=(limit * 0.9) aria-label=(format!("{title}: share of the limit")) {}
                }
            }
            @if number(&totals["resting_series"]) > 0.0 {
                section.card { h2 { "Grace period" } p.figure { (count_of(&totals["resting_series"])) " " small { "expired series" } } }
            }
        }
    }
}

fn limits(data: &Value) -> Markup {
    let of_families = list(&data["families"]).flat_map(|family| list(&family["limits_hit"]).map(|hit| (text(&family["name"]), hit)));
    let all = list(&data["families_kept_out"]).map(|hit| ("new families", hit)).chain(of_families);
    let rows: Vec<Vec<Markup>> = all
        .map(|(family, hit)| {
            let examples: Vec<&str> = list(&hit["examples"]).map(text).collect();
            vec![
                html! { (cut(family)) },
                html! { (text(&hit["limit"])) @if !text(&hit["label"]).is_empty() { " of label " code { (cut(text(&hit["label"]))) } } },
                html! { (text(&hit["action"])) },
                html! { (count_of(&hit["samples"])) },
                html! { @if hit["distinct_values_refused"].is_number() { "about " (count_of(&hit["distinct_values_refused"])) } },
                html! { code { (cut(&examples.join(", "))) } br; span.soft { "first from " (text(&hit["first_source"])) " at " (text(&hit["first_hit"])) } },
            ]
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    let columns = [
        (Column::Name, "Family"),
        (Column::Text, "Limit"),
        (Column::Text, "Action"),
        (Column::Number, "Samples"),
        (Column::Number, "Distinct values"),
        (Column::Text, "Examples"),
    ];
    html! { section.card { h2 { "Limits hit" } (table("Each limit with its offender", &columns, rows, "")) } }
}

fn families(place: &Place<'_>, data: &Value) -> Markup {
    let all = number(&data["totals"]["series"]);
    let rows = list(&data["families"]).map(|family| {
        let labels = list(&family["labels"]).take(4);
        vec![
            family_link(place, text(&family["name"])),
            html! { (text(&family["type"])) },
            html! { (count_of(&family["series"])) },
            html! { (share(number(&family["series"]), all)) },
            html! { (bytes(number(&family["series_bytes"]))) },
            html! { @for label in labels { span.tag { code { (cut(text(&label["name"]))) } " " (count_of(&label["values"])) } }
                (suggestion(family))
            },
        ]
    });
    let columns = [
        (Column::Name, "Family"),
        (Column::Text, "Type"),
        (Column::Number, "Series"),
        (Column::Number, "Share"),
        (Column::Number, "Memory"),
        (Column::Text, "Labels by values"),
    ];
    table("The families with the most series", &columns, rows.collect(), "There are no series yet.")
}

/// What to do about a label whose values have no end.
fn suggestion(family: &Value) -> Markup {
    let wide = list(&family["labels"]).find(|label| label["shape"].is_string() && number(&label["values"]) >= 10.0);
    html! {
        @if let Some(label) = wide {
            @let (series, values) = (number(&family["series"]), number(&label["values"]));
            p.warn {
                "! " code { (cut(text(&label["name"]))) } " looks like a " (text(&label["shape"])) ". A rule with "
                code { "drop_labels: [" (cut(text(&label["name"]))) "]" } " saves up to " (count((series - (series / values).ceil()).max(0.0))) " series, "
                (bytes(number(&family["series_bytes"]) * (1.0 - 1.0 / values))) "."
            }
        }
    }
}
