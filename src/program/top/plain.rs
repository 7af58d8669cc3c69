//! Text that is safe on a terminal: without characters that control it, are invisible, or have an uncertain width. Must not know what
//! a text means.

use unicode_width::UnicodeWidthChar;

use crate::program::plain_text::is_hidden;

/// The most characters of one text. Senders choose names and values of up to 64 KiB.
const MAX_CHARS: usize = 8 << 10;

/// The end of a cut text.
const ELLIPSIS: char = '…';

/// A text that a terminal shows as it is: the sum of the widths of its characters is its width on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Plain {
    text: String,
    /// Columns of the screen. Tables ask for the widths of all their cells each time they are drawn.
    width: usize,
}

impl Plain {
    /// Replaces each character that is not safe by U+FFFD.
    pub(super) fn new(text: &str) -> Self {
        Self::of(text.chars().take(MAX_CHARS).map(|c| if is_safe(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
    }

    /// A text of safe characters.
    fn of(text: String) -> Self {
        Self { width: text.chars().map(width_of).sum(), text }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The number of columns on the screen.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The first part that fits into `width` columns, with an ellipsis at its end if something is missing.
    pub(super) fn cut(&self, width: usize) -> Self {
        if self.width <= width {
            return self.clone();
        }
        let mut left = width.saturating_sub(1);
        let mut kept: String = self.text.chars().take_while(|c| take(&mut left, *c)).collect();
        if width > 0 {
            kept.push(ELLIPSIS);
        }
        Self::of(kept)
    }

    /// The last part that fits into `width` columns.
    pub(super) fn end(&self, width: usize) -> Self {
        let mut left = width;
        let kept: Vec<char> = self.text.chars().rev().take_while(|c| take(&mut left, *c)).collect();
        Self::of(kept.into_iter().rev().collect())
    }

    /// The last part that fits into `width` columns, with an ellipsis before it if something is missing.
    pub(super) fn end_of(&self, width: usize) -> Self {
        if self.width <= width { self.clone() } else { Self::of(format!("{ELLIPSIS}{}", self.end(width.saturating_sub(1)).text)) }
    }

    /// Lines of at most `width` columns, broken at spaces where possible. Further lines begin with `indent` spaces.
    pub(super) fn wrapped(&self, width: usize, indent: usize) -> Vec<Self> {
        let width = width.max(2);
        let indent = if indent + 8 > width { 0 } else { indent };
        let mut lines = vec![String::new()];
        let mut used = 0;
        for word in self.text.split_inclusive(' ') {
            let needed: usize = word.trim_end_matches(' ').chars().map(width_of).sum();
            if used + needed > width && used > indent && needed <= width - indent {
                lines.push(" ".repeat(indent));
                used = indent;
            }
            for c in word.chars() {
                if used + width_of(c) > width {
                    if c == ' ' {
                        continue;
                    }
                    lines.push(" ".repeat(indent));
                    used = indent;
                }
                used += width_of(c);
                if let Some(line) = lines.last_mut() {
                    line.push(c);
                }
            }
        }
        lines.into_iter().map(|line| Self::of(line.trim_end().to_owned())).collect()
    }
}

/// Whether `c` fits into the columns that are left.
fn take(left: &mut usize, c: char) -> bool {
    let fits = width_of(c) <= *left;
    *left = left.saturating_sub(width_of(c));
    fits
}

fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Whether each terminal shows `c` in the same number of columns, whatever stands beside it.
fn is_safe(c: char) -> bool {
    // Skin tones and the letters of flags join with the character before.
    let joins = matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{1f1e6}'..='\u{1f1ff}');
    !is_hidden(c) && !joins && width_of(c) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_replaced() {
        let hostile = "a\u{1b}[2J\u{202e}b\u{9b}\t\u{200d}e\u{301}\u{1f44b}\u{1f3fd}\u{1f1e9}\u{fe0f}漢";
        assert_eq!(
            Plain::new(hostile).as_str(),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}\u{fffd}\u{fffd}e\u{fffd}\u{1f44b}\u{fffd}\u{fffd}\u{fffd}漢"
        );
        assert_eq!(Plain::new(&"x".repeat(100_000)).width(), MAX_CHARS);
    }

    #[test]
    fn texts_are_cut_by_their_width() {
        let cut = |text: &str, width| Plain::new(text).cut(width).text;
        assert_eq!(
            (cut("abcdef", 6), cut("abcdef", 5), cut("abc", 1), cut("abc", 0)),
            ("abcdef".into(), "abcd…".into(), "…".into(), String::new())
        );
        assert_eq!((cut("漢字漢", 6), cut("漢字漢", 5), cut("漢字漢", 4)), ("漢字漢".into(), "漢字…".into(), "漢…".into()));
        assert_eq!(Plain::new("abc漢").end(3).text, "c漢");
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        let wrapped =
            |text: &str, width, indent| Plain::new(text).wrapped(width, indent).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(wrapped("the first words", 9, 0), ["the first", "words"]);
        assert_eq!(wrapped("the first words and more", 12, 2), ["the first", "  words and", "  more"]);
        assert_eq!(wrapped("abcdefghij", 4, 0), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("漢字漢", 5, 0), ["漢字", "漢"]);
        assert_eq!(wrapped("", 5, 0), [""]);
        for width in 1..40 {
            let text = Plain::new("some words 漢字漢字漢字漢字 and one-of-them-that-is-too-long-for-a-line \u{1f44b} end");
            assert!(text.wrapped(width, 2).iter().all(|line| line.width() <= width.max(2)), "{width}");
            assert!(text.cut(width).width() <= width && text.end(width).width() <= width, "{width}");
        }
    }
}
