//! What is printed once, as text or JSON: the summary, or a tab.

use serde_json::{Value, json};

use super::page::{Cell, Page, Paths, Readouts};
use super::plain::Plain;
use super::query::readout;
use super::summary::{Readout, lines};
use super::views::TABS;
use crate::program::ask::Client;
use crate::program::cli::AnswerFormat;

/// The widest column of a printed table.
const MOST_WIDTH: usize = 100;

/// The summary.
pub(super) fn summary(client: &Client, limit: u16, format: AnswerFormat) -> Result<String, String> {
    let now = Readout::take(client, limit)?;
    Ok(match format {
        AnswerFormat::Json => pretty(
            &json!({ "cardinality": now.cardinality, "conflicts": now.conflicts, "rejections": now.rejections, "sources": now.sources, "push": now.push }),
        ),
        AnswerFormat::Text => lines(&now).iter().map(|line| format!("{}\n", line.as_str())).collect(),
    })
}

/// A tab: its table, or as JSON the data of its paths.
pub(super) fn tab(client: &Client, place: usize, limit: u16, format: AnswerFormat) -> Result<String, String> {
    let Some(page) = TABS.get(place).map(|tab| (tab.page)(limit)) else { return Ok(String::new()) };
    let paths = match &page.paths {
        Paths::Fixed(paths) => paths.clone(),
        Paths::Searched(path) => vec![path("")],
        Paths::None => Vec::new(),
    };
    let now = readout(client, &paths)?;
    Ok(match format {
        AnswerFormat::Json => pretty(&keyed(&paths, &now.answers)),
        AnswerFormat::Text => printed(&page, &Readouts { now: &now, before: None }),
    })
}

/// The data of each path, under the last part of the path.
fn keyed(paths: &[String], answers: &[Value]) -> Value {
    let name = |path: &str| path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    Value::Object(paths.iter().map(|path| name(path)).zip(answers.iter().cloned()).collect())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Notes, a header and all rows. The columns are as wide as their texts.
fn printed(page: &Page, readouts: &Readouts<'_>) -> String {
    let shown = (page.show)(readouts);
    let mut lines: Vec<String> = shown.notes.iter().map(|note| note.text.as_str().to_owned()).collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let text = |cell: Option<&Cell>| cell.map(|cell| cell.text.cut(MOST_WIDTH)).unwrap_or_default();
    let titles: Vec<Plain> = page.columns.iter().map(|column| Plain::new(column.title)).collect();
    let rows: Vec<Vec<Plain>> = shown.rows.iter().map(|row| (0..titles.len()).map(|at| text(row.cells.get(at))).collect()).collect();
    let width = |at: usize| rows.iter().chain([&titles]).filter_map(|row| row.get(at)).map(Plain::width).max().unwrap_or(0);
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |row: &Vec<Plain>| {
        let cells = row.iter().zip(&widths).zip(page.columns).map(|((text, width), column)| {
            let space = " ".repeat(width.saturating_sub(text.width()));
            if column.is_number { format!("{space}{}", text.as_str()) } else { format!("{}{space}", text.as_str()) }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    if rows.is_empty() {
        lines.push(shown.empty.to_owned());
    } else {
        lines.push(line(&titles));
        lines.extend(rows.iter().map(line));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
