//! The overview: what needs attention, the way of a datagram, charts, and how to send and scrape.

use maud::{Markup, html};
use serde_json::Value;

use super::failed_reloads;
use crate::program::web::pages::chart::chart;
use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::visit::Visit;
use crate::program::web::pages::wording::{bytes, count_of, counted, duration, list, number, rate, sentence, short, text, with_code};
use crate::program::web::view::View;

/// Seconds before a limit is reached from which the overview says so.
const SOON: f64 = 3_600.0;

pub(super) fn show(place: &Place<'_>, visit: &Visit, data: &Value) -> Markup {
    let uptime = duration(number(&data["uptime_seconds"]));
    html! {
        (heading(place, "Receives StatsD and DogStatsD, exposes Prometheus metrics.", ""))
        div #live {
            p.soft { "Running for " (uptime) "." }
            (banners(place, data))
            (way(data))
            div.grid { @for shown in list(&data["charts"]) { (chart_card(shown)) } }
            (losses(place, data))
            (problems(place, &data["problems"]))
        }
        (start(place, visit))
    }
}

fn banners(place: &Place<'_>, data: &Value) -> Markup {
    let seconds = data["seconds_since_read"].as_f64();
    html! {
        (failed_reloads::banners(place, &data["failed_reloads"]))
        @if data["unread"] == true {
            div.banner role="status" {
                p {
                    strong { "No scrape for 5 minutes. " }
                    @match seconds {
                        Some(seconds) => { "The last one was " (duration(seconds)) " ago. " }
                        None => { "There was none since the start. " }
                    }
                    "Prometheus must reach " code { (place.live.telemetry_path) } " on this address: look at its page "
                    em { "Targets" } ", or ask here:"
                }
                pre { (format!("curl -s http://127.0.0.1:9102{} | head", place.live.telemetry_path)) }
            }
        }
        @for (title, key) in [("series", "series"), ("memory of series", "series_bytes"), ("families", "families")] {
            @let full = &data["full_in_seconds"][key];
            @if full.is_number() && number(full) < SOON {
                div.banner role="status" {
                    p {
                        strong { "The limit on the " (title) " is reached in " (duration(number(full))) " at the growth of the last 5 minutes. " }
                        "New series are then folded or rejected. " a href=(place.link(View::Cardinality)) { "Cardinality" } " shows what grows, and what would save most."
                    }
                }
            }
        }
        @for stage in list(&data["way"]).filter(|stage| number(&stage["lost_rate"]) > 0.0) {
            div.banner.loss role="status" {
                p {
                    strong { (text(&stage["title"])) ": losing " (rate(number(&stage["lost_rate"]))) " " (text(&stage["lost_unit"])) ". " }
                    (text(&stage["advice"]))
                    @for view in shows(stage) { " " a href=(place.link(*view)) { (view.title()) } }
                }
                pre { (text(&stage["command"])) }
            }
        }
    }
}

/// The views that name what a stage loses.
fn shows(stage: &Value) -> &'static [View] {
    match text(&stage["stage"]) {
        "parsed" => &[View::Rejected],
        "recorded" => &[View::Rejected, View::Cardinality],
        "pushed" => &[View::Push],
        _ => &[],
    }
}

/// The stages as a list. A stage that loses has a word and a sign, and not only a colour.
fn way(data: &Value) -> Markup {
    html! {
        section.card aria-labelledby="way" {
            h2 #way { "The way of a datagram" }
            ol.way {
                @for stage in list(&data["way"]) {
                    @let lost = (number(&stage["lost_rate"]), number(&stage["lost_total"]));
                    li.loses[lost.0 > 0.0].had[lost.0 == 0.0 && lost.1 > 0.0] {
                        span.stage { (text(&stage["title"])) }
                        span.rate { (rate(number(&stage["rate"]))) }
                        span.total { (counted(&stage["total"], text(&stage["unit"]))) }
                        @if lost.0 > 0.0 {
                            span.lost { "▲ losing " (rate(lost.0)) }
                        } @else if lost.1 > 0.0 {
                            span.lost title=(text(&stage["advice"])) { "lost " (count_of(&stage["lost_total"])) " before" }
                        }
                        @if stage["mapping"].is_object() && number(&stage["mapping"]["dropped_by_rule"]["total"]) > 0.0 {
                            span.total { (count_of(&stage["mapping"]["dropped_by_rule"]["total"])) " dropped by rules" }
                        }
                    }
                }
            }
        }
    }
}

fn chart_card(shown: &Value) -> Markup {
    let unit = text(&shown["unit"]);
    let say = |number: f64| match unit {
        "per_second" => rate(number),
        "per_minute" => format!("{} a minute", short(number)),
        "bytes" => bytes(number),
        // Of one core.
        "cores" => format!("{} %", short((number * 1000.0).round() / 10.0)),
        _ => short(number),
    };
    let latest = shown["latest"].as_f64().map(say);
    // The latest rate is of the last seconds: of the first of them, there are no points yet.
    let most = list(&shown["points"]).map(|pair| number(&pair[1])).fold(number(&shown["latest"]), f64::max);
    let limit = shown["limit"].as_f64();
    let name = text(&shown["title"]);
    html! {
        section.card aria-label=(name) {
            h2 { (name) }
            p.figure {
                (latest.as_deref().unwrap_or("-"))
                @if let Some(limit) = limit { " " small { "of " (say(limit)) } }
            }
            (chart(&format!("{name}, the last 15 minutes: now {}, at most {}", latest.as_deref().unwrap_or("unknown"), say(most)), &shown["points"], limit))
            p.legend { "last 15 minutes, at most " (say(most)) }
        }
    }
}

fn losses(place: &Place<'_>, data: &Value) -> Markup {
    let rows: Vec<Vec<Markup>> = list(&data["losses"])
        .map(|loss| {
            vec![
                html! { a href=(format!("{}#{}", place.link(View::Rejected), text(&loss["reason"]))) { (text(&loss["reason"])) } },
                html! { (rate(number(&loss["rate"]))) },
                html! { (count_of(&loss["total"])) },
                html! { (with_code(&sentence(text(&loss["advice"])))) },
            ]
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    let columns = [(Column::Name, "Reason"), (Column::Number, "Rate"), (Column::Number, "Since start"), (Column::Text, "What helps")];
    html! { section.card { h2 { "Rejected by reason" } (table("Lines and samples", &columns, rows, "")) } }
}

fn problems(place: &Place<'_>, problems: &Value) -> Markup {
    let all = [
        ("Limits hit", "limits", View::Cardinality),
        ("Conflicting names", "conflicts", View::Rejected),
        ("Unmapped names", "unmapped", View::Rules),
    ];
    html! {
        @for (title, key, view) in all {
            @if list(&problems[key]).next().is_some() {
                section.card {
                    h2 { a href=(place.link(view)) { (title) } }
                    @for line in list(&problems[key]) { p.mono { (text(line)) } }
                }
            }
        }
    }
}

fn start(place: &Place<'_>, visit: &Visit) -> Markup {
    let api = [
        "cardinality",
        "configuration",
        "conflicts",
        "events",
        "overview",
        "proposals",
        "push",
        "rejections",
        "rules",
        "scrapes",
        "series",
        "sources",
        "unmapped",
    ];
    let path = &place.live.telemetry_path;
    let target = visit.address.map_or_else(|| "localhost:9102".to_owned(), |address| address.to_string());
    let other_path = if path == "/metrics" { String::new() } else { format!("    metrics_path: {path}\n") };
    html! {
        div.pair {
            @if let Some(command) = &place.live.sample_command {
                section.card { h2 { "Send a sample" } pre #send { (command) } button type="button" data-copy="send" data-script hidden { "Copy" } }
            }
            section.card {
                h2 { "Scrape the bridge" }
                pre #scrape {
                    "scrape_configs:\n  - job_name: statsd\n" (other_path) "    static_configs:\n      - targets: [\"" (target) "\"]"
                }
                button type="button" data-copy="scrape" data-script hidden { "Copy" }
            }
        }
        section.card {
            h2 { "Paths" }
            p { a href=(place.path(path)) { (path) } ": metrics, including self-metrics" }
            p {
                "JSON: "
                @for name in api { @let path = format!("/api/v1/{name}"); a.tag href=(place.path(&path)) { (path) } }
            }
            p {
                "Health: "
                @for path in ["/-/healthy", "/-/ready"] { a.tag href=(place.path(path)) { (path) } }
            }
        }
    }
}
