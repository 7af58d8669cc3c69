//! reader: reads the characters of an expression.

/// Reads characters.
pub(super) struct Reader<'a> {
    pattern: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the start of `pattern`.
    pub(super) fn new(pattern: &'a str) -> Self {
        Self { pattern, at: 0 }
    }

    /// Bytes that were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Skips `bytes` bytes.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The unread rest.
    pub(super) fn rest(&self) -> &'a str {
        debug_assert!(self.pattern.is_char_boundary(self.at), "whole characters are read");
        self.pattern.get(self.at..).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Skips `text` if it is next. Returns whether it was.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Reads up to the first `end` and skips `end`. Without `end`, returns `None` and reads nothing.
    pub(super) fn until(&mut self, end: &str) -> Option<&'a str> {
        let (text, _) = self.rest().split_once(end)?;
        self.at += text.len() + end.len();
        Some(text)
    }

    /// Reads characters while `is_such` holds.
    pub(super) fn run(&mut self, is_such: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let (text, _) = rest.split_at(rest.find(|c: char| !is_such(c)).unwrap_or(rest.len()));
        self.at += text.len();
        text
    }

    /// The text from `start`, an earlier [`at`](Self::at), to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        let text = self.pattern.get(start..self.at);
        debug_assert!(text.is_some(), "whole characters are read");
        text.unwrap_or_default()
    }
}
