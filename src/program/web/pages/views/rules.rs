//! The rules in force with their hits, and the unmapped names.

use maud::{Markup, html};
use serde_json::Value;

use super::failed_reloads;
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::{asked, heading};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{count_of, cut, list, number, share, text};

/// Rows of each table.
const SHOWN: usize = 300;

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let all: f64 = list(&data["rules"]).map(|rule| number(&rule["samples"])).sum();
    let rows = list(&data["rules"]).take(SHOWN).map(|rule| {
        let samples = number(&rule["samples"]);
        let becomes = if text(&rule["action"]) == "drop" { "dropped" } else { text(&rule["name"]) };
        vec![
            html! { (cut(text(&rule["match"]))) @if text(&rule["match_type"]) == "regex" { " " span.tag { "regex" } } },
            html! { (cut(becomes)) },
            html! { @if samples == 0.0 { span.soft { "never matched" } } @else { (count_of(&rule["samples"])) } },
            html! { (share(samples, all)) },
            html! { (text(&rule["position"])) },
        ]
    });
    let columns = [
        (Column::Name, "Match"),
        (Column::Name, "Becomes"),
        (Column::Number, "Samples"),
        (Column::Number, "Share"),
        (Column::Name, "Position"),
    ];
    let more = list(&data["rules"]).count().saturating_sub(SHOWN);
    html! {
        (heading(place, "Rules in force, and names that no rule matches.", ""))
        div #live {
            (failed_reloads::banners(place, &data["failed_reloads"]))
            section.card {
                (table("In their order; samples since the rules took effect", &columns, rows.collect(), "There are no rules: names and tags are used as sent."))
                @if more > 0 { p.foot { "and " (more) " more rules" } }
                p.foot { (count_of(&data["never_matched"])) " never matched" }
            }
            (proposals(data))
            section.card { h2 { "Unmapped names" } (unmapped(place, data)) p.foot { a href=(place.path("/api/v1/unmapped")) { "JSON" } } }
        }
    }
}

/// Rules to copy into a mapping file.
fn proposals(data: &Value) -> Markup {
    html! {
        @if list(&data["proposals"]).next().is_some() {
            section.card {
                h2 { "Make a rule" }
                p { "Names that differ in one segment. Copy a rule into the list " code { "mappings:" } " of a mapping file, and give name and label better words." }
                div.pair {
                    @for (number, proposal) in list(&data["proposals"]).enumerate() {
                        @let examples: Vec<&str> = list(&proposal["examples"]).map(text).collect();
                        div {
                            h3 { "Catches " (count_of(&proposal["names"])) " names" }
                            pre id=(format!("rule-{number}")) { (text(&proposal["yaml"])) }
                            p.soft { "for example " code { (cut(&examples.join(", "))) } " "
                                button type="button" data-copy=(format!("rule-{number}")) data-script hidden { "Copy" } }
                        }
                    }
                }
            }
        }
    }
}

fn unmapped(place: &Place<'_>, data: &Value) -> Markup {
    let unmapped = &data["unmapped"];
    let samples = |value: &Value| html! { @if value.is_null() { span.soft { "not counted" } } @else { (count_of(value)) } };
    let rows = list(&unmapped["names"]).map(|entry| vec![html! { (asked(place, text(&entry["name"]))) }, samples(&entry["samples"])]);
    let rows: Vec<Vec<Markup>> = rows.collect();
    let more = number(&unmapped["names_known"]) as usize - rows.len().min(number(&unmapped["names_known"]) as usize);
    html! {
        (table("Names without a rule, most samples first", &[(Column::Name, "Name"), (Column::Number, "Samples")], rows, "Every name that arrived matches a rule."))
        @if more > 0 { p.foot { "and " (more) " more names" } }
    }
}
