//! A line of text that the operator types: a filter or a question.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::plain::Plain;

/// The most bytes of a text.
const MAX_BYTES: usize = 8 << 10;

/// What the text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Filter,
    Ask,
}

/// A text in the making.
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    pub(super) text: String,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Changed,
    Done,
    Cancelled,
}

impl Prompt {
    pub(super) fn new(purpose: Purpose, text: &str) -> Self {
        Self { purpose, text: text.to_owned() }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Typed {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Typed::Done,
            KeyCode::Esc => return Typed::Cancelled,
            KeyCode::Char('u') if is_control => self.text.clear(),
            KeyCode::Char('w') if is_control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char('h') if is_control => drop(self.text.pop()),
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Char(c) if !is_control && !key.modifiers.contains(KeyModifiers::ALT) => self.insert(&c.to_string()),
            _ => {}
        }
        Typed::Changed
    }

    /// Adds a text that was typed or pasted: its first line.
    pub(super) fn insert(&mut self, text: &str) {
        let line = text.trim_start_matches(['\r', '\n']).split(['\r', '\n']).next().unwrap_or_default();
        for c in line.chars().filter(|c| !c.is_control()) {
            if self.text.len() + c.len_utf8() <= MAX_BYTES {
                self.text.push(c);
            }
        }
    }

    /// The text as it is shown.
    pub(super) fn shown(&self) -> Plain {
        Plain::new(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_typed_and_pasted() {
        let mut prompt = Prompt::new(Purpose::Ask, "");
        let mut press = |code, modifiers| prompt.key(KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('a'), KeyModifiers::NONE), Typed::Changed);
        assert_eq!(press(KeyCode::Char('é'), KeyModifiers::NONE), Typed::Changed);
        assert_eq!(press(KeyCode::Backspace, KeyModifiers::NONE), Typed::Changed);
        assert_eq!(press(KeyCode::Enter, KeyModifiers::NONE), Typed::Done);
        assert_eq!(press(KeyCode::Esc, KeyModifiers::NONE), Typed::Cancelled);
        prompt.insert("\nb:1|c\u{7}\nsecond");
        assert_eq!(prompt.text, "ab:1|c");
        prompt.insert(" two words");
        prompt.key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(prompt.text, "ab:1|c two ");
        prompt.insert(&"x".repeat(100_000));
        assert_eq!(prompt.text.len(), MAX_BYTES);
        prompt.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(prompt.text, "");
    }
}
