//! Finds the likely cause of a YAML syntax error: a text that needs quotes, an unclosed quote, a missing `:`, or wrong indentation. The
//! parser reports where it stopped, which is often after the mistake, and seldom reports the cause.
//!
//! The heuristics inspect the lines around the error, and search the parser's message for keywords. Columns are byte offsets counted
//! from 0, except in [`At`].

use super::findings::At;
use super::yaml_line::{KeyLine, content, indentation, is_blank, open_quote, quoted};

/// The maximum number of lines above the error that are inspected.
const MAX_LINES: usize = 200;

/// The position of a mistake, and a text that names the mistake and its correction.
pub(super) type Diagnosis = (At, String);

/// Returns the likely cause of a syntax error, or `None` if it is not recognised. `message` is the error of the parser at `place`.
pub(super) fn diagnose(message: &str, place: At, text: &str) -> Option<Diagnosis> {
    let number = place.line as usize;
    let lines: Vec<&str> = text.lines().take(number + 1).collect();
    let above = lines.get(..number.saturating_sub(1)).unwrap_or(&lines);
    // The parser can report an error one line after the last.
    let line = lines.get(number.saturating_sub(1)).copied().unwrap_or_default();
    let here = ErrorLine { above, line, number, column: (place.column as usize).saturating_sub(1) };
    // The parser reports some tabs one line too early, because a text can continue on the next line.
    let next = lines.get(number).filter(|_| message.contains("tab")).map(|line| ErrorLine { above, line, number: number + 1, column: 0 });
    here.tab()
        .or_else(|| next?.tab())
        .or_else(|| here.quote(message))
        .or_else(|| here.brace())
        .or_else(|| here.start())
        .or_else(|| here.colon_in_text(message))
        .or_else(|| here.missing_colon(message))
        .or_else(|| here.wrong_column(message))
        .or_else(|| here.bracket(message))
}

/// Returns the closest key above `place` that has no value, if the key at `place` possibly belongs to it and its indentation is
/// missing. All keys in between must be in the same column.
pub(super) fn parent(place: At, text: &str) -> Option<&str> {
    let lines: Vec<&str> = text.lines().take(place.line as usize).collect();
    let (last, above) = lines.split_last()?;
    let column = KeyLine::read(last)?.column;
    let keys = above.iter().rev().take(MAX_LINES).filter(|line| !is_blank(line)).map_while(|line| KeyLine::read(line));
    keys.take_while(|line| line.column == column).find(|line| line.value.is_empty()).map(|line| line.key)
}

/// The line of the error, and the lines above it.
struct ErrorLine<'t> {
    above: &'t [&'t str],
    line: &'t str,
    /// The line number, counted from 1.
    number: usize,
    /// The column of the error.
    column: usize,
}

impl<'t> ErrorLine<'t> {
    fn at(&self, column: usize) -> At {
        place(self.line, self.number, column)
    }

    /// Returns the lines above with their numbers, the closest first, without blank lines and comments.
    fn before(&self) -> impl Iterator<Item = (usize, &'t str)> {
        let numbered = (1..).zip(self.above.iter().copied());
        let numbered: Vec<(usize, &str)> = numbered.filter(|(_, line)| !is_blank(line)).collect();
        numbered.into_iter().rev().take(MAX_LINES)
    }

    /// Detects a tab in the indentation.
    fn tab(&self) -> Option<Diagnosis> {
        let blank = self.line.len() - self.line.trim_start_matches([' ', '\t', '-']).len();
        let tab = self.line.get(..blank)?.find('\t')?;
        Some((self.at(tab), "this line is indented with a tab; YAML takes spaces only".to_owned()))
    }

    /// Detects unclosed and misplaced quotes.
    fn quote(&self, message: &str) -> Option<Diagnosis> {
        let is_about = message.contains("quot") && !message.contains("escape");
        if is_about { self.open_quote().or_else(|| self.inner_quote()) } else { None }
    }

    /// Detects a quote that is not closed on its line.
    fn open_quote(&self) -> Option<Diagnosis> {
        let all = std::iter::once((self.number, self.line)).chain(self.before());
        let (number, line, column) = all.into_iter().find_map(|(number, line)| Some((number, line, open_quote(line)?)))?;
        let quote = line.get(column..)?.chars().next()?;
        Some((place(line, number, column), format!("this quote is not closed on its line; write another {quote} where the text ends")))
    }

    /// Detects quotes within a quoted text, such as `'it's'`.
    fn inner_quote(&self) -> Option<Diagnosis> {
        let line = KeyLine::read(self.line)?;
        let quote = line.value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let inner = line.value.strip_prefix(quote)?;
        let text = match inner.strip_suffix(quote) {
            Some(inner) => format!("the text ends at its second quote; write {}", quoted(inner)),
            None => format!("text stands behind the closing quote; write {}", quoted(line.value)),
        };
        Some((self.at(line.value_column), text))
    }

    /// Detects a brace within a text in a one-line map or list, such as `{x: ${1}}`. YAML parses it as the start of another map.
    fn brace(&self) -> Option<Diagnosis> {
        let before = self.line.get(..self.column)?;
        if !self.line.get(self.column..)?.starts_with(['{', '[']) || before.is_empty() || before.ends_with([' ', '{', '[', ',']) {
            return None;
        }
        let start = ["{ ", "[ ", ", ", ": "].iter().filter_map(|opens| Some(before.rfind(opens)? + opens.len())).max();
        let start = start.max(before.rfind(['{', '[', ',']).map(|at| at + 1))?;
        let value = self.line.get(start..)?;
        let value = value.get(..end_of_text(value))?.trim_end();
        let text = format!("a text with braces needs quotes between {{ and }}: write {}", quoted(value));
        Some((self.at(start), text))
    }

    /// Detects an unquoted value that starts with a special character, such as `match: {a,b}.c` or `help: @all`.
    fn start(&self) -> Option<Diagnosis> {
        let line = KeyLine::read(self.line)?;
        let first = line.value.chars().next()?;
        let is_cut = match first {
            '@' | '`' | '%' | '|' | '>' => true,
            '-' => line.value.starts_with("- "),
            '{' | '[' => self.column > line.value_column + closing(line.value)?,
            _ => false,
        };
        if !is_cut {
            return None;
        }
        Some((self.at(line.value_column), format!("a text that begins with {first:?} needs quotes: write {}", quoted(line.value))))
    }

    /// Detects an unquoted text that contains `: `, such as `help: Requests: all`.
    fn colon_in_text(&self, message: &str) -> Option<Diagnosis> {
        let line = KeyLine::read(self.line)?;
        let is_text = !line.value.is_empty() && !line.value.starts_with(['"', '\'', '{', '[']);
        let has_colon = line.value.contains(": ") || line.value.ends_with(':');
        if !message.contains("mapping values") || !is_text || !has_colon || self.column < line.value_column {
            return None;
        }
        Some((self.at(line.value_column), format!("a text with `: ` in it needs quotes: write {}", quoted(line.value))))
    }

    /// Detects a key without a colon, such as `- match a`.
    fn missing_colon(&self, message: &str) -> Option<Diagnosis> {
        if !message.contains("mapping values") && !message.contains("simple key") {
            return None;
        }
        let candidates = std::iter::once((self.number, self.line)).chain(self.before().take(1));
        let lines = candidates.into_iter().find(|(_, line)| !is_blank(line) && !line.contains(": ") && !line.trim_end().ends_with(':'));
        let (number, line) = lines?;
        let start = content(line);
        let rest = line.get(start..)?.trim_end();
        let (word, value) = rest.split_once([' ', ':', '=']).unwrap_or((rest, ""));
        let is_key = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_key {
            return None;
        }
        let written = format!("{word}: {}", value.trim());
        Some((place(line, number, start), format!("a `: ` is missing behind `{word}`; write `{}`", written.trim_end())))
    }

    /// Detects a key or a dash whose indentation matches no line above it.
    fn wrong_column(&self, message: &str) -> Option<Diagnosis> {
        let is_about = ["mapping values", "expected key", "expected '-'", "indentation"].iter().any(|word| message.contains(word));
        let (start, is_dash) = (indentation(self.line), self.line.trim_start().starts_with('-'));
        if !is_about || is_blank(self.line) || self.column > self.line.trim_end().len() {
            return None;
        }
        let (_, nearest) = self.before().next()?;
        let nearest = KeyLine::read(nearest);
        if let Some(parent) = nearest.filter(|line| line.value.is_empty() && !is_dash) {
            let text =
                format!("what belongs to `{}` stands deeper than it: write {} before this line", parent.key, spaces(parent.column + 2));
            return Some((self.at(start), text));
        }
        let columns = self.before().filter_map(|(_, line)| column_of(line, is_dash)).collect::<Vec<_>>();
        let wanted = columns.iter().copied().min_by_key(|column| column.abs_diff(start)).filter(|column| *column != start)?;
        let text = format!("this line stands in no column of the lines above it: write {} before it, not {start}", spaces(wanted));
        Some((self.at(start), text))
    }

    /// Detects an unclosed bracket, such as `{x: $1` and `[1, 2}`.
    fn bracket(&self, message: &str) -> Option<Diagnosis> {
        let open = message.split_once("bracket '")?.1.chars().next()?;
        let close = if open == '{' { '}' } else { ']' };
        Some((self.at(self.column), format!("this `{open}` is not closed by `{close}`")))
    }
}

/// Converts a byte offset in a line into a position.
fn place(line: &str, number: usize, column: usize) -> At {
    let characters = line.get(..column).map_or(column, |before| before.chars().count());
    let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    At { line: bounded(number), column: bounded(characters + 1) }
}

fn spaces(count: usize) -> String {
    match count {
        0 => "no spaces".to_owned(),
        1 => "1 space".to_owned(),
        _ => format!("{count} spaces"),
    }
}

/// Returns the column of the dash of `line` if `is_dash`, else the column of its key.
fn column_of(line: &str, is_dash: bool) -> Option<usize> {
    let begins = line.trim_start().starts_with('-');
    match (is_dash, begins) {
        (true, true) => Some(indentation(line)),
        (true, false) => None,
        (false, _) => KeyLine::read(line).map(|line| line.column),
    }
}

/// Returns the end of a text in a one-line map or list. Braces within the text are balanced.
fn end_of_text(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 0 => return at,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Returns the offset of the bracket that closes the first bracket of `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    text.char_indices().find_map(|(at, c)| {
        depth += i32::from(matches!(c, '{' | '[')) - i32::from(matches!(c, '}' | ']'));
        (depth == 0).then_some(at)
    })
}
