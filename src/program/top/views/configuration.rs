//! Configuration: the flags in force with their origin, and the files that are reloaded. The filter is a search by the bridge.

use std::rc::Rc;

use serde_json::Value;

use crate::program::plain_text::percent_encoded;
use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, joined, list, number, sentence, text};

const COLUMNS: &[Column] = &[
    Column::text("FLAG", 0, 20),
    Column::text("VALUE", 0, 12),
    Column::text("SET BY", 1, 10),
    Column::text("DEFAULT", 2, 10),
    Column::text("MEANING", 3, 16),
];

pub(super) fn page(_limit: u16) -> Page {
    let path = |search: &str| format!("/api/v1/configuration?q={}", percent_encoded(search));
    Page { title: Plain::new("Configuration"), paths: Paths::Searched(Rc::new(path)), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    let files = list(&data["files"]).map(file_row);
    Shown {
        notes: notes(data),
        rows: files.chain(list(&data["flags"]).map(flag_row)).collect(),
        empty: "No flag matches.",
        ..Shown::default()
    }
}

fn notes(data: &Value) -> Vec<Note> {
    let head = format!("{} of {} flags differ from their default.", count(number(&data["changed"])), count(number(&data["all"])));
    let mut notes = vec![Note::new(Tone::Soft, &head)];
    for file in list(&data["files"]).filter(|file| file["last_reload"]["succeeded"] == false) {
        let first = list(&file["last_reload"]["errors"]).next().map(error).unwrap_or_default();
        notes.push(Note::new(Tone::Bad, &format!("! The last reload of {} failed, the old one is in force: {first}", title(file))));
    }
    let without_effect = joined(&data["without_effect"]);
    if !without_effect.is_empty() {
        notes.push(Note::new(Tone::Warning, &format!("! Given, but without effect: {without_effect}")));
    }
    notes.extend(list(&data["unknown_variables"]).map(|unknown| Note::new(Tone::Warning, &format!("! {}", sentence(text(unknown))))));
    notes
}

fn title(file: &Value) -> &'static str {
    match text(&file["name"]) {
        "rules" => "the mapping files",
        "web" => "the web configuration file",
        "push" => "the push configuration file",
        _ => "the TLS configuration file",
    }
}

/// A mistake with its place.
fn error(error: &Value) -> String {
    let place = |key: &str| error[key].as_u64().map_or_else(String::new, |number| format!(":{number}"));
    format!("{}{}{}: {}", text(&error["file"]), place("line"), place("column"), text(&error["text"]))
}

fn file_row(file: &Value) -> Row {
    let paths: Vec<&str> = list(&file["files"]).map(|file| text(&file["path"])).collect();
    let last = &file["last_reload"];
    let (state, tone) = match (last.is_object(), last["succeeded"] == true) {
        (false, _) => ("not reloaded yet".to_owned(), Tone::Normal),
        (true, true) => (format!("reloaded {}", text(&last["time"])), Tone::Good),
        (true, false) => (format!("! reload failed {}", text(&last["time"])), Tone::Bad),
    };
    let cells = vec![
        Cell::text(&sentence(title(file))).toned(Tone::Strong),
        Cell::text(if paths.is_empty() { "none".to_owned() } else { paths.join(", ") }.as_str()),
        Cell::text(&state).toned(tone),
        Cell::text(""),
        Cell::text(""),
    ];
    let file = file.clone();
    Row::new(title(&file), cells).opens(move || file_page(&file))
}

/// The files, and the mistakes of the last reload.
fn file_page(file: &Value) -> Page {
    let (file, name) = (file.clone(), title(file));
    let show = move |_: &Readouts<'_>| {
        let mut notes = vec![Note::new(Tone::Strong, &sentence(name))];
        for known in list(&file["files"]) {
            let rules = known["rules"].as_f64().map_or_else(String::new, |rules| format!(", {} rules", count(rules)));
            notes.push(Note::fact("File", &format!("{}{rules}", text(&known["path"]))));
        }
        let watch = file["watch_seconds"]
            .as_f64()
            .map_or_else(|| "never: send SIGHUP, or call /-/reload".to_owned(), |seconds| format!("every {seconds} s"));
        notes.push(Note::fact("In force since", file["loaded"].as_str().unwrap_or("the start")));
        notes.push(Note::fact("Checked for changes", &watch));
        let reloads = &file["reloads"];
        let reloads = format!("{} succeeded, {} failed", count(number(&reloads["succeeded"])), count(number(&reloads["failed"])));
        notes.push(Note::fact("Reloads", &reloads));
        let last = &file["last_reload"];
        if last.is_object() {
            notes.push(Note::fact("Last reload", &format!("{}, by {}", text(&last["time"]), text(&last["cause"]))));
        }
        notes.extend(list(&last["errors"]).map(|mistake| Note::new(Tone::Bad, &format!("! {}", error(mistake)))));
        Shown { notes, ..Shown::default() }
    };
    Page { title: Plain::new(name), paths: Paths::None, columns: &[], show: Rc::new(show) }
}

fn flag_row(flag: &Value) -> Row {
    let is_changed = flag["changed"] == true;
    let (name, set_by) = (text(&flag["flag"]), text(&flag["set_by"]));
    let note = text(&flag["note"]);
    let note = if note.is_empty() { String::new() } else { format!(" Note: {note}") };
    let cells = vec![
        Cell::text(&format!("--{name}")).toned(if is_changed { Tone::Strong } else { Tone::Normal }),
        Cell::text(text(&flag["value"])),
        Cell::text(if set_by.is_empty() { text(&flag["origin"]) } else { set_by }),
        Cell::text(text(&flag["default"])),
        Cell::text(&format!("{}{note}", sentence(text(&flag["help"])))),
    ];
    Row::new(name, cells)
}
