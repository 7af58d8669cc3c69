//! What is most likely wrong where a file is no YAML: a text that needs quotes, a quote that is not closed, a missing `:`, a line that
//! stands in the wrong column. The parser says where it stopped, which is often behind the mistake, and seldom why.
//!
//! Looks at lines, and at the parser's words only for what they are about. Columns count from 0 here, but in places.

use super::findings::At;
use super::yaml_line::{KeyLine, content, indentation, is_blank, open_quote, quoted};

/// Lines above the place that are looked at.
const MOST_LINES: usize = 200;

/// A place, and what is wrong there and what to write.
pub(super) type Likely = (At, String);

/// The likely mistake behind what the parser says, `said`, of `place`; `None` if none is known.
pub(super) fn likely(said: &str, place: At, text: &str) -> Option<Likely> {
    let number = place.line as usize;
    let lines: Vec<&str> = text.lines().take(number + 1).collect();
    let above = lines.get(..number.saturating_sub(1)).unwrap_or(&lines);
    // Behind the last line there is an empty one.
    let line = lines.get(number.saturating_sub(1)).copied().unwrap_or_default();
    let here = Here { above, line, number, column: (place.column as usize).saturating_sub(1) };
    // A text may go on in the next line.
    let next = lines.get(number).filter(|_| said.contains("tab")).map(|line| Here { above, line, number: number + 1, column: 0 });
    here.tab()
        .or_else(|| next?.tab())
        .or_else(|| here.quote(said))
        .or_else(|| here.brace())
        .or_else(|| here.start())
        .or_else(|| here.colon_in_text(said))
        .or_else(|| here.missing_colon(said))
        .or_else(|| here.wrong_column(said))
        .or_else(|| here.bracket(said))
}

/// The key of a map above `place` that says nothing, if what stands there may have lost its indentation to it: all between stands in
/// the same column.
pub(super) fn parent(place: At, text: &str) -> Option<&str> {
    let lines: Vec<&str> = text.lines().take(place.line as usize).collect();
    let (last, above) = lines.split_last()?;
    let column = KeyLine::read(last)?.column;
    let keys = above.iter().rev().take(MOST_LINES).filter(|line| !is_blank(line)).map_while(|line| KeyLine::read(line));
    keys.take_while(|line| line.column == column).find(|line| line.value.is_empty()).map(|line| line.key)
}

struct Here<'t> {
    above: &'t [&'t str],
    line: &'t str,
    /// From 1.
    number: usize,
    column: usize,
}

impl<'t> Here<'t> {
    fn at(&self, column: usize) -> At {
        place(self.line, self.number, column)
    }

    /// Lines above that say something, the nearest first, with their numbers.
    fn before(&self) -> impl Iterator<Item = (usize, &'t str)> {
        let numbered = (1..).zip(self.above.iter().copied());
        let numbered: Vec<(usize, &str)> = numbered.filter(|(_, line)| !is_blank(line)).collect();
        numbered.into_iter().rev().take(MOST_LINES)
    }

    fn tab(&self) -> Option<Likely> {
        let blank = self.line.len() - self.line.trim_start_matches([' ', '\t', '-']).len();
        let tab = self.line.get(..blank)?.find('\t')?;
        Some((self.at(tab), "this line is indented with a tab; YAML takes spaces only".to_owned()))
    }

    fn quote(&self, said: &str) -> Option<Likely> {
        let is_about = said.contains("quot") && !said.contains("escape");
        if is_about { self.open_quote().or_else(|| self.inner_quote()) } else { None }
    }

    fn open_quote(&self) -> Option<Likely> {
        let all = std::iter::once((self.number, self.line)).chain(self.before());
        let (number, line, column) = all.into_iter().find_map(|(number, line)| Some((number, line, open_quote(line)?)))?;
        let quote = line.get(column..)?.chars().next()?;
        Some((place(line, number, column), format!("this quote is not closed on its line; write another {quote} where the text ends")))
    }

    /// `'it's'`.
    fn inner_quote(&self) -> Option<Likely> {
        let line = KeyLine::read(self.line)?;
        let quote = line.value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let inner = line.value.strip_prefix(quote)?;
        let text = match inner.strip_suffix(quote) {
            Some(inner) => format!("the text ends at its second quote; write {}", quoted(inner)),
            None => format!("text stands behind the closing quote; write {}", quoted(line.value)),
        };
        Some((self.at(line.value_column), text))
    }

    /// `{x: ${1}}`: in a map or list on one line a brace begins another map, also within a text.
    fn brace(&self) -> Option<Likely> {
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

    /// `match: {a,b}.c`, `help: @all`: values that begin with what has a meaning of its own.
    fn start(&self) -> Option<Likely> {
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

    /// `help: Requests: all`.
    fn colon_in_text(&self, said: &str) -> Option<Likely> {
        let line = KeyLine::read(self.line)?;
        let is_text = !line.value.is_empty() && !line.value.starts_with(['"', '\'', '{', '[']);
        let has_colon = line.value.contains(": ") || line.value.ends_with(':');
        if !said.contains("mapping values") || !is_text || !has_colon || self.column < line.value_column {
            return None;
        }
        Some((self.at(line.value_column), format!("a text with `: ` in it needs quotes: write {}", quoted(line.value))))
    }

    /// `- match a`.
    fn missing_colon(&self, said: &str) -> Option<Likely> {
        if !said.contains("mapping values") && !said.contains("simple key") {
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

    /// A key or a dash that stands in no column of the lines around it.
    fn wrong_column(&self, said: &str) -> Option<Likely> {
        let is_about = ["mapping values", "expected key", "expected '-'", "indentation"].iter().any(|word| said.contains(word));
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

    /// `{x: $1` and `[1, 2}`.
    fn bracket(&self, said: &str) -> Option<Likely> {
        let open = said.split_once("bracket '")?.1.chars().next()?;
        let close = if open == '{' { '}' } else { ']' };
        Some((self.at(self.column), format!("this `{open}` is not closed by `{close}`")))
    }
}

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

/// The column in which a line like this one may stand: that of a dash, or that of a key.
fn column_of(line: &str, is_dash: bool) -> Option<usize> {
    let begins = line.trim_start().starts_with('-');
    match (is_dash, begins) {
        (true, true) => Some(indentation(line)),
        (true, false) => None,
        (false, _) => KeyLine::read(line).map(|line| line.column),
    }
}

/// Where a text in a map or list on one line ends, braces of its own counted.
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

/// Where the first bracket of `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    text.char_indices().find_map(|(at, c)| {
        depth += i32::from(matches!(c, '{' | '[')) - i32::from(matches!(c, '}' | ']'));
        (depth == 0).then_some(at)
    })
}
