//! What each sender sent, and what its clients say they sent.

use maud::{Markup, html};
use serde_json::Value;

use crate::program::web::pages::frame::Place;
use crate::program::web::pages::heading::{asked, heading};
use crate::program::web::pages::list_form::{list_form, list_query, not_shown};
use crate::program::web::pages::table::{Column, table};
use crate::program::web::pages::wording::{bytes, count_of, cut, list, number, text};
use crate::program::web::view::View;

const ORDERS: [(&str, &str); 8] = [
    ("lines", "lines"),
    ("samples", "samples"),
    ("datagrams", "datagrams"),
    ("bytes", "bytes"),
    ("rejected", "rejections"),
    ("lost", "losses of clients"),
    ("last_seen", "last seen"),
    ("name", "sender"),
];

pub(super) fn show(place: &Place<'_>, data: &Value) -> Markup {
    let rows = list(&data["sources"]).map(|sender| {
        vec![
            html! { (cut(text(&sender["source"]))) },
            html! { @if sender["datagrams"].is_number() { (count_of(&sender["datagrams"])) } @else { "-" } },
            html! { (count_of(&sender["lines"])) @if sender["one_line_per_datagram"] == true { br; span.warn { "! one line a datagram" } } },
            html! { (count_of(&sender["samples"])) },
            html! { (bytes(number(&sender["bytes"]))) },
            rejected(place, sender),
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
    let empty = if number(&data["tracked"]) > 0.0 {
        "No sender matches the search."
    } else {
        "No sender is listed. A bridge with --sources.max=0 keeps no list; otherwise nothing arrived yet."
    };
    let sorted = text(&data["list"]["sort"]);
    let order = ORDERS.iter().find(|(name, _)| *name == sorted).map_or("lines", |(_, shown)| shown);
    html! {
        (heading(place, "Who sends what.", &list_query(&data["list"], None)))
        (list_form(place, &data["list"], "an address, a container or a user", &ORDERS, &html! {}))
        div #live {
            (advice(place, data))
            section.card {
                (table(&format!("Senders by {order}"), &columns, rows.collect(), empty))
                (not_shown(place, &data["list"], "senders"))
                @if number(&data["others"]["lines"]) > 0.0 { p.foot { "All others: " (count_of(&data["others"]["lines"])) " lines" } }
                p.foot { "Lines include empty ones, such as those that " code { "echo" } " appends." }
                p.foot { (count_of(&data["tracked"])) " of at most " (count_of(&data["tracked_limit"])) " senders are kept apart." }
            }
        }
    }
}

/// What helps against what some senders do.
fn advice(place: &Place<'_>, data: &Value) -> Markup {
    let any = |holds: &dyn Fn(&Value) -> bool| list(&data["sources"]).any(holds);
    let drops = |sender: &Value| {
        sender["client_telemetry"]["packets_dropped"].as_object().into_iter().flatten().any(|(_, count)| number(count) > 0.0)
    };
    html! {
        @if any(&|sender| sender["one_line_per_datagram"] == true) {
            p.banner {
                strong { "Some clients send one line in each datagram. " }
                "That costs most of the work, in the client and here. Let them pack lines: a buffered or batching client, such as "
                code { "max_buffer_len" } " of the DogStatsD clients, " code { "maxBufferSize" } " of hot-shots, or a pipeline of the Python client."
            }
        }
        @if any(&drops) {
            p.banner.loss {
                strong { "Some clients drop datagrams before they send them. " }
                "Their queue or socket is full: give them a longer queue, aggregation, or a Unix socket. The column of their telemetry says how many."
            }
        }
        @if any(&|sender| number(&sender["client_telemetry"]["compared_datagrams"]["lost"]) > 0.0) {
            p.banner.loss {
                strong { "Datagrams are lost between some clients and the bridge. " }
                "The " a href=(place.link(View::Overview)) { "overview" } " shows whether the kernel of this machine drops them; otherwise the network does. " code { "statsd-bridge doctor" } " tries the way."
            }
        }
    }
}

fn rejected(place: &Place<'_>, sender: &Value) -> Markup {
    let reasons = || sender["rejected"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0.0);
    html! {
        @for (reason, count) in reasons() { span.tag { (reason) " " (count_of(count)) } }
        @if sender["last_rejected"].is_object() { br; code { (asked(place, text(&sender["last_rejected"]["input"]))) } }
    }
}

fn clients(said: &Value) -> Markup {
    if !said.is_object() {
        return html! {};
    }
    let drops = said["packets_dropped"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0.0);
    let compared = &said["compared_datagrams"];
    html! {
        "sent " (count_of(&said["packets_sent"])) " datagrams"
        @if compared.is_object() { br; "arrived " (count_of(&compared["arrived"])) " of " (count_of(&compared["sent"])) " compared" }
        @for (reason, count) in drops { br; span.bad { "▲ dropped " (count_of(count)) " (" (reason) ")" } }
        @if number(&compared["lost"]) > 0.0 {
            br; span.bad { "▲ lost on the way " (count_of(&compared["lost"])) }
        }
    }
}
