//! Families; of one family its labels, their values and its series.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::plain_text::percent_encoded;
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::list_form::{list_form, list_query, not_shown};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{ago, bytes, count, count_of, cut, duration, list, number, precise, rate, short, text};
use crate::program::web::view::View;

/// Longer names get no link: a page of them would be too large.
const LINKED_BYTES: usize = 512;

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let family = &data["family"];
    if family.is_object() { one(place, family) } else { families(place, data) }
}

/// The link to a family, or to its series with a value of a label.
pub(super) fn link(place: &Place<'_>, family: &str, label: Option<(&str, Option<&str>)>) -> Option<String> {
    let (label, value) = label.map_or((None, None), |(label, value)| (Some(label), value));
    let is_short = [Some(family), label, value].into_iter().flatten().map(str::len).sum::<usize>() <= LINKED_BYTES;
    let parameter = |name: &str, text: Option<&str>| text.map(|text| format!("&{name}={}", percent_encoded(text))).unwrap_or_default();
    is_short.then(|| {
        let base = place.link(View::Series);
        format!("{base}?family={}{}{}", percent_encoded(family), parameter("label", label), parameter("value", value))
    })
}

/// A name of a family with a link to it.
pub(super) fn family_link(place: &Place<'_>, name: &str) -> Markup {
    html! { @if let Some(link) = link(place, name, None) { a href=(link) { (cut(name)) } } @else { (cut(name)) } }
}

/// The orders of families.
pub(super) const ORDERS: [(&str, &str); 5] =
    [("name", "name"), ("series", "series"), ("bytes", "memory"), ("rate", "rate"), ("growth", "new series")];

fn families(place: &Place<'_>, data: &Value) -> Markup {
    let rows = list(&data["families"]).map(|family| {
        vec![
            family_link(place, text(&family["name"])),
            html! { (text(&family["type"])) },
            html! { (count_of(&family["series"])) },
            family_rate(family),
            html! { @if family["age_seconds"].is_number() { (ago(number(&family["age_seconds"]))) } },
            html! { @if text(&family["rule"]).is_empty() { span.soft { "none" } } @else { code { (cut(text(&family["rule"]))) } } },
            html! { code { (cut(text(&family["first_sample"]))) } },
        ]
    });
    let columns = [
        (Column::Name, "Family"),
        (Column::Text, "Type"),
        (Column::Number, "Series"),
        (Column::Number, "Rate"),
        (Column::Number, "Last sample"),
        (Column::Name, "Rule"),
        (Column::Text, "First sample"),
    ];
    let state = &data["list"];
    let sorted = text(&state["sort"]);
    let order = ORDERS.iter().find(|(name, _)| *name == sorted).map_or("name", |(_, shown)| shown);
    let empty = if text(&state["q"]).is_empty() { "There are no series yet." } else { "No family matches the search." };
    html! {
        (heading(place, "Families, and what they are made of.", &list_query(state, None)))
        (list_form(place, state, "in families, labels and raw names", &ORDERS, &html! {}))
        div #live {
            section.card {
                (table(&format!("Families by {order}"), &columns, rows.collect(), empty))
                (not_shown(place, state, "families"))
                p.foot {
                    "Rate: the increase of a counter, or the observations of a histogram or summary, in the last 5 seconds. Gauges and sets have none. "
                    "Of more than 512 families, those are followed that made most series; families with very many series have no rate."
                }
            }
        }
    }
}

/// The rate of a family, if it is known.
pub(super) fn family_rate(family: &Value) -> Markup {
    html! { @if family["rate"].is_number() { (rate(number(&family["rate"]))) } @else { span.soft { "-" } } }
}

/// New series in the last 1, 5 and 15 minutes.
pub(super) fn new_series(new: &Value) -> Markup {
    let sign = if new["since"].is_string() { "≥ " } else { "" };
    html! {
        @if !new.is_object() { span.soft { "-" } }
        @else if number(&new["15m"]) == 0.0 { span.soft { "0" } }
        @else { (sign) (count_of(&new["1m"])) " · " (count_of(&new["5m"])) " · " (count_of(&new["15m"])) }
    }
}

fn one(place: &Place<'_>, family: &Value) -> Markup {
    let name = text(&family["name"]);
    html! {
        p.crumbs { a href=(place.link(View::Series)) { "Series" } " / " code { (cut(name)) } }
        div.head { h1.mono { (cut(name)) } }
        @if family["exists"] != true {
            section.card {
                p { "There is no such family now." }
            }
        } @else {
            div #live {
                section.card { (facts(family)) }
                (labels(place, family))
                (values(place, name, &family["label"]))
                section.card { (rows(family)) }
            }
        }
    }
}

/// The exposed series of a family that its number of series does not include.
fn overflow(family: &Value) -> f64 {
    let is_whole = family["label_value"].is_null();
    if is_whole { (number(&family["found"]) - number(&family["series"])).max(0.0) } else { 0.0 }
}

fn facts(family: &Value) -> Markup {
    html! {
        dl.facts {
            dt { "Type" } dd { (text(&family["type"])) }
            dt { "Series" }
            dd {
                (count_of(&family["series"])) ", " (bytes(number(&family["series_bytes"])))
                @if overflow(family) > 0.0 { ", and " (count(overflow(family))) " with " code { "_overflow_" } ", which take what is beyond a limit and do not count at it" }
            }
            @if family["rate"].is_number() {
                dt { "Rate" }
                dd { (family_rate(family)) ", " @if text(&family["rate_of"]) == "increase" { "increase of all series" } @else { "observations of all series" } }
            }
            @if family["new_series"].is_object() {
                dt { "New series" }
                dd { (new_series(&family["new_series"])) " in the last 1, 5 and 15 min" }
            }
            @if family["age_seconds"].is_number() { dt { "Last sample" } dd { (ago(number(&family["age_seconds"]))) } }
            @if family["help"].is_string() { dt { "Help" } dd { (text(&family["help"])) } }
            @if family["unit"].is_string() { dt { "Unit" } dd { (text(&family["unit"])) } }
            dt { "Rule" } dd { @if text(&family["rule"]).is_empty() { "none: name and tags as sent" } @else { code { (cut(text(&family["rule"]))) } } }
            dt { "First sample" } dd { code { (cut(text(&family["first_sample"]))) } " from " (text(&family["first_source"])) }
        }
    }
}

fn labels(place: &Place<'_>, family: &Value) -> Markup {
    let name = text(&family["name"]);
    let rows = list(&family["labels"]).map(|label| {
        let own = text(&label["name"]);
        let examples: Vec<String> = list(&label["examples"]).map(|example| cut(text(example))).collect();
        vec![
            html! { @if let Some(link) = link(place, name, Some((own, None))) { a href=(link) { (cut(own)) } } @else { (cut(own)) } },
            html! { (count_of(&label["values"])) },
            html! { @for example in &examples { span.tag { code { (example) } } } },
        ]
    });
    let columns = [(Column::Name, "Label"), (Column::Number, "Values"), (Column::Text, "Examples")];
    html! { section.card { (table("Labels by number of values", &columns, rows.collect(), "The family has no labels.")) } }
}

fn values(place: &Place<'_>, family: &str, label: &Value) -> Markup {
    if !label.is_object() {
        return html! {};
    }
    let own = text(&label["name"]);
    let rows = list(&label["values"]).map(|entry| {
        let value = text(&entry["value"]);
        let shown = if value.is_empty() { "(without the label)".to_owned() } else { cut(value) };
        vec![
            html! { @if let Some(link) = link(place, family, Some((own, Some(value)))) { a href=(link) { (shown) } } @else { (shown) } },
            html! { (count_of(&entry["series"])) },
            html! { (ago(number(&entry["first_series_age_seconds"]))) },
        ]
    });
    let new = &label["new_values"];
    let caption = format!(
        "Values of the label {}, {} distinct; new in the last 1, 5 and 15 min: {}, {} and {}",
        cut(own),
        count_of(&label["distinct"]),
        count_of(&new["1m"]),
        count_of(&new["5m"]),
        count_of(&new["15m"])
    );
    html! {
        section.card {
            (table(&caption, &[(Column::Name, "Value"), (Column::Number, "Series"), (Column::Number, "First series")], rows.collect(), "None."))
            @if number(&label["series_of_others"]) > 0.0 { p.foot { "other values: " (count_of(&label["series_of_others"])) " series" } }
        }
    }
}

fn rows(family: &Value) -> Markup {
    let found = number(&family["found"]);
    let rows: Vec<Vec<Markup>> = list(&family["rows"]).map(series_cells).collect();
    let shown = rows.len() as f64;
    let caption = match family["label_value"].as_str() {
        Some(value) => format!("Series with the value {}", cut(value)),
        None => "Series in the order of the exposition".to_owned(),
    };
    html! {
        (table(&caption, &SERIES_COLUMNS, rows, "No series matches."))
        @if found > shown { p.foot { "and " (short(found - shown)) " more series" } }
    }
}

/// The columns of [`series_cells`].
pub(super) const SERIES_COLUMNS: [(Column, &str); 4] =
    [(Column::Name, "Series"), (Column::Number, "Value"), (Column::Number, "Last sample"), (Column::Number, "Expires after")];

/// A row of a table of series.
pub(super) fn series_cells(row: &Value) -> Vec<Markup> {
    let exact = |value: &Value| precise(number(value));
    vec![
        html! { (cut(text(&row["series"]))) },
        html! {
            @if row["count"].is_number() { "count " (exact(&row["count"])) br; "sum " (exact(&row["sum"])) } @else { (exact(&row["value"])) }
        },
        html! { @if row["age_seconds"].is_number() { (ago(number(&row["age_seconds"]))) } @else { "expired" } },
        html! { @if row["ttl_seconds"].is_number() { (duration(number(&row["ttl_seconds"]))) } @else { "never" } },
    ]
}
