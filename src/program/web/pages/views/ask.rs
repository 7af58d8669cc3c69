//! The answer to a question about a line or a name.

use maud::{Markup, html};
use serde_json::Value;

use super::series::{SERIES_COLUMNS, family_link, family_rate, series_cells};
use crate::program::plain_text::percent_encoded;
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{ago, count_of, cut, list, number, sentence, text, with_code};
use crate::program::web::view::View;

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let asked = text(&data["q"]);
    html! {
        (heading(place, "What became of a line or a name.", &format!("?q={}", percent_encoded(asked))))
        div #live {
            @if let Some(last) = place.live.configuration.files.rules.as_ref().and_then(|record| record.get().last) && last.error_count > 0 {
                p.warn { "! The last reload of the mapping files failed, so the rules in force are those of before: " a href=(place.link(View::Configuration)) { "Configuration" } }
            }
            @if asked.is_empty() { (examples(place)) } @else { p { "Asked: " code { (cut(asked)) } } }
            @for card in list(&data["cards"]) { (answer(place, card)) }
        }
    }
}

fn examples(place: &Place<'_>) -> Markup {
    let examples = [
        ("a StatsD line", "shop.checkout.time:320|ms|#region:eu"),
        ("a StatsD name", "shop.checkout.time"),
        ("a Prometheus name, with or without labels", "shop_checkout_time_bucket{region=\"eu\"}"),
    ];
    html! {
        section.card {
            h2 { "Paste into the box above" }
            ul {
                @for (what, example) in examples {
                    li { (what) ": " a href=(format!("{}?q={}", place.link(View::Ask), percent_encoded(example))) { code { (example) } } }
                }
            }
        }
    }
}

fn answer(place: &Place<'_>, card: &Value) -> Markup {
    let verdict = text(&card["verdict"]);
    let class = match verdict {
        "arrives" => "good",
        "other_labels" | "other_name" | "gone" | "expired" | "no_sample" => "warn",
        _ => "bad",
    };
    html! {
        section.card data-verdict=(verdict) {
            p class=(format!("verdict {class}")) { (cut(text(&card["sentence"]))) }
            @if card["advice"].is_string() { p { (with_code(&sentence(text(&card["advice"])))) } }
            (read(place, card))
            @if verdict != "conflict" { (often(card)) }
            (limits(&card["limits"]))
            @if card["series"].is_array() {
                (table("Series", &SERIES_COLUMNS, list(&card["series"]).map(series_cells).collect(), "None."))
                @let more = number(&card["series_found"]) - list(&card["series"]).count() as f64;
                @if more > 0.0 { p.foot { "and " (more) " more: " (family_link(place, text(&card["family"]["name"]))) } }
            }
            (raw(place, card))
            @if list(&card["near"]).next().is_some() {
                h3 { "Names that did arrive, and are near" }
                p { @for near in list(&card["near"]) { a.tag href=(ask(place, text(&near["name"]))) { (cut(text(&near["name"]))) } } }
            }
        }
    }
}

fn ask(place: &Place<'_>, name: &str) -> String {
    format!("{}?q={}", place.link(View::Ask), percent_encoded(&cut(name)))
}

/// How the bridge reads and maps it.
fn read(place: &Place<'_>, card: &Value) -> Markup {
    let (read, family) = (&card["read"], &card["family"]["name"]);
    if !read.is_object() {
        return html! {
            @if family.is_string() { dl.facts { dt { "Family" } dd { (family_link(place, text(family))) } } }
        };
    }
    let (rule, becomes) = (&read["rule"], &read["becomes"]);
    let captures: Vec<String> =
        list(&rule["captures"]).enumerate().map(|(at, capture)| format!("${} = {}", at + 1, cut(text(capture)))).collect();
    html! {
        dl.facts {
            dt { "Read as" } dd { "name " code { (cut(text(&read["name"]))) } @if read["kind"].is_string() { ", kind " code { (text(&read["kind"])) } } }
            @if list(&read["tags"]).next().is_some() {
                dt { "Tags" } dd { @for tag in list(&read["tags"]) { span.tag { code { (cut(text(&tag["key"]))) "=" (cut(text(&tag["value"]))) } } } }
            }
            dt { "Rule" }
            dd {
                @if rule.is_object() {
                    code { (cut(text(&rule["match"]))) } " at " code { (text(&rule["position"])) }
                    @if !captures.is_empty() { ", " code { (captures.join(", ")) } }
                } @else { "none: name and tags as sent" }
            }
            @if becomes.is_object() {
                dt { "Becomes" }
                dd {
                    (text(&becomes["type"])) " "
                    // A family that does not exist has no page.
                    @if becomes["family"] == *family { (family_link(place, text(family))) } @else { code { (cut(text(&becomes["family"]))) } }
                    @if !text(&becomes["labels"]).is_empty() { " " code { "{" (cut(text(&becomes["labels"]))) "}" } }
                }
            }
        }
    }
}

/// How often it comes: what is counted of its family and its rule.
fn often(card: &Value) -> Markup {
    let (family, rule) = (&card["family"], &card["read"]["rule"]);
    html! {
        @if family["rate"].is_number() || rule["samples"].is_number() {
            dl.facts {
                dt { "How often" }
                dd {
                    @if family["rate"].is_number() {
                        (family_rate(family)) ", "
                        @if text(&family["rate_of"]) == "increase" { "the increase" } @else { "observations" } " of the whole family in the last 5 s"
                    }
                    @if rule["samples"].is_number() {
                        @if family["rate"].is_number() { br; }
                        (count_of(&rule["samples"])) " samples of all names that match the rule, since the rules took effect"
                    }
                    br; span.soft { "Samples are counted by family and by rule, and by raw name only where no rule matches: counting all names would slow receiving." }
                }
            }
        }
    }
}

fn limits(limits: &Value) -> Markup {
    html! {
        @for hit in list(limits) {
            @let examples: Vec<&str> = list(&hit["examples"]).map(text).collect();
            p.warn {
                "! Limit " (text(&hit["limit"]))
                @if hit["limit"] == "values_per_label" { " of the label " code { (cut(text(&hit["label"]))) } }
                ", " (count_of(&hit["in_force"])) ", set by " (with_code(text(&hit["set_by"]))) ": "
                (count_of(&hit["samples"])) " samples " (text(&hit["effect"]))
                @if hit["limit"] != "values_per_label" && !text(&hit["label"]).is_empty() {
                    "; the label with the most values is " code { (cut(text(&hit["label"]))) }
                }
                "; first from " (text(&hit["first_source"]))
                @if !examples.is_empty() { ", for example " code { (cut(&examples.join(", "))) } }
            }
        }
    }
}

fn raw(place: &Place<'_>, card: &Value) -> Markup {
    let rows: Vec<Vec<Markup>> = list(&card["raw"])
        .map(|known| {
            vec![
                html! { a href=(ask(place, text(&known["name"]))) { (cut(text(&known["name"]))) } },
                html! { (text(&known["kind"])) },
                html! { (text(&known["outcome"])) },
                html! { (count_of(&known["identities"])) },
                html! { @if known["samples"].is_number() { (count_of(&known["samples"])) } @else { span.soft { "-" } } },
                html! { (text(&known["first_source"])) @if known["first_source"] != known["last_source"] { br; (text(&known["last_source"])) } },
                html! { (ago(number(&known["last_new_identity_age_seconds"]))) },
            ]
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    let columns = [
        (Column::Name, "Raw name"),
        (Column::Text, "Kind"),
        (Column::Text, "Outcome"),
        (Column::Number, "New identities"),
        (Column::Number, "Samples"),
        (Column::Text, "First and last sender"),
        (Column::Number, "Last new identity"),
    ];
    table("Raw names that lead here", &columns, rows, "")
}
