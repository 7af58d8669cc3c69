//! Rejected: reasons with rate and last input, and conflicting names.

use std::rc::Rc;

use serde_json::Value;

use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, list, number, sentence, short, text, time};

const COLUMNS: &[Column] = &[
    Column::text("REASON", 0, 14),
    Column::number("RATE/S", 0),
    Column::number("TOTAL", 0),
    Column::text("LAST INPUT", 1, 12),
    Column::text("FROM", 2, 14),
    Column::text("LAST", 3, 14),
];

const SENDER_COLUMNS: &[Column] = &[
    Column::text("SENDER", 0, 16),
    Column::number("REJECTED", 0),
    Column::number("LINES", 1),
    Column::text("ITS LAST REJECTED INPUT", 2, 12),
];

pub(super) fn page(_limit: u16) -> Page {
    let paths = ["/api/v1/rejections", "/api/v1/conflicts"].map(str::to_owned).to_vec();
    Page { title: Plain::new("Rejected"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let reasons = list(&readouts.answer(0)["rejections"]).map(|entry| reason(entry, readouts));
    let conflicts = list(&readouts.answer(1)["conflicts"]).map(conflict);
    Shown { rows: reasons.chain(conflicts).collect(), empty: "Nothing was rejected since the start.", ..Shown::default() }
}

fn reason(entry: &Value, readouts: &Readouts<'_>) -> Row {
    let (name, total, last) = (text(&entry["reason"]).to_owned(), number(&entry["count"]), &entry["last"]);
    let earlier =
        |before: &Value| list(&before["rejections"]).find(|old| old["reason"] == entry["reason"]).map(|old| number(&old["count"]));
    let rate = readouts.rate(total, earlier);
    let cells = vec![
        Cell::text(&name),
        Cell::maybe(rate, short).toned(if rate.is_some_and(|rate| rate > 0.0) { Tone::Bad } else { Tone::Normal }),
        Cell::number(total, count),
        Cell::text(text(&last["input"])),
        Cell::text(text(&last["source"])),
        Cell::text(&time(text(&last["time"]))),
    ];
    Row::new(&name.clone(), cells).opens(move || reason_page(&name))
}

/// A reason with the senders of such input.
fn reason_page(name: &str) -> Page {
    let wanted = name.to_owned();
    let paths = ["/api/v1/rejections", "/api/v1/sources?limit=1000", "/api/v1/overview"].map(str::to_owned).to_vec();
    let show = move |readouts: &Readouts<'_>| {
        let entry = list(&readouts.answer(0)["rejections"]).find(|entry| text(&entry["reason"]) == wanted);
        let mut senders: Vec<&Value> =
            list(&readouts.answer(1)["sources"]).filter(|sender| number(&sender["rejected"][&wanted]) > 0.0).collect();
        senders.sort_by(|a, b| number(&b["rejected"][&wanted]).total_cmp(&number(&a["rejected"][&wanted])));
        Shown {
            notes: entry.map(|entry| reason_notes(&wanted, entry, readouts.answer(2))).unwrap_or_default(),
            rows: senders.into_iter().map(|known| sender(&wanted, known)).collect(),
            empty: "The bridge knows no sender of such input: the senders are not recorded, or others made room for new ones.",
            ..Shown::default()
        }
    };
    Page { title: Plain::new(name), paths: Paths::Fixed(paths), columns: SENDER_COLUMNS, show: Rc::new(show) }
}

fn reason_notes(name: &str, entry: &Value, overview: &Value) -> Vec<Note> {
    let last = &entry["last"];
    let mut notes = vec![Note::new(Tone::Bad, &format!("! {name}: {} since the start", count(number(&entry["count"]))))];
    if last.is_object() {
        notes.push(Note::fact("Last input", text(&last["input"])));
        notes.push(Note::fact("From", &format!("{} at {}", text(&last["source"]), text(&last["time"]))));
    }
    let advice = list(&overview["losses"]).find(|loss| text(&loss["reason"]) == name).map(|loss| sentence(text(&loss["advice"])));
    notes.extend(advice.filter(|advice| !advice.is_empty()).map(|advice| Note::new(Tone::Strong, &advice)));
    notes
}

fn sender(reason: &str, known: &Value) -> Row {
    let name = text(&known["source"]);
    let last = &known["last_rejected"];
    let input = if text(&last["reason"]) == reason { text(&last["input"]) } else { "" };
    let cells = vec![
        Cell::text(name),
        Cell::number(number(&known["rejected"][reason]), count),
        Cell::number(number(&known["lines"]), count),
        Cell::text(input),
    ];
    Row::new(name, cells)
}

fn conflict(known: &Value) -> Row {
    let (name, reason, came) = (text(&known["name"]), text(&known["reason"]), &known["came"]);
    let example = came["sample"].as_str().or_else(|| came["help"].as_str()).unwrap_or_default();
    let cells = vec![
        Cell::text(&format!("{name} ({reason} conflict)")),
        Cell::maybe(None, short),
        Cell::number(number(&known["samples"]), count),
        Cell::text(example),
        Cell::text(text(&came["source"])),
        Cell::text(&format!("first {}", time(text(&known["first_met"])))),
    ];
    let known = known.clone();
    let id = format!("conflict {name} {reason}");
    Row::new(&id, cells).opens(move || conflict_page(&known))
}

/// Both sides of a conflict, as they were when it was opened.
fn conflict_page(known: &Value) -> Page {
    let known = known.clone();
    let title = Plain::new(&format!("conflict of {}", text(&known["name"])));
    let show = move |_: &Readouts<'_>| {
        let mut notes = vec![
            Note::new(Tone::Bad, &format!("! {}: {}", text(&known["name"]), text(&known["policy"]))),
            Note::fact("Samples", &count(number(&known["samples"]))),
            Note::fact("First met", text(&known["first_met"])),
        ];
        for (word, side) in [("Kept", &known["kept"]), ("Came later", &known["came"])].into_iter().filter(|(_, side)| side.is_object()) {
            let example = side["sample"].as_str().or_else(|| side["help"].as_str()).unwrap_or_default();
            notes.push(Note::fact(
                word,
                &format!("{} {}: {example} from {}", text(&side["type"]), text(&side["name"]), text(&side["source"])),
            ));
        }
        notes.push(Note::new(Tone::Strong, remedy(text(&known["reason"]))));
        Shown { notes, ..Shown::default() }
    };
    Page { title, paths: Paths::None, columns: &[], show: Rc::new(show) }
}

/// What ends a conflict.
fn remedy(reason: &str) -> &'static str {
    match reason {
        "type" => "Send this name with one type only, or give one of the raw names another name by a rule.",
        "reserved_label" => "Give the label another name, in the sender or by a rule.",
        "help" => "Set one help text for this name in the rules.",
        _ => "Give one of the raw names another name by a rule.",
    }
}
