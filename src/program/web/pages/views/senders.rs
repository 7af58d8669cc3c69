//! What each sender sent, and what its clients say they sent.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::heading;
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{bytes, count_of, cut, list, number, text};

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let rows = list(&data["sources"]).map(|sender| {
        vec![
            html! { (cut(text(&sender["source"]))) },
            html! { @if sender["datagrams"].is_number() { (count_of(&sender["datagrams"])) } @else { "-" } },
            html! { (count_of(&sender["lines"])) @if one_line_each(sender) { br; span.warn { "! one line a datagram" } } },
            html! { (count_of(&sender["samples"])) },
            html! { (bytes(number(&sender["bytes"]))) },
            rejected(sender),
            clients(&sender["client_telemetry"]),
            html! { (text(&sender["last_seen"])) },
        ]
    });
    let columns = [
        (Column::Name, "Sender"),
        (Column::Number, "Datagrams"),
        (Column::Number, "Lines"),
        (Column::Number, "Samples"),
        (Column::Number, "Bytes"),
        (Column::Text, "Rejected"),
        (Column::Text, "Telemetry of its clients"),
        (Column::Text, "Last seen"),
    ];
    let empty = "No sender is listed. A bridge with --sources.max=0 keeps no list; otherwise nothing arrived yet.";
    html! {
        (heading(place, "Who sends what.", ""))
        div #live {
            section.card {
                (table("Senders with the most lines", &columns, rows.collect(), empty))
                @if number(&data["others"]["lines"]) > 0.0 { p.foot { "All others: " (count_of(&data["others"]["lines"])) " lines" } }
                p.foot { (count_of(&data["tracked"])) " of at most " (count_of(&data["tracked_limit"])) " senders are kept apart." }
            }
        }
    }
}

/// Whether a client sends each line in a datagram of its own, which costs most of the work.
fn one_line_each(sender: &Value) -> bool {
    let (datagrams, lines) = (number(&sender["datagrams"]), number(&sender["lines"]));
    datagrams >= 1_000.0 && lines / datagrams < 1.5
}

fn rejected(sender: &Value) -> Markup {
    let reasons = || sender["rejected"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0.0);
    html! {
        @for (reason, count) in reasons() { span.tag { (reason) " " (count_of(count)) } }
        @if sender["last_rejected"].is_object() { br; code { (cut(text(&sender["last_rejected"]["input"]))) } }
    }
}

fn clients(said: &Value) -> Markup {
    if !said.is_object() {
        return html! {};
    }
    let drops = said["packets_dropped"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0.0);
    let compared = &said["compared_datagrams"];
    html! {
        "sent " (count_of(&said["packets_sent"])) " packets"
        @for (reason, count) in drops { br; span.bad { "▲ dropped " (count_of(count)) " (" (reason) ")" } }
        @if number(&compared["lost"]) > 0.0 {
            br; span.bad { "▲ lost on the way " (count_of(&compared["lost"])) " of " (count_of(&compared["sent"])) }
        }
    }
}
