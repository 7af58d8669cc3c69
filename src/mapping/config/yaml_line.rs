//! Inspects single lines of a file that is not valid YAML: key, value and quotes. Columns are byte offsets, counted from 0.

/// A line `key: value`, or `- key: value`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KeyLine<'t> {
    /// Column of the first character, which is the `-` if the line has one.
    pub(super) start: usize,
    /// Column of the key.
    pub(super) column: usize,
    /// The key. It is unquoted.
    pub(super) key: &'t str,
    /// Column of the value.
    pub(super) value_column: usize,
    /// The value without a comment, as written. Empty if the line has no value.
    pub(super) value: &'t str,
}

impl<'t> KeyLine<'t> {
    /// Parses a line. Returns `None` if it has no `: ` and no `:` at its end, or if the key is not a plain word.
    pub(super) fn read(line: &'t str) -> Option<Self> {
        let (start, column) = (indentation(line), content(line));
        let rest = line.get(column..)?;
        let end = rest.find(": ").or_else(|| rest.trim_end().strip_suffix(':').map(str::len))?;
        let (key, after) = rest.split_at_checked(end)?;
        let after = after.get(1..)?;
        if key.is_empty() || key.contains(['"', '\'', '{', '[', '#', ' ', ',']) {
            return None;
        }
        let value_column = column + end + 1 + (after.len() - after.trim_start().len());
        Some(Self { start, column, key, value_column, value: without_comment(after.trim_start()).trim_end() })
    }
}

/// Returns the number of spaces at the start of a line.
pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns the column after the indentation and the dashes of lists.
pub(super) fn content(line: &str) -> usize {
    let mut rest = line.trim_start_matches(' ');
    while let Some(after) = rest.strip_prefix("- ") {
        rest = after.trim_start_matches(' ');
    }
    line.len() - rest.len()
}

/// Reports whether a line is empty or a comment.
pub(super) fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Cuts a comment from an unquoted value.
pub(super) fn without_comment(value: &str) -> &str {
    if value.starts_with(['"', '\'']) { value } else { value.split_once(" #").map_or(value, |(value, _)| value) }
}

/// Returns the column of a quote that opens a text and is not closed on this line.
pub(super) fn open_quote(line: &str) -> Option<usize> {
    let mut quote: Option<(usize, char)> = None;
    // A text can start at the start of the line, after `: ` or `- `, and after `[`, `{` or `,`.
    let mut is_start = true;
    let mut last = '\n';
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some((_, '"')), '\\') => drop(chars.next()),
            (Some((_, '\'')), '\'') if line.get(at + 1..).is_some_and(|rest| rest.starts_with('\'')) => drop(chars.next()),
            (Some((_, open)), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if is_start => quote = Some((at, c)),
            (None, '#') if last == ' ' || last == '\n' => return None,
            _ => {}
        }
        is_start = match c {
            ' ' => is_start || matches!(last, ':' | '-' | ','),
            '[' | '{' | ',' => true,
            _ => false,
        };
        last = c;
    }
    quote.map(|(at, _)| at)
}

/// Quotes `text`, with the quotes that need no escapes if possible.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['\'', '\n']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else if text.contains(['"', '\\']) {
        format!("'{text}'")
    } else {
        format!("\"{text}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed() {
        let read = |line| KeyLine::read(line).map(|line| (line.start, line.column, line.key, line.value_column, line.value));
        assert_eq!(read("  - match: a.*  # all"), Some((2, 4, "match", 11, "a.*")));
        assert_eq!(read("labels:"), Some((0, 0, "labels", 7, "")));
        assert_eq!(read("labels:   # none"), Some((0, 0, "labels", 10, "# none")));
        assert_eq!(read("- - a: b"), Some((0, 4, "a", 7, "b")));
        assert_eq!(read("  help: \"a: #b\""), Some((2, 2, "help", 8, "\"a: #b\"")));
        for line in ["", "- match a", "a:b", "\"a\": b", "{a: b}", "# a: b", "two words: b"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn unclosed_quotes_are_found() {
        for (line, column) in [
            ("a: \"b", Some(3)),
            ("a: 'b", Some(3)),
            ("- \"b", Some(2)),
            ("{a: \"b}", Some(4)),
            ("[a,\"b]", Some(3)),
            ("a: \"b\\\"", Some(3)),
            ("a: 'b''", Some(3)),
            ("a: \"b\"", None),
            ("a: 'it''s'", None),
            ("a: it's", None),
            ("a: 5\"", None),
            ("a: b # \"c", None),
            ("# \"c", None),
            ("a: \"#\"", None),
        ] {
            assert_eq!(open_quote(line), column, "{line}");
        }
    }

    #[test]
    fn quoting_avoids_escapes() {
        assert_eq!(
            (quoted("a: b"), quoted("a\"b\\"), quoted("it's \"b\"")),
            ("\"a: b\"".into(), "'a\"b\\'".into(), "\"it's \\\"b\\\"\"".into())
        );
    }
}
