//! Cardinality: series, memory and families against their limits; the limits that were hit with their offenders; the largest families.

use std::rc::Rc;

use serde_json::Value;

use super::family;
use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{bytes, count, duration, joined, list, number, share, text};

const COLUMNS: &[Column] = &[
    Column::text("FAMILY", 0, 16),
    Column::text("TYPE", 2, 9),
    Column::number("SERIES", 0),
    Column::number("NEW IN 5M", 2),
    Column::number("SHARE", 3),
    Column::number("MEMORY", 0),
    Column::text("LIMIT HIT", 1, 10),
    Column::text("WIDEST LABELS", 2, 12),
];

const LABEL_COLUMNS: &[Column] =
    &[Column::text("LABEL", 0, 10), Column::number("VALUES", 0), Column::text("LOOKS LIKE", 1, 10), Column::text("EXAMPLES", 1, 12)];

/// From this part of a limit on, it is marked.
const NEARLY_FULL: f64 = 0.9;

pub(super) fn page(limit: u16) -> Page {
    let paths = vec![format!("/api/v1/cardinality?limit={limit}")];
    Page { title: Plain::new("Cardinality"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    let kept_out = list(&data["families_kept_out"]).map(kept_out);
    let families = list(&data["families"]).map(|known| row(known, number(&data["totals"]["series"])));
    Shown { notes: totals(&data["totals"]), rows: kept_out.chain(families).collect(), empty: "There are no series.", ..Shown::default() }
}

/// The limits, each with a bar.
fn totals(totals: &Value) -> Vec<Note> {
    let of = |name: &str, key: &str, in_words: fn(f64) -> String| {
        let full_in = totals["full_in_seconds"][key].as_f64();
        bar(name, (number(&totals[key]), number(&totals[format!("{key}_limit")])), full_in, in_words)
    };
    vec![of("series", "series", count), of("memory", "series_bytes", bytes), of("families", "families", count)]
}

fn bar(name: &str, (used, limit): (f64, f64), full_in: Option<f64>, in_words: fn(f64) -> String) -> Note {
    const WIDTH: usize = 20;
    let part = if limit > 0.0 { used / limit } else { 0.0 };
    let full = ((part * WIDTH as f64).round() as usize).min(WIDTH);
    let (sign, tone) = match full_in {
        _ if part >= NEARLY_FULL => (" ! nearly full".to_owned(), Tone::Bad),
        Some(seconds) => (format!(" ! full in {}", duration(seconds)), Tone::Warning),
        None => (String::new(), Tone::Normal),
    };
    let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full));
    Note::new(tone, &format!("{name:<8} {bar} {:>5.1} %  {} of {}{sign}", part * 100.0, in_words(used), in_words(limit)))
}

fn row(known: &Value, all: f64) -> Row {
    let (name, series) = (text(&known["name"]).to_owned(), number(&known["series"]));
    let hits: Vec<&str> = list(&known["limits_hit"]).map(|hit| text(&hit["limit"])).collect();
    let labels = list(&known["labels"]).take(3).map(|label| {
        let shape = label["shape"].as_str().map_or_else(String::new, |shape| format!(" looks like {shape}"));
        format!("{} {}{shape} ({})", text(&label["name"]), count(number(&label["values"])), joined(&label["examples"]))
    });
    let hit = if hits.is_empty() { Cell::text("") } else { Cell::text(&format!("! {}", hits.join(", "))).toned(Tone::Bad) };
    let cells = vec![
        Cell::text(&name),
        Cell::text(text(&known["type"])),
        Cell::number(series, count),
        Cell::maybe(known["new_series"]["5m"].as_f64(), count),
        Cell { number: Some(series), ..Cell::text(&share(series, all)) },
        Cell::number(number(&known["series_bytes"]), bytes),
        hit,
        Cell::text(&labels.collect::<Vec<_>>().join("; ")),
    ];
    Row::new(&name.clone(), cells).opens(move || family_page(&name))
}

/// A limit that rejected whole families.
fn kept_out(hit: &Value) -> Row {
    let cells = vec![
        Cell::text("(new families)").toned(Tone::Bad),
        Cell::text(""),
        Cell::maybe(None, count),
        Cell::maybe(None, count),
        Cell::text(""),
        Cell::maybe(None, bytes),
        Cell::text(&format!("! {}", text(&hit["limit"]))).toned(Tone::Bad),
        Cell::text(&joined(&hit["examples"])),
    ];
    let hit = hit.clone();
    Row::new(&format!("new families {}", text(&hit["limit"])), cells).opens(move || {
        let hit = hit.clone();
        let show = move |_: &Readouts<'_>| Shown { notes: limit_notes(&hit), ..Shown::default() };
        Page { title: Plain::new("new families"), paths: Paths::None, columns: &[], show: Rc::new(show) }
    })
}

/// A family: the limits that it hit, and its labels.
fn family_page(name: &str) -> Page {
    let wanted = name.to_owned();
    let show = move |readouts: &Readouts<'_>| {
        let Some(known) = list(&readouts.answer(0)["families"]).find(|family| text(&family["name"]) == wanted) else {
            return Shown { empty: "The family has no series now, or 1,000 families are larger.", ..Shown::default() };
        };
        let size = format!("{} series, {}", count(number(&known["series"])), bytes(number(&known["series_bytes"])));
        let mut notes = vec![Note::new(Tone::Strong, &format!("{} {wanted}: {size}", text(&known["type"])))];
        notes.extend(list(&known["limits_hit"]).flat_map(limit_notes));
        notes.extend(list(&known["labels"]).filter(|label| label["shape"].is_string()).map(|label| drop_note(&wanted, label)));
        notes.extend(suggestion_notes(&known["suggestion"]));
        let rows = list(&known["labels"]).map(|label| label_row(&wanted, label)).collect();
        Shown { notes, rows, empty: "The family has no labels.", ..Shown::default() }
    };
    let paths = vec!["/api/v1/cardinality?limit=1000".to_owned()];
    Page { title: Plain::new(name), paths: Paths::Fixed(paths), columns: LABEL_COLUMNS, show: Rc::new(show) }
}

fn limit_notes(hit: &Value) -> Vec<Note> {
    let label = text(&hit["label"]);
    let label = if label.is_empty() { String::new() } else { format!(" of the label {label}") };
    let samples = format!("{} samples", count(number(&hit["samples"])));
    let distinct =
        hit["distinct_values_refused"].as_f64().map_or_else(String::new, |distinct| format!(", about {} distinct", count(distinct)));
    let first = format!("first at {} from {}", text(&hit["first_hit"]), text(&hit["first_source"]));
    vec![
        Note::new(
            Tone::Bad,
            &format!("! Limit {}{label}, action {}: {samples}{distinct}, {first}", text(&hit["limit"]), text(&hit["action"])),
        ),
        Note::fact("For example", &joined(&hit["examples"])),
    ]
}

/// What would help with a label that has a value for each request or user.
fn drop_note(family: &str, label: &Value) -> Note {
    let (name, values) = (text(&label["name"]), count(number(&label["values"])));
    let said = format!(
        "! The {values} values of {name} look like {}. If nothing reads them, drop the label of {family} at the client or by a rule.",
        text(&label["shape"])
    );
    Note::new(Tone::Warning, &said)
}

/// A rule that drops such a label.
fn suggestion_notes(suggestion: &Value) -> Vec<Note> {
    if !suggestion.is_object() {
        return Vec::new();
    }
    let saves = format!("{} series, {}", count(number(&suggestion["saves_series"])), bytes(number(&suggestion["saves_bytes"])));
    let place = suggestion["rule"].as_str().map_or_else(|| "For the mapping file".to_owned(), |rule| format!("For the rule {rule}"));
    let mut notes = vec![Note::new(Tone::Strong, &format!("{place}; it saves at most {saves}:"))];
    notes.extend(text(&suggestion["yaml"]).lines().map(|line| Note::new(Tone::Normal, line)));
    notes
}

fn label_row(family: &str, label: &Value) -> Row {
    let (family, name) = (family.to_owned(), text(&label["name"]).to_owned());
    let cells = vec![
        Cell::text(&name),
        Cell::number(number(&label["values"]), count),
        Cell::text(text(&label["shape"])).toned(Tone::Warning),
        Cell::text(&joined(&label["examples"])),
    ];
    Row::new(&name.clone(), cells).opens(move || family::values(&family, &name))
}
