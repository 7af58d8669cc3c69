//! Scrapes: how often the exposition is read, what was cut off, and the self-metrics about it.

use std::rc::Rc;

use serde_json::Value;

use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, duration, list, number, precise, short, text};

const COLUMNS: &[Column] =
    &[Column::text("SELF-METRIC", 0, 30), Column::number("VALUE", 0), Column::text("LABELS", 1, 12), Column::text("MEANING", 2, 16)];

pub(super) fn page(_limit: u16) -> Page {
    let paths = vec!["/api/v1/scrapes".to_owned()];
    Page { title: Plain::new("Scrapes"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    let last = data["seconds_since_read"].as_f64();
    let last_text = last.map_or_else(|| "none since the start".to_owned(), |last| format!("{} ago", duration(last)));
    let tone = if last.is_some_and(|last| last < 300.0) { Tone::Good } else { Tone::Warning };
    let mut notes = vec![Note::new(
        tone,
        &format!("Last scrape or push: {last_text}; {} scrapes a minute of {}", short(number(&data["per_minute"])), text(&data["path"])),
    )];
    let failed = number(&data["failed"]);
    let (sign, tone) = if failed > 0.0 { ("! ", Tone::Warning) } else { ("", Tone::Normal) };
    notes.push(Note::new(
        tone,
        &format!("{sign}{} scrapes since the start, {} cut off or answered 503", count(number(&data["total"])), count(failed)),
    ));
    let rows = list(&data["self_metrics"]).filter(|known| number(&known["value"]) != 0.0);
    Shown { notes, rows: rows.map(row).collect(), empty: "All self-metrics of scrapes and HTTP are 0.", ..Shown::default() }
}

fn row(known: &Value) -> Row {
    let (name, labels, of) = (text(&known["name"]), text(&known["labels"]), text(&known["of"]));
    let shown = if of.is_empty() { name.to_owned() } else { format!("{name} ({of})") };
    let cells =
        vec![Cell::text(&shown), Cell::number(number(&known["value"]), precise), Cell::text(labels), Cell::text(text(&known["help"]))];
    Row::new(&format!("{shown}{{{labels}}}"), cells)
}
