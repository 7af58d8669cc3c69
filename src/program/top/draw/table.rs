//! A table: its columns share the width, and the selected row is visible.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::theme::Theme;
use crate::program::top::page::{Column, Row, Tone};
use crate::program::top::plain::Plain;
use crate::program::top::sheet::{Sheet, Sort};

/// Between columns.
const GAP: usize = 2;

/// Marks the selected row, beside its emphasis.
const MARK: &str = "> ";

pub(super) fn draw(buffer: &mut Buffer, sheet: &mut Sheet, theme: Theme, area: Rect) {
    if area.height == 0 {
        return;
    }
    let room = usize::from(area.width).saturating_sub(MARK.len());
    let rows: Vec<&Row> = sheet.order.iter().filter_map(|row| sheet.shown.rows.get(*row)).collect();
    let widths = widths(sheet.page.columns, &rows, sheet.sort, room);
    header(buffer, sheet.page.columns, &widths, sheet.sort, theme, area);
    let height = usize::from(area.height) - 1;
    if rows.is_empty() {
        let said = empty(sheet);
        for (line, y) in said.wrapped(usize::from(area.width), 2).iter().zip(area.y + 1..area.bottom()) {
            theme.put(buffer, (area.x, y), line, area.width, Tone::Soft);
        }
    }
    let offset = scrolled(sheet.offset, sheet.selected, height, rows.len());
    for ((at, row), y) in rows.iter().enumerate().skip(offset).zip(area.y + 1..area.bottom()) {
        draw_row(buffer, sheet.page.columns, row, &widths, at == sheet.selected, theme, Rect { y, height: 1, ..area });
    }
    (sheet.offset, sheet.height) = (offset, height);
}

/// Why there are no rows.
fn empty(sheet: &Sheet) -> Plain {
    Plain::new(&match (sheet.received(), sheet.shown.rows.is_empty() && sheet.filter.is_empty()) {
        (None, _) => String::new(),
        (Some(_), true) => sheet.shown.empty.to_owned(),
        (Some(_), false) => format!("Nothing matches the filter {}. Esc clears it.", sheet.filter),
    })
}

/// The first row on the screen, so that the selected one is on it.
fn scrolled(offset: usize, selected: usize, height: usize, rows: usize) -> usize {
    let lowest = selected.saturating_sub(height.saturating_sub(1));
    offset.clamp(lowest, selected.max(lowest)).min(rows.saturating_sub(height).max(lowest))
}

/// The width of each column; 0 for those that are left out.
fn widths(columns: &[Column], rows: &[&Row], sort: Option<Sort>, room: usize) -> Vec<usize> {
    let is_sorted = |at: usize| sort.is_some_and(|sort| sort.column == at);
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let title = column.title.chars().count() + usize::from(is_sorted(at));
            rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.text.width()).max().unwrap_or(0).max(title)
        })
        .collect();
    // Numbers are complete, texts have what they need at least.
    let least = |at: usize, column: &Column| {
        let whole = natural.get(at).copied().unwrap_or(0);
        let title = column.title.chars().count() + usize::from(is_sorted(at));
        if column.is_number { whole } else { whole.min(column.least.max(title)) }
    };
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let rank = |at: &usize| columns.get(*at).map_or(0, |column| if is_sorted(*at) { 0 } else { column.rank });
    let needed = |kept: &[usize]| {
        kept.iter().map(|at| columns.get(*at).map_or(0, |column| least(*at, column)) + GAP).sum::<usize>().saturating_sub(GAP)
    };
    while needed(&kept) > room {
        // The last of those with the highest rank.
        let Some(last) = kept.iter().copied().filter(|at| rank(at) > 0).max_by_key(|at| (rank(at), *at)) else { break };
        kept.retain(|at| *at != last);
    }
    let mut left = room.saturating_sub(needed(&kept));
    let mut widths = vec![0; columns.len()];
    let mut by_rank = kept.clone();
    by_rank.sort_by_key(|at| columns.get(*at).map_or(0, |column| column.rank));
    for at in by_rank {
        let Some(column) = columns.get(at) else { continue };
        let least = least(at, column);
        let more = natural.get(at).map_or(0, |whole| whole.saturating_sub(least)).min(left);
        left -= more;
        if let Some(width) = widths.get_mut(at) {
            *width = least + more;
        }
    }
    widths
}

fn header(buffer: &mut Buffer, columns: &[Column], widths: &[usize], sort: Option<Sort>, theme: Theme, area: Rect) {
    let mut x = area.x + MARK.len() as u16;
    for (at, (column, width)) in columns.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0) {
        let mark = sort.filter(|sort| sort.column == at).map_or("", |sort| if sort.is_descending { "▼" } else { "▲" });
        let title = Plain::new(&format!("{}{mark}", column.title));
        let style = theme.style(Tone::Strong).add_modifier(Modifier::UNDERLINED);
        x = cell(buffer, (x, area), &title, *width, column.is_number, |at, text, width| {
            theme.put_styled(at.2, (at.0, at.1), text, width, style)
        });
    }
}

fn draw_row(buffer: &mut Buffer, columns: &[Column], row: &Row, widths: &[usize], is_selected: bool, theme: Theme, area: Rect) {
    if is_selected {
        buffer.set_style(area, theme.selected());
        theme.put_styled(buffer, (area.x, area.y), &Plain::new(MARK), MARK.len() as u16, theme.selected());
    }
    let mut x = area.x + MARK.len() as u16;
    for ((column, width), content) in columns.iter().zip(widths).zip(&row.cells).filter(|((_, width), _)| **width > 0) {
        let tone = theme.style(content.tone);
        let style = if is_selected { tone.patch(theme.selected()) } else { tone };
        x = cell(buffer, (x, area), &content.text, *width, column.is_number, |at, text, width| {
            theme.put_styled(at.2, (at.0, at.1), text, width, style)
        });
    }
}

/// Writes a text into a column; returns where the next column begins.
fn cell(
    buffer: &mut Buffer,
    (x, area): (u16, Rect),
    text: &Plain,
    width: usize,
    is_number: bool,
    put: impl FnOnce((u16, u16, &mut Buffer), &Plain, u16),
) -> u16 {
    let shown = text.cut(width);
    let before = if is_number { width.saturating_sub(shown.width()) } else { 0 };
    let start = x.saturating_add(before as u16).min(area.right());
    let room = (width - before.min(width)).min(usize::from(area.right() - start));
    put((start, area.y, buffer), &shown, room as u16);
    x.saturating_add((width + GAP) as u16).min(area.right())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_on_the_screen() {
        for rows in 0..30_usize {
            for height in 1..12 {
                for selected in 0..rows {
                    for offset in [0, 5, 100] {
                        let first = scrolled(offset, selected, height, rows);
                        assert!(first <= selected && selected < first + height, "{rows} {height} {selected} {offset}: {first}");
                        assert!(
                            rows < height || first + height <= rows,
                            "no empty line at the end: {rows} {height} {selected} {offset}: {first}"
                        );
                    }
                }
            }
        }
    }
}
