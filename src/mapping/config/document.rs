//! The first document of a file: statsd_exporter reads that one only. Knows lines that begin with `---` or `...`, and no other YAML.

use super::findings::At;

/// The text of the first document, and where another one has content, if one has. A document that is empty is none.
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
            return (text.get(..length).unwrap_or(text), content(more));
        }
        is_open |= begins.is_some();
        // A directive stands before the first `---`.
        has_content |= !is_blank(begins.unwrap_or(line)) && !ends && (is_open || !line.starts_with('%'));
    }
}

/// Where the first content stands.
fn content(mut lines: TextLines<'_>) -> Option<At> {
    while let Some(line) = lines.next() {
        let text = after_marker(line, "---").or_else(|| after_marker(line, "...")).unwrap_or(line);
        if !is_blank(text) {
            let before = line.len() - text.trim_start().len();
            let column = line.get(..before).map_or(0, |before| before.chars().count());
            return Some(At { line: lines.number, column: u32::try_from(column + 1).unwrap_or(u32::MAX) });
        }
    }
    None
}

/// What follows a marker at the start of a line.
fn after_marker<'t>(line: &'t str, marker: &str) -> Option<&'t str> {
    line.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Whether there is nothing, or a comment.
fn is_blank(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    text.is_empty() || text.starts_with('#')
}

/// Lines without their ends; a line ends with `\n`, `\r\n` or `\r`.
#[derive(Clone, Copy)]
struct TextLines<'t> {
    rest: &'t str,
    /// Of the line that came last, from 1.
    number: u32,
}

impl<'t> TextLines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once(['\n', '\r']).unwrap_or((self.rest, ""));
        let is_return = self.rest.get(line.len()..).is_some_and(|end| end.starts_with("\r\n"));
        self.rest = if is_return { rest.strip_prefix('\n').unwrap_or(rest) } else { rest };
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
