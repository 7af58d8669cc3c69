//! Series and their limits: the largest families, their labels, and the limits that were hit.

use maud::{Markup, html};
use serde_json::Value;

use super::series::{family_link, new_series};
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::list_form::{list_form, list_query, not_shown};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{bytes, count, count_of, cut, duration, list, number, share, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    html! {
        (heading(place, "Who uses the series, and which limits were hit.", &list_query(&data["list"], None)))
        div #live {
            (totals(&data["totals"]))
            (limits(data))
            (savings(place, data))
            (list_form(place, &data["list"], "in families and labels", &ORDERS, &html! {}))
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
                    @let full = &totals["full_in_seconds"][key];
                    @if used >= limit && limit > 0.0 { p.bad { "▲ full: new series are folded or rejected" } }
                    @else if full.is_number() { p.warn { "! full in " (duration(number(full))) " at the growth of the last 5 minutes" } }
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
        (Column::Number, "Values beyond the limit"),
        (Column::Text, "Examples"),
    ];
    html! { section.card { h2 { "Limits hit" } (table("Each limit with its offender", &columns, rows, "")) } }
}

const ORDERS: [(&str, &str); 4] = [("series", "series"), ("bytes", "memory"), ("growth", "new series"), ("name", "name")];

fn families(place: &Place<'_>, data: &Value) -> Markup {
    let all = number(&data["totals"]["series"]);
    let rows = list(&data["families"]).map(|family| {
        let labels = list(&family["labels"]).take(4);
        let suggestion = &family["suggestion"];
        vec![
            family_link(place, text(&family["name"])),
            html! { (text(&family["type"])) },
            html! { (count_of(&family["series"])) },
            html! { (share(number(&family["series"]), all)) },
            new_series(&family["new_series"]),
            html! { (bytes(number(&family["series_bytes"]))) },
            html! {
                @for label in labels { span.tag { code { (cut(text(&label["name"]))) } " " (count_of(&label["values"])) } }
                @if suggestion.is_object() { br; span.warn { "! " code { (cut(text(&suggestion["label"]))) } " looks like " (with_article(text(&suggestion["shape"]))) } }
            },
        ]
    });
    let columns = [
        (Column::Name, "Family"),
        (Column::Text, "Type"),
        (Column::Number, "Series"),
        (Column::Number, "Share"),
        (Column::Number, "New in 1 · 5 · 15 min"),
        (Column::Number, "Memory"),
        (Column::Text, "Labels by values"),
    ];
    let sorted = text(&data["list"]["sort"]);
    let order = ORDERS.iter().find(|(name, _)| *name == sorted).map_or("series", |(_, shown)| shown);
    let empty = if text(&data["list"]["q"]).is_empty() { "There are no series yet." } else { "No family matches the search." };
    html! {
        (table(&format!("Families by {order}"), &columns, rows.collect(), empty))
        (not_shown(place, &data["list"], "families"))
        p.foot { "Series and values are those that count at limits, without series " code { "_overflow_" } ". New series include those that ended since. Of more than 512 families, those are followed that made most series; ≥ stands before a number that may be larger." }
    }
}

/// What to do about labels whose values have no end, as rules to copy.
fn savings(place: &Place<'_>, data: &Value) -> Markup {
    let mut all: Vec<&Value> = list(&data["families"]).filter(|family| family["suggestion"].is_object()).collect();
    all.sort_by(|a, b| number(&b["suggestion"]["saves_series"]).total_cmp(&number(&a["suggestion"]["saves_series"])));
    let more = all.len().saturating_sub(SAVINGS);
    html! {
        @if !all.is_empty() {
            section.card {
                h2 { "What would save most" }
                p { "These labels have a new value for each request, user or machine. A rule that drops the label keeps the sums." }
                div.pair {
                    @for (number, family) in all.iter().take(SAVINGS).enumerate() { (saving(place, number, family)) }
                }
                @if more > 0 { p.foot { "and " (more) " more families with such a label" } }
            }
        }
    }
}

/// Suggestions on the page.
const SAVINGS: usize = 6;

fn saving(place: &Place<'_>, number_on_page: usize, family: &Value) -> Markup {
    let suggestion = &family["suggestion"];
    let id = format!("save-{number_on_page}");
    let rule = text(&suggestion["rule"]);
    html! {
        div {
            h3 { (family_link(place, text(&family["name"]))) ": " code { (cut(text(&suggestion["label"]))) } " looks like " (with_article(text(&suggestion["shape"]))) }
            p {
                "Saves up to " strong { (count_of(&suggestion["saves_series"])) " series, " (bytes(number(&suggestion["saves_bytes"]))) } ". "
                @if !rule.is_empty() { "Add this line to the rule with the match " code { (cut(rule)) } "." }
                @else if suggestion["yaml"].is_string() { "Copy this into the list " code { "mappings:" } " of a mapping file, before other rules that match." }
                @else { "Write a rule with " code { "drop_labels" } " for its raw name: no pattern can be proposed for it." }
            }
            @if suggestion["yaml"].is_string() {
                pre id=(id) { (text(&suggestion["yaml"])) }
                button type="button" data-copy=(id) data-script hidden { "Copy" }
            }
        }
    }
}

/// The name of a shape with its article.
fn with_article(shape: &str) -> String {
    let has_vowel = shape.starts_with(['I', 'e']);
    format!("{} {shape}", if has_vowel { "an" } else { "a" })
}
