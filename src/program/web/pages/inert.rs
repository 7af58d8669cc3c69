//! Replaces what would change how a page is read: control characters, and characters that are invisible or reorder text. The pages
//! themselves have none.

use crate::program::plain_text;

/// The page with U+FFFD in place of each such character.
pub(super) fn inert(page: String) -> String {
    if page.chars().any(is_hidden) { page.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect() } else { page }
}

/// Line breaks are those of the templates.
fn is_hidden(c: char) -> bool {
    c != '\n' && plain_text::is_hidden(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown_as_such() {
        assert_eq!(inert("a\u{202e}b\u{1b}[1m\r\u{200b}\u{e0041}é漢\n".to_owned()), "a\u{fffd}b\u{fffd}[1m\u{fffd}\u{fffd}\u{fffd}é漢\n");
    }
}
