//! Finds the first YAML document of a file, the only one that statsd_exporter reads. This module looks only at lines that begin with
//! `---` or `...`.

use super::findings::At;

/// Returns the text of the first document, and the place of the first content after it, if there is any. Empty documents are skipped.
pub(super) fn first(text: &str) -> (&str, Option<At>) {
    let mut lines = TextLines { rest: text, number: 0 };
    let (mut is_open, mut has_content) = (false, false);
    loop {
        let before = lines.rest;
        let Some(line) = lines.next() else { return (text, None) };
        let begins = after_marker(line, "---");
        let ends = after_marker(line, "...").is_some();
        if (is_open || has_content) && (begins.is_some() || ends) {
            let length = text.len() - if ends { lines.rest.len() } else { before.len() };
            let more = if ends { lines } else { TextLines { rest: before, number: lines.number - 1 } };
            debug_assert!(text.is_char_boundary(length), "documents end at line ends");
            return (text.get(..length).unwrap_or(text), content(more));
        }
        is_open |= begins.is_some();
        // Directives precede the first `---`.
        has_content |= !is_blank(begins.unwrap_or(line)) && !ends && (is_open || !line.starts_with('%'));
    }
}

/// Returns the place of the first content.
fn content(mut lines: TextLines<'_>) -> Option<At> {
    while let Some(line) = lines.next() {
        let text = after_marker(line, "---").or_else(|| after_marker(line, "...")).unwrap_or(line);
        if !is_blank(text) {
            let content = text.trim_start();
            debug_assert!(line.ends_with(content), "`content` is the end of `line`");
            let column = line.chars().count() - content.chars().count();
            return Some(At { line: lines.number, column: u32::try_from(column + 1).unwrap_or(u32::MAX) });
        }
    }
    None
}

/// Returns the rest of a line that starts with `marker`.
fn after_marker<'t>(line: &'t str, marker: &str) -> Option<&'t str> {
    line.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Reports whether `text` is empty or a comment.
fn is_blank(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    text.is_empty() || text.starts_with('#')
}

/// An iterator over lines without line endings, which are `\n`, `\r\n` or `\r`.
#[derive(Clone, Copy)]
struct TextLines<'t> {
    rest: &'t str,
    /// The number of the last returned line, counted from 1.
    number: u32,
}

impl<'t> TextLines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once(['\n', '\r']).unwrap_or((self.rest, ""));
        self.rest = self.rest.strip_prefix(line).and_then(|end| end.strip_prefix("\r\n")).unwrap_or(rest);
        self.number = self.number.saturating_add(1);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_document_ends_where_the_next_begins() {
        for (text, length, second) in [
            ("", 0, None),
            ("a: 1\n", 5, None),
            ("---\na: 1\n", 9, None),
            ("# c\n\n--- # c\na: 1\n---\n", 18, None),
            ("%YAML 1.1\n---\na: 1\n", 19, None),
            ("a: 1\n---", 5, None),
            ("a: 1\n---\n---\n\n # c\n...\n", 5, None),
            ("a: 1\r\n---\r\n", 6, None),
            ("a: 1\r---\rb: 2", 5, Some((3, 1))),
            ("a: 1\n...\n", 9, None),
            ("a: 1\n...\n---\n", 9, None),
            ("a: 1\n...\nb: 2\n", 9, Some((3, 1))),
            ("a: 1\n---\n\n  b: 2\n", 5, Some((4, 3))),
            ("a: 1\n--- é: [\n", 5, Some((2, 5))),
            ("---\n---\na: 1\n", 4, Some((3, 1))),
            ("--- {a: 1}\n---\n~\n", 11, Some((3, 1))),
            ("a: |\n  x\n---\n", 9, None),
            ("a: 1\n---b\n  ---\n....\n", 21, None),
        ] {
            let (first, at) = first(text);
            assert_eq!((first.len(), at.map(|at| (at.line, at.column))), (length, second), "{text:?}");
        }
    }
}
