//! The keys, over the page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget};

use super::theme::Theme;
use crate::program::top::page::Tone;
use crate::program::top::plain::Plain;

const KEYS: [(&str, &str); 10] = [
    ("1-9, 0, Tab, Shift-Tab", "another view"),
    ("j k, arrows, PgUp PgDn", "select a row, or scroll"),
    ("g G, Home End", "the first row, the last row"),
    ("Enter", "details of the row"),
    ("Backspace, Esc", "back"),
    ("/", "filter; Esc clears it"),
    ("s, S", "sort by the next column; reverse"),
    ("a, :", "ask about a line or a name"),
    ("p or space, r", "pause; refresh now"),
    ("q, Ctrl-C", "quit"),
];

/// Columns of the first text.
const KEY_WIDTH: u16 = 24;

/// Shows the keys in the middle of `area`, which has at least 60x12.
pub(super) fn help(buffer: &mut Buffer, theme: Theme, area: Rect) {
    let (width, height) = (60.min(area.width), (KEYS.len() as u16 + 2).min(area.height));
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    Block::bordered().title(" Keys; any key closes this ").render(place, buffer);
    for ((key, what), y) in KEYS.iter().zip(place.y + 1..place.bottom().saturating_sub(1)) {
        theme.put(buffer, (place.x + 2, y), &Plain::new(key), KEY_WIDTH, Tone::Strong);
        theme.put(buffer, (place.x + 2 + KEY_WIDTH, y), &Plain::new(what), width.saturating_sub(KEY_WIDTH + 3), Tone::Normal);
    }
}
