//! Series: the families with type, number of series and age. The filter is a search by the bridge, in names, labels and first samples.

use std::rc::Rc;

use serde_json::Value;

use super::family;
use crate::program::plain_text::percent_encoded;
use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, duration, list, number, short, text};

const COLUMNS: &[Column] = &[
    Column::text("FAMILY", 0, 16),
    Column::text("TYPE", 1, 9),
    Column::number("SERIES", 0),
    // Samples of counters and observations, each second.
    Column::number("RATE/S", 1),
    Column::number("AGE", 0),
    Column::text("RULE", 3, 12),
    Column::text("FIRST SAMPLE", 2, 12),
    Column::text("FROM", 4, 12),
];

pub(super) fn page(_limit: u16) -> Page {
    let path = |search: &str| format!("/api/v1/series?search={}", percent_encoded(search));
    Page { title: Plain::new("Series"), paths: Paths::Searched(Rc::new(path)), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    let more = number(&data["more"]);
    let said = format!(
        "{} of {} families; the others have {} series. / searches all of them.",
        count(number(&data["found"]) - more),
        count(number(&data["found"])),
        count(number(&data["series_of_more"]))
    );
    Shown {
        notes: if more > 0.0 { vec![Note::new(Tone::Soft, &said)] } else { Vec::new() },
        rows: list(&data["families"]).map(row).collect(),
        empty: "No family. Nothing was recorded, or all series expired. Press a to ask about a name.",
        ..Shown::default()
    }
}

fn row(known: &Value) -> Row {
    let name = text(&known["name"]).to_owned();
    let cells = vec![
        Cell::text(&name),
        Cell::text(text(&known["type"])),
        Cell::number(number(&known["series"]), count),
        Cell::maybe(known["rate"].as_f64(), short),
        Cell::maybe(known["age_seconds"].as_f64(), duration),
        Cell::text(&family::rule(&known["rule"])),
        Cell::text(text(&known["first_sample"])),
        Cell::text(text(&known["first_source"])),
    ];
    Row::new(&name.clone(), cells).opens(move || family::page(&name))
}
