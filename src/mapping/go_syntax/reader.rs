//! The characters of an expression, one after the other.

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

    /// Goes past as many bytes.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Goes past `text` if it is next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Up to the first `end`, and past it; `None`, and nothing is taken, if there is none.
    pub(super) fn until(&mut self, end: &str) -> Option<&'a str> {
        let (text, _) = self.rest().split_once(end)?;
        self.at += text.len() + end.len();
        Some(text)
    }

    /// Characters while they are such.
    pub(super) fn run(&mut self, is_such: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c: char| !is_such(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }
}
