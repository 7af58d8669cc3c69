//! Draws the state of the screen.
//!
//! ```text
//! theme    colours and emphasis, and text on the screen
//! body     notes, table and charts
//! table    columns and rows
//! charts   sparklines
//! frame    tabs, state, keys
//! overlay  help
//! ```

mod body;
mod charts;
mod frame;
mod overlay;
mod table;
mod theme;

#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;

pub(super) use self::theme::Theme;
use super::app::App;
use super::page::Tone;
use super::plain::Plain;

/// The smallest screen.
const LEAST: (u16, u16) = (60, 15);

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, theme: Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let said = format!("The terminal is too small: {}x{}. {}x{} is needed.", area.width, area.height, LEAST.0, LEAST.1);
        let lines = Plain::new(&said).wrapped(usize::from(area.width), 0);
        for (line, y) in lines.iter().zip(0..area.height) {
            theme.put(buffer, (0, y), line, area.width, Tone::Strong);
        }
        return;
    }
    let (head, foot) = (2, 1);
    frame::head(buffer, app, theme, Rect { height: head, ..area });
    let body = Rect { y: head, height: area.height - head - foot, ..area };
    if let Some(sheet) = app.sheet_mut() {
        body::draw(buffer, sheet, theme, body);
    }
    frame::foot(buffer, app, theme, Rect { y: area.height - foot, height: foot, ..area });
    if app.has_help {
        overlay::help(buffer, theme, body);
    }
}
