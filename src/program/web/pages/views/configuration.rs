//! The configuration in force: flags with default and origin, and the files that are reloaded.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::list_form::{list_form, list_query};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{count_of, cut, duration, list, number, reloaded_file, sentence, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let orders = [("changed", "changed first"), ("name", "name")];
    let only_changed = text(&data["show"]) == "changed";
    let more = html! {
        span {
            label for="show" { "of " }
            select #show name="show" {
                option value="all" selected[!only_changed] { "all flags" }
                option value="changed" selected[only_changed] { "changed flags" }
            }
        }
    };
    html! {
        (heading(place, "Flags in force, and the files that are reloaded. Secrets are not shown.", &list_query(&data["list"], None)))
        div #live {
            (warnings(data))
            div.pair { @for file in list(&data["files"]) { (file_card(file)) } }
            (list_form(place, &data["list"], "in flags, help and values", &orders, &more))
            section.card { (flags(data)) }
        }
    }
}

fn warnings(data: &Value) -> Markup {
    html! {
        @for file in list(&data["files"]).filter(|file| file["last_reload"]["succeeded"] == false) {
            div.banner.loss role="status" {
                p { strong { "The last reload of " (reloaded_file(text(&file["name"]))) " failed. " } "What was in force before stays in force. Correct the file; it is read again when it changes." }
            }
        }
        @if list(&data["without_effect"]).next().is_some() {
            p.banner { "Given, but without effect: " @for flag in list(&data["without_effect"]) { code { (text(flag)) } " " } "Remove these flags." }
        }
        @for warning in list(&data["unknown_variables"]) { p.banner { (sentence(&cut(text(warning)))) } }
    }
}

fn file_card(file: &Value) -> Markup {
    let paths: Vec<&Value> = list(&file["files"]).collect();
    let last = &file["last_reload"];
    let cause = match text(&last["cause"]) {
        "signal" => "by SIGHUP",
        "api" => "by /-/reload",
        _ => "because it changed",
    };
    html! {
        section.card {
            h2 { (sentence(reloaded_file(text(&file["name"]))).trim_end_matches('.')) }
            @if paths.is_empty() {
                p { "There is none: names and tags are used as sent. " code { "--statsd.mapping-config" } " names mapping files." }
            }
            dl.facts {
                @for path in &paths {
                    dt { @if path["rules"].is_number() { (rules(&path["rules"])) } @else { "File" } }
                    dd.mono { (cut(text(&path["path"]))) }
                }
                @if paths.len() > 1 && file["rules"].is_number() { dt { "Together" } dd { (rules(&file["rules"])) } }
                @if file["loaded"].is_string() { dt { "In force since" } dd { (text(&file["loaded"])) } }
                @if file["hash"].is_number() && !paths.is_empty() { dt { "Hash of the files" } dd.mono { (file["hash"]) }  }
                dt { "Checked for changes" }
                dd { @if file["watch_seconds"].is_number() { "every " (duration(number(&file["watch_seconds"]))) } @else { "never: send SIGHUP, or call /-/reload" } }
                dt { "Last reload" }
                dd {
                    @if last.is_object() {
                        @if last["succeeded"] == true { span.good { "✓ succeeded" } } @else { span.bad { "✗ failed" } }
                        " " (cause) " at " (text(&last["time"])) br;
                        span.soft { (count_of(&file["reloads"]["succeeded"])) " succeeded, " (count_of(&file["reloads"]["failed"])) " failed since the start" }
                    } @else { "none since the start" }
                }
            }
            (errors(last))
        }
    }
}

fn rules(count: &Value) -> String {
    if number(count) == 1.0 { "1 rule".to_owned() } else { format!("{} rules", count_of(count)) }
}

fn errors(last: &Value) -> Markup {
    let shown = list(&last["errors"]).count();
    html! {
        @if shown > 0 {
            ul.errors {
                @for error in list(&last["errors"]) {
                    li {
                        @if error["line"].is_number() { code { (cut(text(&error["file"]))) ":" (error["line"]) ":" (error["column"]) } ": " }
                        (sentence(text(&error["text"])))
                    }
                }
            }
            @let more = number(&last["error_count"]) - shown as f64;
            @if more > 0.0 { p.foot { "and " (more) " more errors" } }
        }
    }
}

fn flags(data: &Value) -> Markup {
    let quoted = |value: &Value| html! { @if text(value).is_empty() { span.soft { "\"\"" } } @else { code { (cut(text(value))) } } };
    let rows = list(&data["flags"]).map(|flag| {
        let is_changed = flag["changed"] == true;
        let set_by = text(&flag["set_by"]);
        vec![
            html! { @if is_changed { strong { "--" (text(&flag["flag"])) } } @else { "--" (text(&flag["flag"])) } },
            html! { (quoted(&flag["value"])) @if !text(&flag["note"]).is_empty() { br; span.warn { "! " (text(&flag["note"])) } } },
            quoted(&flag["default"]),
            html! {
                @match text(&flag["origin"]) {
                    "command_line" => { "command line" }
                    "environment" => { "environment, " code { (set_by) } }
                    "compat" => { "default of " code { "--compat" } }
                    _ => { span.soft { "default" } }
                }
            },
            html! { (sentence(text(&flag["help"]))) },
        ]
    });
    let columns =
        [(Column::Name, "Flag"), (Column::Name, "Value"), (Column::Name, "Default"), (Column::Text, "Origin"), (Column::Text, "Meaning")];
    let caption = format!("{} of {} flags are changed", count_of(&data["changed"]), count_of(&data["all"]));
    table(&caption, &columns, rows.collect(), "No flag matches.")
}
