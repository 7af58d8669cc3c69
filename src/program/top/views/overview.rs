//! Overview: the way of a datagram, where something is lost and what helps, and charts of the last 15 minutes.

use std::rc::Rc;

use serde_json::Value;

use crate::program::top::page::{Cell, Chart, Column, Note, Page, Paths, Readouts, Row, Shown, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{bytes, count, duration, list, number, reloaded_file, sentence, short, text};

const COLUMNS: &[Column] = &[
    Column::text("STAGE", 0, 8),
    Column::number("RATE/S", 0),
    Column::number("TOTAL", 1),
    Column::text("OF", 3, 7),
    Column::number("LOST/S", 0),
    Column::number("LOST", 0),
    Column::text("STATE", 2, 8),
];

const LOSS_COLUMNS: &[Column] =
    &[Column::text("REJECTED", 0, 12), Column::number("RATE/S", 0), Column::number("TOTAL", 0), Column::text("WHAT HELPS", 1, 12)];

pub(super) fn page(_limit: u16) -> Page {
    Page { title: Plain::new("Overview"), paths: Paths::Fixed(vec!["/api/v1/overview".to_owned()]), columns: COLUMNS, show: Rc::new(show) }
}

fn show(readouts: &Readouts<'_>) -> Shown {
    let data = readouts.answer(0);
    Shown {
        notes: notes(data),
        rows: list(&data["way"]).map(stage).collect(),
        charts: list(&data["charts"]).map(chart).collect(),
        empty: "The bridge names no stages.",
    }
}

fn notes(data: &Value) -> Vec<Note> {
    let uptime = duration(number(&data["uptime_seconds"]));
    let mut notes = vec![Note::new(Tone::Soft, &format!("statsd-bridge {}, running for {uptime}", text(&data["version"])))];
    notes.extend(list(&data["failed_reloads"]).map(failed_reload));
    if data["unread"] == true {
        let last = data["seconds_since_read"].as_f64();
        let last = last.map_or("There was none since the start.".to_owned(), |last| format!("The last one was {} ago.", duration(last)));
        notes.push(Note::new(Tone::Warning, &format!("! No scrape for 5 minutes. {last} Prometheus must reach this address.")));
    }
    for stage in list(&data["way"]).filter(|stage| number(&stage["lost_rate"]) > 0.0) {
        let (title, rate, unit) = (text(&stage["title"]), short(number(&stage["lost_rate"])), text(&stage["lost_unit"]));
        let losing = format!("▲ {title}: losing {rate} {unit} a second. {} {}", text(&stage["advice"]), text(&stage["command"]));
        notes.push(Note::new(Tone::Bad, &losing));
    }
    let problems = &data["problems"];
    for (title, key) in [("Limit hit", "limits"), ("Conflict", "conflicts"), ("Rejected", "rejections"), ("Unmapped names", "unmapped")] {
        // The first one has the most samples; the tabs show the others.
        notes.extend(list(&problems[key]).take(1).map(|problem| Note::fact(title, text(problem))));
    }
    notes
}

/// A file whose last reload failed, with its first error.
fn failed_reload(reload: &Value) -> Note {
    let error = &reload["error"];
    let at = |key: &str| error[key].as_u64().map(|number| format!(":{number}")).unwrap_or_default();
    let place = format!("{}{}{}", text(&error["file"]), at("line"), at("column"));
    let file = reloaded_file(text(&reload["name"]));
    let line = format!("! The last reload of {file} failed: what was in force before stays in force. {place}: {}", text(&error["text"]));
    Note::new(Tone::Bad, &line)
}

/// What is lost at a stage: the sign, the word and the emphasis.
fn state(stage: &Value) -> (String, Tone) {
    let (rate, total) = (number(&stage["lost_rate"]), number(&stage["lost_total"]));
    if rate > 0.0 {
        (format!("▲ losing {}", text(&stage["lost_unit"])), Tone::Bad)
    } else if total > 0.0 {
        (format!("! lost {} before", text(&stage["lost_unit"])), Tone::Warning)
    } else {
        ("ok".to_owned(), Tone::Good)
    }
}

fn stage(stage: &Value) -> Row {
    let (said, tone) = state(stage);
    let lost = |key: &str, in_words: fn(f64) -> String| {
        Cell::number(number(&stage[key]), in_words).toned(if tone == Tone::Good { Tone::Soft } else { tone })
    };
    let cells = vec![
        Cell::text(text(&stage["title"])),
        Cell::number(number(&stage["rate"]), short),
        Cell::number(number(&stage["total"]), count),
        Cell::text(text(&stage["unit"])),
        lost("lost_rate", short),
        lost("lost_total", count),
        Cell::text(&said).toned(tone),
    ];
    let name = text(&stage["stage"]).to_owned();
    Row::new(&name.clone(), cells).opens(move || stage_page(&name))
}

/// A stage, what is lost there, and what helps.
fn stage_page(name: &str) -> Page {
    let wanted = name.to_owned();
    let show = move |readouts: &Readouts<'_>| {
        let data = readouts.answer(0);
        Shown {
            notes: list(&data["way"]).find(|stage| text(&stage["stage"]) == wanted).map(stage_notes).unwrap_or_default(),
            rows: list(&data["losses"]).filter(|_| matches!(wanted.as_str(), "parsed" | "recorded")).map(loss).collect(),
            empty: "No line or sample was rejected since the start.",
            ..Shown::default()
        }
    };
    let columns: &[Column] = match name {
        "parsed" | "recorded" => LOSS_COLUMNS,
        _ => &[],
    };
    Page { title: Plain::new(name), paths: Paths::Fixed(vec!["/api/v1/overview".to_owned()]), columns, show: Rc::new(show) }
}

fn stage_notes(stage: &Value) -> Vec<Note> {
    let (said, tone) = state(stage);
    let unit = text(&stage["unit"]);
    let passed = format!("{} {unit} a second, {} since the start", short(number(&stage["rate"])), count(number(&stage["total"])));
    let mut notes = vec![Note::new(tone, &format!("{}: {said}", text(&stage["title"]))), Note::fact("Passed", &passed)];
    let lost = format!("{} a second, {} since the start", short(number(&stage["lost_rate"])), count(number(&stage["lost_total"])));
    notes.push(Note::fact("Lost", &lost));
    let mapping = &stage["mapping"];
    if mapping.is_object() {
        for (name, key) in [("Dropped by rules", "dropped_by_rule"), ("Without a rule", "unmapped")] {
            let of = &mapping[key];
            notes.push(Note::fact(
                name,
                &format!("{} a second, {} since the start", short(number(&of["rate"])), count(number(&of["total"]))),
            ));
        }
    }
    if stage["advice"].is_string() {
        notes.push(Note::new(Tone::Strong, text(&stage["advice"])));
        notes.push(Note::fact("Command", text(&stage["command"])));
    }
    notes
}

fn loss(loss: &Value) -> Row {
    let reason = text(&loss["reason"]);
    let cells = vec![
        Cell::text(reason),
        Cell::number(number(&loss["rate"]), short),
        Cell::number(number(&loss["total"]), count),
        Cell::text(&sentence(text(&loss["advice"]))),
    ];
    Row::new(reason, cells)
}

fn chart(chart: &Value) -> Chart {
    let unit = text(&chart["unit"]);
    let say = |number: f64| match unit {
        "per_second" => format!("{}/s", short(number)),
        "per_minute" => format!("{}/min", short(number)),
        "bytes" => bytes(number),
        // Of one core.
        "cores" => format!("{} %", short((number * 1000.0).round() / 10.0)),
        _ => short(number),
    };
    let points: Vec<(f64, f64)> = list(&chart["points"]).map(|pair| (number(&pair[0]), number(&pair[1]))).collect();
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let latest = chart["latest"].as_f64();
    let of_limit = chart["limit"].as_f64().map(|limit| format!(" of {}", say(limit)));
    let latest_text = latest.map_or_else(|| "-".to_owned(), |latest| format!("{}{}", say(latest), of_limit.unwrap_or_default()));
    let is_loss = text(&chart["name"]) == "losses" && latest.is_some_and(|latest| latest > 0.0);
    Chart {
        title: Plain::new(text(&chart["title"])),
        latest: Plain::new(&latest_text),
        most: Plain::new(&say(most)),
        points,
        tone: if is_loss { Tone::Bad } else { Tone::Normal },
    }
}
