//! The push targets.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::wording::{bytes, count_of, cut, duration, list, number, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let targets: Vec<&Value> = list(&data["targets"]).collect();
    html! {
        (heading(place, "What each push target was sent and answered.", ""))
        div #live {
            @if targets.is_empty() { section.card { p { "There is no push target. " code { "--push.config.file" } " or " code { "--push.url" } " adds one." } } }
            @for target in targets { (card(target)) }
        }
    }
}

fn card(target: &Value) -> Markup {
    let queue = &target["queue"];
    let samples = target["samples"].as_object().into_iter().flatten();
    html! {
        section.card {
            h2 { (cut(text(&target["name"]))) }
            @if target["healthy"] == true {
                p.verdict.good { "Healthy" }
            } @else {
                p.verdict.bad { "Not healthy: " (count_of(&target["failures"])) " failures in a row" }
            }
            dl.facts {
                dt { "URL" } dd.mono { (cut(text(&target["url"]))) }
                dt { "Protocol" } dd { (text(&target["protocol"])) @if target["protocol_in_use"].is_string() { ", in use: " (text(&target["protocol_in_use"])) } }
                dt { "Interval" } dd { (duration(number(&target["interval_seconds"]))) }
                dt { "Last success" } dd { (target["last_success"].as_str().unwrap_or("never")) }
                @for (title, key) in [("Last answer", "last_answer"), ("Last rejection", "last_rejection")] {
                    @let answer = &target[key];
                    @if answer.is_object() {
                        dt { (title) } dd { (text(&answer["time"])) @if answer["status"].is_number() { ", status " (count_of(&answer["status"])) } br; code { (cut(text(&answer["text"]))) } }
                    }
                }
                dt { "Samples made" } dd { (count_of(&target["samples_made"])) }
                dt { "Samples" } dd { @for (result, count) in samples { span.tag { (result) " " (count_of(count)) } } }
                dt { "Queue" } dd {
                    (count_of(&queue["samples"])) " samples in " (count_of(&queue["requests"])) " requests, " (bytes(number(&queue["bytes"])))
                    " of " (bytes(number(&queue["bytes_limit"]))) ", oldest " (duration(number(&queue["age_seconds"])))
                }
            }
        }
    }
}
