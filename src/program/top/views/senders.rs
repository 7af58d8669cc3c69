//! Senders: what each sent, what was rejected, and what its clients say about themselves.

use std::rc::Rc;

use serde_json::Value;

use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{bytes, count, list, number, share, short, text, time};

const COLUMNS: &[Column] = &[
    Column::text("SENDER", 0, 16),
    Column::number("LINES/S", 0),
    Column::number("LINES", 1),
    Column::number("SAMPLES", 2),
    Column::number("BYTES", 3),
    Column::number("REJECTED", 0),
    Column::number("LOST", 1),
    Column::text("LAST SEEN", 3, 14),
];

const REASON_COLUMNS: &[Column] = &[Column::text("REJECTED BECAUSE", 0, 16), Column::number("COUNT", 0)];

pub(super) fn page(limit: u16) -> Page {
    let paths = vec![format!("/api/v1/sources?limit={limit}")];
    Page { title: Plain::new("Senders"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    let (tracked, others) = (number(&data["tracked"]), number(&data["others"]["lines"]));
    let mut said = format!("Known senders: {} of at most {}", count(tracked), count(number(&data["tracked_limit"])));
    if others > 0.0 {
        said.push_str(&format!("; those that are not shown sent {} lines", count(others)));
    }
    Shown {
        notes: vec![Note::new(Tone::Soft, &format!("{said}."))],
        rows: list(&data["sources"]).map(|sender| row(sender, readouts)).collect(),
        empty: "Nothing arrived. `statsd-bridge doctor` sends probes and says why any do not arrive.",
        ..Shown::default()
    }
}

fn rejected(sender: &Value) -> f64 {
    sender["rejected"].as_object().into_iter().flatten().map(|(_, count)| number(count)).sum()
}

/// What is lost between the clients and the bridge: datagrams, or bytes of a stream.
fn lost(sender: &Value) -> Option<(f64, f64, &'static str)> {
    let said = &sender["client_telemetry"];
    let (compared, unit) =
        [("compared_datagrams", "datagrams"), ("compared_bytes", "bytes")].into_iter().find(|(key, _)| said[*key].is_object())?;
    Some((number(&said[compared]["lost"]), number(&said[compared]["sent"]), unit))
}

/// A sender with the short form of its container's id, which the tools of container runtimes accept.
fn name(sender: &Value) -> String {
    let short = sender["container_id"].as_str().map(|id| id.get(..12).unwrap_or(id));
    short.map_or_else(|| text(&sender["source"]).to_owned(), |id| format!("{} container {id}", text(&sender["transport"])))
}

fn row(sender: &Value, readouts: &Readouts<'_>) -> Row {
    let (lines, rejected) = (number(&sender["lines"]), rejected(sender));
    let earlier = |before: &Value| list(&before["sources"]).find(|old| old["source"] == sender["source"]).map(|old| number(&old["lines"]));
    let bad = |number: f64| if number > 0.0 { Tone::Bad } else { Tone::Normal };
    let (lost_share, lost_tone) = match lost(sender) {
        Some((lost, sent, _)) => (Cell { number: Some(lost), ..Cell::text(&share(lost, sent)) }, bad(lost)),
        None => (Cell::maybe(None, short), Tone::Normal),
    };
    let cells = vec![
        Cell::text(&name(sender)),
        Cell::maybe(readouts.rate(lines, earlier), short),
        Cell::number(lines, count),
        Cell::number(number(&sender["samples"]), count),
        Cell::number(number(&sender["bytes"]), bytes),
        Cell::number(rejected, count).toned(bad(rejected)),
        lost_share.toned(lost_tone),
        Cell::text(&time(text(&sender["last_seen"]))),
    ];
    let source = text(&sender["source"]).to_owned();
    Row::new(&source.clone(), cells).opens(move || sender_page(&source))
}

/// A sender with all that is known of it.
fn sender_page(source: &str) -> Page {
    let wanted = source.to_owned();
    let show = move |readouts: &Readouts<'_>| {
        let Some(sender) = list(&readouts.answer(0)["sources"]).find(|sender| text(&sender["source"]) == wanted) else {
            return Shown { empty: "The bridge does not know this sender any more: others made room for new ones.", ..Shown::default() };
        };
        let reasons = sender["rejected"].as_object().into_iter().flatten();
        let rows = reasons.map(|(reason, total)| Row::new(reason, vec![Cell::text(reason), Cell::number(number(total), count)]));
        Shown { notes: notes(sender), rows: rows.collect(), empty: "Nothing of this sender was rejected.", ..Shown::default() }
    };
    let paths = vec!["/api/v1/sources?limit=10000".to_owned()];
    Page { title: Plain::new(source), paths: Paths::Fixed(paths), columns: REASON_COLUMNS, show: Rc::new(show) }
}

fn notes(sender: &Value) -> Vec<Note> {
    let of = |key: &str| count(number(&sender[key]));
    let mut notes = vec![
        Note::new(Tone::Strong, text(&sender["source"])),
        Note::fact(
            "Sent",
            &format!(
                "{} datagrams, {}, {} lines, {} samples",
                of("datagrams"),
                bytes(number(&sender["bytes"])),
                of("lines"),
                of("samples")
            ),
        ),
        Note::fact("Seen", &format!("first {}, last {}", text(&sender["first_seen"]), text(&sender["last_seen"]))),
    ];
    let last = &sender["last_rejected"];
    if last.is_object() {
        let said = format!("! Last rejected at {}: {} because {}", text(&last["time"]), text(&last["input"]), text(&last["reason"]));
        notes.push(Note::new(Tone::Warning, &said));
    }
    notes.extend(said_by_clients(sender));
    notes
}

fn said_by_clients(sender: &Value) -> Vec<Note> {
    let said = &sender["client_telemetry"];
    if !said.is_object() {
        return Vec::new();
    }
    let of = |key: &str| count(number(&said[key]));
    let sent = format!("{} metrics in {} packets of {}", of("metrics"), of("packets_sent"), bytes(number(&said["bytes_sent"])));
    let mut notes = vec![Note::fact("Its clients say they sent", &sent)];
    let drops = said["packets_dropped"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0.0);
    let drops: Vec<String> = drops.map(|(reason, total)| format!("{reason} {}", count(number(total)))).collect();
    if !drops.is_empty() {
        notes.push(Note::new(Tone::Bad, &format!("! Its clients dropped packets: {}", drops.join(", "))));
    }
    if let Some((lost, sent, unit)) = lost(sender) {
        let (sign, tone) = if lost > 0.0 { ("! ", Tone::Bad) } else { ("", Tone::Good) };
        notes.push(Note::new(tone, &format!("{sign}Lost on the way: {} of {} {unit} ({})", count(lost), count(sent), share(lost, sent))));
    }
    notes
}
