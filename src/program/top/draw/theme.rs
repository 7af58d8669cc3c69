//! Colours and emphasis, and text on the screen. All text that is drawn passes through here.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::program::top::page::Tone;
use crate::program::top::plain::Plain;

/// How texts look.
#[derive(Debug, Clone, Copy)]
pub(in crate::program::top) struct Theme {
    /// `NO_COLOR` is not set.
    pub(in crate::program::top) has_colour: bool,
}

impl Theme {
    pub(super) fn style(self, tone: Tone) -> Style {
        let (colour, modifier) = match tone {
            Tone::Normal => (Color::Reset, Modifier::empty()),
            Tone::Soft => (Color::Reset, Modifier::DIM),
            Tone::Strong => (Color::Reset, Modifier::BOLD),
            Tone::Good => (Color::Green, Modifier::empty()),
            Tone::Warning => (Color::Yellow, Modifier::empty()),
            Tone::Bad => (Color::Red, Modifier::BOLD),
        };
        let style = Style::new().add_modifier(modifier);
        if self.has_colour && colour != Color::Reset { style.fg(colour) } else { style }
    }

    /// Of the selected row and the shown tab.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Writes a text, cut to `width`.
    pub(super) fn put(self, buffer: &mut Buffer, at: (u16, u16), text: &Plain, width: u16, tone: Tone) {
        self.put_styled(buffer, at, text, width, self.style(tone));
    }

    pub(super) fn put_styled(self, buffer: &mut Buffer, (x, y): (u16, u16), text: &Plain, width: u16, style: Style) {
        buffer.set_stringn(x, y, text.cut(usize::from(width)).as_str(), usize::from(width), style);
    }
}
