//! Push: the targets with their state, queue and last answers.

use std::rc::Rc;

use serde_json::Value;

use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{bytes, count, duration, list, number, short, text};

const COLUMNS: &[Column] = &[
    Column::text("TARGET", 0, 14),
    Column::text("STATE", 0, 10),
    Column::number("WRITTEN/S", 1),
    Column::number("WRITTEN", 2),
    Column::number("LOST", 0),
    Column::number("QUEUE", 1),
    Column::number("OLDEST", 3),
    Column::text("PROTOCOL", 3, 8),
    Column::text("LAST ERROR", 2, 12),
];

const OUTCOME_COLUMNS: &[Column] = &[Column::text("SAMPLES", 0, 16), Column::number("COUNT", 0)];

pub(super) fn page(_limit: u16) -> Page {
    let paths = vec!["/api/v1/push".to_owned()];
    Page { title: Plain::new("Push"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let rows = list(&readouts.answer(0)["targets"]).map(|target| row(target, readouts));
    Shown { rows: rows.collect(), empty: "The bridge pushes nothing: it has no push target.", ..Shown::default() }
}

/// What a target is doing, with its emphasis.
fn state(target: &Value) -> (String, Tone) {
    let wait = number(&target["clock_wait_seconds"]);
    match number(&target["failures"]) {
        _ if wait > 0.0 => (format!("! waits {wait:.0} s for the wall clock, which was set back"), Tone::Bad),
        failures if failures > 0.0 => (format!("! {} failures", count(failures)), Tone::Bad),
        _ if target["healthy"] == true => ("ok".to_owned(), Tone::Good),
        _ => ("no success yet".to_owned(), Tone::Warning),
    }
}

/// Samples that the receiver did not get, by reason.
fn losses(target: &Value) -> impl Iterator<Item = (&str, f64)> {
    let all = target["samples"].as_object().into_iter().flatten();
    all.filter(|(name, _)| !matches!(name.as_str(), "written" | "deduplicated")).map(|(name, count)| (name.as_str(), number(count)))
}

/// The last answer of a target that fails, or else the last that rejected samples.
fn error(target: &Value) -> String {
    let answer = if number(&target["failures"]) > 0.0 { &target["last_answer"] } else { &target["last_rejection"] };
    in_words(answer)
}

fn in_words(answer: &Value) -> String {
    let status = answer["status"].as_u64().map_or(String::new(), |status| format!("{status} "));
    if answer.is_object() { format!("{}: {status}{}", text(&answer["time"]), text(&answer["text"])) } else { String::new() }
}

fn row(target: &Value, readouts: &Readouts<'_>) -> Row {
    let name = text(&target["name"]).to_owned();
    let written = number(&target["samples"]["written"]);
    let earlier =
        |before: &Value| list(&before["targets"]).find(|old| old["name"] == target["name"]).map(|old| number(&old["samples"]["written"]));
    let (said, tone) = state(target);
    let lost: f64 = losses(target).map(|(_, count)| count).sum();
    let cells = vec![
        Cell::text(&name),
        Cell::text(&said).toned(tone),
        Cell::maybe(readouts.rate(written, earlier), short),
        Cell::number(written, count),
        Cell::number(lost, count).toned(if lost > 0.0 { Tone::Bad } else { Tone::Normal }),
        Cell::number(number(&target["queue"]["bytes"]), bytes),
        Cell::number(number(&target["queue"]["age_seconds"]), duration),
        Cell::text(target["protocol_in_use"].as_str().unwrap_or("-")),
        Cell::text(&error(target)),
    ];
    Row::new(&name.clone(), cells).opens(move || target_page(&name))
}

/// A target with what became of its samples.
fn target_page(name: &str) -> Page {
    let wanted = name.to_owned();
    let show = move |readouts: &Readouts<'_>| {
        let Some(target) = list(&readouts.answer(0)["targets"]).find(|target| text(&target["name"]) == wanted) else {
            return Shown { empty: "The bridge has no such target now.", ..Shown::default() };
        };
        let outcomes = target["samples"].as_object().into_iter().flatten();
        let rows = outcomes.map(|(name, total)| Row::new(name, vec![Cell::text(name), Cell::number(number(total), count)]));
        Shown { notes: notes(target), rows: rows.collect(), empty: "No samples.", ..Shown::default() }
    };
    Page { title: Plain::new(name), paths: Paths::Fixed(vec!["/api/v1/push".to_owned()]), columns: OUTCOME_COLUMNS, show: Rc::new(show) }
}

fn notes(target: &Value) -> Vec<Note> {
    let (said, tone) = state(target);
    let queue = &target["queue"];
    let of = |key: &str| number(&queue[key]);
    let waiting = format!(
        "{} samples, {} of {}, oldest {} of {}",
        count(of("samples")),
        bytes(of("bytes")),
        bytes(of("bytes_limit")),
        duration(of("age_seconds")),
        duration(of("age_limit_seconds"))
    );
    let protocol = format!("{}, in use {}", text(&target["protocol"]), target["protocol_in_use"].as_str().unwrap_or("not known yet"));
    let mut notes = vec![
        Note::new(tone, &said),
        Note::fact("URL", text(&target["url"])),
        Note::fact("Protocol", &protocol),
        Note::fact("Interval", &duration(number(&target["interval_seconds"]))),
        Note::fact("Queue", &waiting),
        Note::fact("Last success", target["last_success"].as_str().unwrap_or("none")),
    ];
    for (name, key) in [("Last answer", "last_answer"), ("Last rejection", "last_rejection")] {
        if target[key].is_object() {
            notes.push(Note::fact(name, &in_words(&target[key])));
        }
    }
    notes
}
