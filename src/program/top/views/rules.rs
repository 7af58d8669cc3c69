//! Rules: the rules in force with their samples, then the names that no rule matched.

use std::rc::Rc;

use serde_json::Value;

use super::ask;
use crate::program::top::page::{Cell, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{count, joined, list, number, share, short, text};

const COLUMNS: &[Column] = &[
    Column::text("RULE", 0, 8),
    Column::text("MATCH OR NAME", 0, 16),
    Column::number("SAMPLES", 0),
    Column::number("RATE/S", 1),
    Column::number("SHARE", 2),
    Column::text("BECOMES", 2, 12),
    Column::text("POSITION", 3, 14),
];

pub(super) fn page(_limit: u16) -> Page {
    let paths = ["/api/v1/rules", "/api/v1/unmapped", "/api/v1/proposals"].map(str::to_owned).to_vec();
    Page { title: Plain::new("Rules"), paths: Paths::Fixed(paths), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let (rules, unmapped, proposals) = (readouts.answer(0), readouts.answer(1), readouts.answer(2));
    let samples = |entries: &Value| list(entries).map(|entry| number(&entry["samples"])).sum::<f64>();
    let without = samples(&unmapped["names"]) + number(&unmapped["samples_of_other_names"]);
    let all = samples(&rules["rules"]) + without;
    let rows = list(&rules["rules"]).map(|known| rule(known, all, readouts));
    let rows = rows.chain(list(&proposals["proposals"]).map(proposal)).chain(list(&unmapped["names"]).map(|name| unmapped_name(name, all)));
    let many = list(&rules["rules"]).count() as f64;
    let head = format!(
        "{} rules, {} never matched; {} names without a rule, {} samples.",
        count(many),
        count(number(&rules["never_matched"])),
        count(number(&unmapped["names_known"])),
        if many == 0.0 { "uncounted".to_owned() } else { count(without) }
    );
    Shown {
        notes: vec![Note::new(Tone::Soft, &head)],
        rows: rows.collect(),
        empty: "There are no rules, and no name arrived. --statsd.mapping-config names the files.",
        ..Shown::default()
    }
}

fn rule(known: &Value, all: f64, readouts: &Readouts<'_>) -> Row {
    let samples = number(&known["samples"]);
    let earlier =
        |before: &Value| list(&before["rules"]).find(|old| old["position"] == known["position"]).map(|old| number(&old["samples"]));
    let rate = readouts.rate(samples, earlier);
    let is_drop = text(&known["action"]) == "drop";
    let never = if samples == 0.0 { Tone::Soft } else { Tone::Normal };
    let number_of_rule = number(&known["rule"]);
    let cells = vec![
        Cell { number: Some(number_of_rule), ..Cell::text(&format!("{number_of_rule}{}", if is_drop { " drop" } else { "" })) },
        Cell::text(text(&known["match"])).toned(never),
        if samples == 0.0 { Cell { number: Some(0.0), ..Cell::text("never").toned(Tone::Warning) } } else { Cell::number(samples, count) },
        Cell::maybe(rate, short),
        Cell { number: Some(samples), ..Cell::text(&share(samples, all)) },
        Cell::text(if is_drop { "(dropped)" } else { text(&known["name"]) }),
        Cell::text(text(&known["position"])),
    ];
    let place = known["rule"].clone();
    Row::new(text(&known["position"]), cells).opens(move || rule_page(&place))
}

/// A rule, and where it stands among the others.
fn rule_page(place: &Value) -> Page {
    let (place, title) = (place.clone(), format!("rule {place}"));
    let show = move |readouts: &Readouts<'_>| {
        let rules = &readouts.answer(0)["rules"];
        let all: f64 = list(rules).map(|rule| number(&rule["samples"])).sum();
        let Some(known) = list(rules).find(|rule| rule["rule"] == place) else {
            return Shown { notes: vec![Note::new(Tone::Warning, "! The rules changed: there is no such rule now.")], ..Shown::default() };
        };
        let samples = number(&known["samples"]);
        let mut notes = vec![
            Note::new(Tone::Strong, &format!("{} at {}", text(&known["match"]), text(&known["position"]))),
            Note::fact("Kind of match", text(&known["match_type"])),
            Note::fact("Action", text(&known["action"])),
            Note::fact("Name", text(&known["name"])),
            Note::fact("Samples", &format!("{}, {} of those that a rule matched", count(samples), share(samples, all))),
        ];
        if samples == 0.0 {
            let why = "! It never matched: no such name arrived since the rules are in force, or a rule before it matches first. Press a and type a name to see its rule.";
            notes.push(Note::new(Tone::Warning, why));
        }
        notes.push(Note::new(Tone::Soft, "Press a and type a line to see the captures of a name."));
        Shown { notes, ..Shown::default() }
    };
    Page { title: Plain::new(&title), paths: Paths::Fixed(vec!["/api/v1/rules".to_owned()]), columns: &[], show: Rc::new(show) }
}

/// A rule that the bridge proposes for similar names.
fn proposal(known: &Value) -> Row {
    let pattern = text(&known["match"]);
    let cells = vec![
        Cell::text("+ proposed").toned(Tone::Good),
        Cell::text(pattern),
        Cell::number(number(&known["samples"]), count),
        Cell::maybe(None, short),
        Cell::text(""),
        Cell::text(&format!("catches {} names", count(number(&known["names"])))),
        Cell::text(""),
    ];
    let known = known.clone();
    Row::new(&format!("proposed {pattern}"), cells).opens(move || {
        let mut notes = vec![Note::new(Tone::Strong, "A rule for these names, for the mapping file:")];
        notes.extend(text(&known["yaml"]).lines().map(|line| Note::new(Tone::Normal, line)));
        notes.push(Note::fact("Catches", &format!("{} names, for example {}", count(number(&known["names"])), joined(&known["examples"]))));
        let notes = Rc::new(notes);
        let show = move |_: &Readouts<'_>| Shown {
            notes: notes.iter().map(|note| Note { tone: note.tone, text: note.text.clone() }).collect(),
            ..Shown::default()
        };
        Page { title: Plain::new("proposed rule"), paths: Paths::None, columns: &[], show: Rc::new(show) }
    })
}

fn unmapped_name(known: &Value, all: f64) -> Row {
    let name = text(&known["name"]).to_owned();
    let samples = known["samples"].as_f64();
    let cells = vec![
        Cell::text("none").toned(Tone::Warning),
        Cell::text(&name),
        Cell::maybe(samples, count),
        Cell::maybe(None, short),
        Cell { number: samples, ..Cell::text(&samples.map_or_else(String::new, |samples| share(samples, all))) },
        Cell::text(""),
        Cell::text(""),
    ];
    Row::new(&format!("unmapped {name}"), cells).opens(move || ask::page(&name))
}
