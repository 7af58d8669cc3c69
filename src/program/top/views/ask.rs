//! Ask: what became of a line or a name, or why it is missing, and the names that are near.

use std::rc::Rc;

use serde_json::Value;

use super::family;
use crate::program::plain_text::percent_encoded;
use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, duration, joined, list, number, sentence, text};

const COLUMNS: &[Column] = &[
    Column::text("IS", 0, 8),
    Column::text("NAME", 0, 20),
    Column::number("VALUE", 0),
    Column::number("AGE", 0),
    Column::text("OUTCOME", 1, 10),
    Column::text("FROM", 2, 14),
];

/// The answer to a question.
pub(in crate::program::top) fn page(question: &str) -> Page {
    let paths = vec![format!("/api/v1/ask?q={}", percent_encoded(question))];
    Page { title: Plain::new(&format!("Ask {question}")), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let cards = &readouts.answer(0)["cards"];
    Shown {
        notes: list(cards).flat_map(notes).collect(),
        rows: list(cards).flat_map(rows).collect(),
        empty: "Nothing near it arrived.",
        ..Shown::default()
    }
}

fn notes(card: &Value) -> Vec<Note> {
    let (sign, tone) = match text(&card["verdict"]) {
        "arrives" => ("", Tone::Good),
        "other_labels" | "other_name" | "gone" | "expired" | "no_sample" => ("! ", Tone::Warning),
        _ => ("! ", Tone::Bad),
    };
    let mut notes = vec![Note::new(tone, &format!("{sign}{}", text(&card["sentence"])))];
    if card["advice"].is_string() {
        notes.push(Note::new(Tone::Strong, &sentence(text(&card["advice"]))));
    }
    notes.extend(read(&card["read"]));
    notes.extend(list(&card["limits"]).map(limit));
    notes
}

/// A limit that a family hit, as on the page.
fn limit(hit: &Value) -> Note {
    let label = if hit["limit"] == "values_per_label" { format!(" of the label {}", text(&hit["label"])) } else { String::new() };
    let (in_force, samples, examples) = (count(number(&hit["in_force"])), count(number(&hit["samples"])), joined(&hit["examples"]));
    let examples = if examples.is_empty() { examples } else { format!(", for example {examples}") };
    let line = format!(
        "! Limit {}{label}, {in_force}, set by {}: {samples} samples {}{examples}",
        text(&hit["limit"]),
        text(&hit["set_by"]).replace('`', ""),
        text(&hit["effect"]),
    );
    Note::new(Tone::Bad, &line)
}

/// How the bridge reads and maps it.
fn read(read: &Value) -> Vec<Note> {
    if !read.is_object() {
        return Vec::new();
    }
    let tags: Vec<String> = list(&read["tags"]).map(|tag| format!("{}={}", text(&tag["key"]), text(&tag["value"]))).collect();
    let tags = if tags.is_empty() { String::new() } else { format!(", tags {}", tags.join(", ")) };
    let kind = read["kind"].as_str().map_or_else(String::new, |kind| format!(", kind {kind}"));
    let mut notes = vec![Note::fact("Read as", &format!("{}{kind}{tags}", text(&read["name"])))];
    let rule = &read["rule"];
    notes.push(if rule.is_object() {
        let captures = list(&rule["captures"]).enumerate().map(|(at, capture)| format!(", ${} = {}", at + 1, text(capture)));
        Note::fact("Rule", &format!("{} at {}{}", text(&rule["match"]), text(&rule["position"]), captures.collect::<String>()))
    } else {
        Note::fact("Rule", "none: name and tags as sent")
    });
    let becomes = &read["becomes"];
    if becomes.is_object() {
        let labels = text(&becomes["labels"]);
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        notes.push(Note::fact("Becomes", &format!("{} {}{labels}", text(&becomes["type"]), text(&becomes["family"]))));
    }
    notes
}

fn rows(card: &Value) -> Vec<Row> {
    let family = card["family"]["name"].as_str().or_else(|| card["read"]["becomes"]["family"].as_str()).unwrap_or_default();
    let series = list(&card["series"]).map(|known| series(family, known));
    series.chain(list(&card["raw"]).map(raw)).chain(list(&card["near"]).map(near)).collect()
}

fn series(family: &str, known: &Value) -> Row {
    let (row, name) = (family::series_row(known), family.to_owned());
    let mut of_family = row.cells.into_iter();
    let [series, value, age] = [(); 3].map(|()| of_family.next().unwrap_or_default());
    let cells = vec![Cell::text("series"), series, value, age, Cell::text(""), Cell::text("")];
    Row::new(&format!("series {}", row.id), cells).opens(move || family::page(&name))
}

fn raw(known: &Value) -> Row {
    let name = text(&known["name"]);
    let outcome = text(&known["outcome"]);
    let tone = if outcome == "recorded" { Tone::Good } else { Tone::Bad };
    let cells = vec![
        Cell::text(&format!("raw {}", text(&known["kind"]))),
        Cell::text(name),
        Cell::text(""),
        Cell::maybe(known["last_new_identity_age_seconds"].as_f64(), duration),
        Cell::text(outcome).toned(tone),
        Cell::text(text(&known["last_source"])),
    ];
    Row::new(&format!("raw {} {name}", text(&known["kind"])), cells)
}

/// A name that did arrive; Enter asks about it.
fn near(known: &Value) -> Row {
    let name = text(&known["name"]).to_owned();
    let is = if text(&known["of"]) == "family" { "near fam." } else { "near raw" };
    let cells = vec![Cell::text(is), Cell::text(&name), Cell::text(""), Cell::text(""), Cell::text("did arrive"), Cell::text("")];
    Row::new(&format!("near {name}"), cells).opens(move || page(&name))
}
