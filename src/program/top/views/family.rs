//! A family: its labels and its series; the values of a label; the series with a value.

use std::rc::Rc;

use serde_json::Value;

use crate::program::plain_text::percent_encoded;
use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{bytes, count, duration, joined, list, number, precise, share, text};

const COLUMNS: &[Column] = &[
    Column::text("LABEL OR SERIES", 0, 20),
    Column::number("VALUE", 0),
    Column::number("AGE", 0),
    Column::number("TTL", 2),
    Column::text("EXAMPLES", 1, 12),
];

const VALUE_COLUMNS: &[Column] = &[Column::text("VALUE", 0, 20), Column::number("SERIES", 0), Column::number("SHARE", 1)];

/// A family with its labels and series.
pub(super) fn page(name: &str) -> Page {
    of(name, name, String::new())
}

/// The series of a family with a value of a label.
fn series_with(name: &str, label: &str, value: &str) -> Page {
    of(name, &format!("{label}={value}"), format!("&label={}&value={}", percent_encoded(label), percent_encoded(value)))
}

fn of(name: &str, title: &str, restriction: String) -> Page {
    let family = percent_encoded(name);
    let is_whole = restriction.is_empty();
    let path = move |search: &str| format!("/api/v1/series?family={family}{restriction}&search={}", percent_encoded(search));
    let show = move |readouts: &Readouts<'_>| show(&readouts.answer(0)["family"], is_whole);
    Page { title: Plain::new(title), paths: Paths::Searched(Rc::new(path)), columns: COLUMNS, show: Rc::new(show) }
}

fn show(family: &Value, is_whole: bool) -> Shown {
    let labels = list(&family["labels"]).filter(|_| is_whole).map(|label| label_row(text(&family["name"]), label));
    let found = number(&family["found"]);
    let rows: Vec<Row> = labels.chain(list(&family["rows"]).map(series_row)).collect();
    let mut notes = Vec::new();
    if family["exists"] == true {
        let size = family["series_bytes"].as_f64().map_or_else(String::new, |size| format!(", {}", bytes(size)));
        let help = family["help"].as_str().map_or_else(String::new, |help| format!(" Help: {help}"));
        let head = format!("{} {}: {} series{size}.{help}", text(&family["type"]), text(&family["name"]), count(number(&family["series"])));
        notes.push(Note::new(Tone::Strong, &head));
        let first = format!("{} from {}; rule: {}", text(&family["first_sample"]), text(&family["first_source"]), rule(&family["rule"]));
        notes.push(Note::fact("First sample", &first));
        let shown = list(&family["rows"]).count() as f64;
        if found > shown {
            notes.push(Note::new(Tone::Soft, &format!("{} of {} series. / searches all of them.", count(shown), count(found))));
        }
    }
    Shown { notes, rows, empty: "No series: the family does not exist, or nothing matches.", ..Shown::default() }
}

fn label_row(family: &str, label: &Value) -> Row {
    let (family, name) = (family.to_owned(), text(&label["name"]).to_owned());
    let cells = vec![
        Cell::text(&format!("label {name}")).toned(Tone::Strong),
        Cell::number(number(&label["values"]), |values| format!("{} values", count(values))),
        Cell::text(""),
        Cell::text(""),
        Cell::text(&joined(&label["examples"])),
    ];
    Row::new(&format!("label {name}"), cells).opens(move || values(&family, &name))
}

/// A series with its value, also for Ask.
pub(super) fn series_row(series: &Value) -> Row {
    let name = text(&series["series"]);
    let value = match (series["value"].as_f64(), series["count"].as_f64()) {
        (Some(value), _) => Cell::number(value, precise),
        (None, Some(observed)) => {
            Cell { number: Some(observed), ..Cell::text(&format!("{} observed, sum {}", count(observed), precise(number(&series["sum"])))) }
        }
        (None, None) => Cell::maybe(None, precise),
    };
    let cells = vec![
        Cell::text(name),
        value,
        Cell::maybe(series["age_seconds"].as_f64(), duration),
        Cell::maybe(series["ttl_seconds"].as_f64(), duration),
        Cell::text(""),
    ];
    Row::new(name, cells)
}

/// The values of a label, those with the most series first.
pub(super) fn values(family: &str, label: &str) -> Page {
    let path = format!("/api/v1/series?family={}&label={}", percent_encoded(family), percent_encoded(label));
    let (name, title) = (family.to_owned(), format!("{family} by {label}"));
    let show = move |readouts: &Readouts<'_>| {
        let known = &readouts.answer(0)["family"]["label"];
        let label = text(&known["name"]).to_owned();
        let distinct = number(&known["distinct"]);
        let head = format!("{} values of the label {label} in {} series.", count(distinct), count(number(&known["read"])));
        let others = number(&known["series_of_others"]);
        let others = if others > 0.0 { format!(" Values that are not shown have {} series.", count(others)) } else { String::new() };
        let read = number(&known["read"]);
        Shown {
            notes: vec![Note::new(Tone::Strong, &format!("{head}{others}"))],
            rows: list(&known["values"]).map(|value| value_row(&name, &label, value, read)).collect(),
            empty: "No value.",
            ..Shown::default()
        }
    };
    Page { title: Plain::new(&title), paths: Paths::Fixed(vec![path]), columns: VALUE_COLUMNS, show: Rc::new(show) }
}

fn value_row(family: &str, label: &str, known: &Value, all: f64) -> Row {
    let (family, label, value) = (family.to_owned(), label.to_owned(), text(&known["value"]).to_owned());
    let series = number(&known["series"]);
    let shown = if value.is_empty() { "(without this label)" } else { &value };
    let cells = vec![Cell::text(shown), Cell::number(series, count), Cell { number: Some(series), ..Cell::text(&share(series, all)) }];
    Row::new(&value.clone(), cells).opens(move || series_with(&family, &label, &value))
}

/// The rule of a family in words.
pub(super) fn rule(rule: &Value) -> String {
    match rule {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => format!("rule {number}"),
        _ => "none".to_owned(),
    }
}
