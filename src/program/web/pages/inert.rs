//! Replaces what would change how a page is read: control characters, and characters that are invisible or reorder text. The pages
//! themselves have none.

/// The page with U+FFFD in place of each such character.
pub(super) fn inert(page: String) -> String {
    if page.chars().any(is_hidden) { page.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect() } else { page }
}

fn is_hidden(c: char) -> bool {
    c != '\n' && c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown_as_such() {
        assert_eq!(inert("a\u{202e}b\u{1b}[1m\r\u{200b}\u{e0041}é漢\n".to_owned()), "a\u{fffd}b\u{fffd}[1m\u{fffd}\u{fffd}\u{fffd}é漢\n");
    }
}
