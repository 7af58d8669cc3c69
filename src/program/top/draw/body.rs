//! A page: its notes, its table and its charts share the height.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme::Theme;
use super::{charts, table};
use crate::program::top::page::{Note, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::sheet::Sheet;

/// Lines of a table that stay, whatever the notes need: its header and three rows.
const TABLE_ROWS: usize = 4;

/// From this height on, charts have a place before notes.
const WITH_CHARTS: usize = 20;

pub(super) fn draw(buffer: &mut Buffer, sheet: &mut Sheet, theme: Theme, area: Rect) {
    let width = usize::from(area.width);
    let notes: Vec<(Plain, Tone)> = sheet.shown.notes.iter().flat_map(|note| lines(note, width)).collect();
    if sheet.is_text() {
        return text(buffer, sheet, theme, area, &notes);
    }
    let height = usize::from(area.height);
    let table_rows = sheet.order.len().max(1) + 1;
    let reserved = if sheet.is_detail { height / 3 } else { height * 2 / 3 };
    // A blank line separates notes from the table, and the table from charts of a line each.
    let charts_least = match sheet.shown.charts.len() {
        0 => 0,
        charts if height >= WITH_CHARTS => charts + 1,
        _ => 0,
    };
    let most = height.saturating_sub(1 + table_rows.min(TABLE_ROWS.max(reserved)) + charts_least);
    let shown = notes.len().min(most);
    for (at, ((line, tone), y)) in notes.iter().take(shown).zip(area.y..).enumerate() {
        let is_cut = at + 1 == shown && shown < notes.len();
        let line = if is_cut { Plain::new(&format!("{} …", line.cut(width.saturating_sub(2)).as_str())) } else { line.clone() };
        theme.put(buffer, (area.x, y), &line, area.width, *tone);
    }
    let used = if shown == 0 { 0 } else { shown + 1 };
    let below = lower(area, used);
    let table_height = usize::from(below.height).min(table_rows);
    // Charts need what the table leaves, with a blank line between.
    let charts_height = if sheet.shown.charts.is_empty() { 0 } else { usize::from(below.height).saturating_sub(table_height + 1) };
    let table_area = if charts_height == 0 { below } else { Rect { height: height_of(table_height), ..below } };
    table::draw(buffer, sheet, theme, table_area);
    if charts_height > 0 {
        charts::draw(buffer, &sheet.shown.charts, theme, lower(below, table_height + 1));
    }
}

/// The lines of a note. Further lines are indented.
fn lines(note: &Note, width: usize) -> impl Iterator<Item = (Plain, Tone)> {
    note.text.wrapped(width, 2).into_iter().map(|line| (line, note.tone))
}

/// A page of notes only, which scrolls.
fn text(buffer: &mut Buffer, sheet: &mut Sheet, theme: Theme, area: Rect, notes: &[(Plain, Tone)]) {
    sheet.height = usize::from(area.height);
    sheet.offset = sheet.offset.min(notes.len().saturating_sub(sheet.height));
    for ((line, tone), y) in notes.iter().skip(sheet.offset).zip(area.y..area.bottom()) {
        theme.put(buffer, (area.x, y), line, area.width, *tone);
    }
    let left = notes.len().saturating_sub(sheet.offset + sheet.height);
    if left > 0 {
        let said = Plain::new(&format!(" {} more lines: j ", left + 1));
        let width = height_of(said.width());
        let last = area.bottom().saturating_sub(1);
        theme.put(buffer, (area.x, last), &Plain::new(&" ".repeat(usize::from(area.width))), area.width, Tone::Normal);
        theme.put(buffer, (area.x, last), &said, width, Tone::Soft);
    }
}

/// The part of an area below its first rows.
fn lower(area: Rect, rows: usize) -> Rect {
    let rows = height_of(rows).min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

fn height_of(rows: usize) -> u16 {
    u16::try_from(rows).unwrap_or(u16::MAX)
}
