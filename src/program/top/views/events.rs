//! Events: the last DogStatsD events, newest first.

use std::rc::Rc;

use serde_json::Value;

use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, joined, list, number, text, time};

const COLUMNS: &[Column] = &[
    Column::text("TIME", 0, 14),
    Column::text("ALERT", 0, 9),
    Column::text("TITLE", 0, 16),
    Column::text("TEXT", 1, 12),
    Column::text("FROM", 2, 14),
    Column::text("TAGS", 3, 12),
];

pub(super) fn page(limit: u16) -> Page {
    let paths = vec![format!("/api/v1/events?limit={limit}")];
    Page { title: Plain::new("Events"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    let kept = format!("{} events are kept; {} older ones made room.", count(number(&data["kept"])), count(number(&data["evicted"])));
    Shown {
        notes: vec![Note::new(Tone::Soft, &kept)],
        rows: list(&data["events"]).map(row).collect(),
        empty: "No event arrived.",
        ..Shown::default()
    }
}

fn row(event: &Value) -> Row {
    let alert = event["alert_type"].as_str().unwrap_or("info");
    let alert = match alert {
        "error" => Cell::text("! error").toned(Tone::Bad),
        "warning" => Cell::text("! warning").toned(Tone::Warning),
        other => Cell::text(other),
    };
    let at = text(&event["time"]);
    let cells = vec![
        Cell { number: event["time_ms"].as_f64(), ..Cell::text(&time(at)) },
        alert,
        Cell::text(text(&event["title"])),
        Cell::text(text(&event["text"])),
        Cell::text(text(&event["source"])),
        Cell::text(&joined(&event["tags"])),
    ];
    let (id, event) = (format!("{at} {}", text(&event["title"])), event.clone());
    Row::new(&id, cells).opens(move || event_page(&event))
}

/// An event with all that it states.
fn event_page(event: &Value) -> Page {
    let event = event.clone();
    let show = move |_: &Readouts<'_>| {
        let mut notes = vec![Note::new(Tone::Strong, text(&event["title"]))];
        notes.extend(text(&event["text"]).lines().map(|line| Note::new(Tone::Normal, line)));
        let parts = event.as_object().into_iter().flatten();
        for (name, part) in parts.filter(|(name, part)| !part.is_null() && !matches!(name.as_str(), "title" | "text" | "time_ms")) {
            let said = match part {
                Value::String(text) => text.clone(),
                Value::Array(_) => joined(part),
                other => other.to_string(),
            };
            notes.push(Note::fact(name, &said));
        }
        Shown { notes, ..Shown::default() }
    };
    Page { title: Plain::new("event"), paths: Paths::None, columns: &[], show: Rc::new(show) }
}
