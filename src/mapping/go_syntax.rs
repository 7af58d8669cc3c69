//! go_syntax: translates regular expressions from Go's RE2 syntax to that of the crate `regex`.
//!
//! ```text
//! token    an expression -> tokens, each with its position and meaning
//! class    `[...]`
//! escape   escapes after a backslash
//! reader   reads characters
//! ```
//! In Go `\d \w \s \b` are ASCII, `\Q..\E` quotes, a `{` without a valid repetition is literal, a class contains only named classes, and
//! two groups may have the same name. An error is part of a sentence: the mistake, and what to write instead.

mod class;
mod escape;
mod reader;
mod token;

use std::ops::Range;

pub(crate) use self::token::{Group, Token, TokenKind, tokens};

/// The largest number in a repetition `{n}`.
const MAX_REPETITIONS: u32 = 1_000;

/// An expression for the crate `regex`, its `unicode` on and its `utf8` off.
#[derive(Debug)]
pub(super) struct Translated {
    /// The expression without group names, because Go accepts duplicate names and names that the crate rejects.
    pub(super) text: String,
    /// Names of its captures by number; the first is the whole match.
    pub(super) names: Vec<Option<String>>,
}

/// The kind of the last token, which decides whether a repetition may follow.
#[derive(Clone, Copy, PartialEq)]
enum Preceding {
    Nothing,
    Flags,
    Something,
    Repetition,
}

/// Translates and checks `pattern`. Only the compiled size is left for the crate to check.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translated = Translated { text: String::with_capacity(pattern.len() + 16), names: vec![None] };
    let mut before = Preceding::Nothing;
    let mut open = 0_usize;
    for Token { at, what } in tokens(pattern)? {
        let out = &mut translated.text;
        let mut now = Preceding::Something;
        match what {
            TokenKind::Literal(c) => escape::push_character(u32::from(c), out),
            TokenKind::Any => out.push('.'),
            TokenKind::Class(text) | TokenKind::Boundary(text) => out.push_str(&text),
            TokenKind::Start | TokenKind::End => out.push_str(written(pattern, at)),
            TokenKind::Open(group) => {
                open += 1;
                now = Preceding::Nothing;
                match group {
                    Group::Capture(name) => {
                        out.push('(');
                        translated.names.push(name);
                    }
                    Group::Plain(flags) => out.push_str(&format!("(?{flags}:")),
                }
            }
            TokenKind::Close => {
                open = open.checked_sub(1).ok_or("a `)` closes no `(`; write `\\)` for the character")?;
                out.push(')');
            }
            TokenKind::Or => {
                now = Preceding::Nothing;
                out.push('|');
            }
            TokenKind::Flags(flags) => {
                now = Preceding::Flags;
                // Go accepts a group without flags.
                out.push_str(&if flags.is_empty() { "(?:)".to_owned() } else { format!("(?{flags})") });
            }
            TokenKind::Repetition { least, most } => {
                let text = written(pattern, at);
                check_repetition(text, before, least, most)?;
                now = Preceding::Repetition;
                out.push_str(text);
            }
        }
        before = now;
    }
    if open > 0 {
        return Err("a `(` is not closed by `)`; write `\\(` for the character".to_owned());
    }
    check_crate(&translated.text)?;
    Ok(translated)
}

/// The text of a token.
fn written(pattern: &str, at: Range<usize>) -> &str {
    let text = pattern.get(at);
    debug_assert!(text.is_some(), "tokens are whole characters of the pattern");
    text.unwrap_or_default()
}

fn check_repetition(text: &str, before: Preceding, least: u32, most: Option<u32>) -> Result<(), String> {
    match before {
        Preceding::Nothing => {
            Err(format!("there is nothing before `{text}` to repeat; write `.*` for any text, or `\\{text}` for the character"))
        }
        Preceding::Flags => Err(format!("flags such as `(?i)` cannot be repeated; write `{text}` before them")),
        Preceding::Repetition => Err(format!(
            "`{text}` repeats a repetition, which RE2 does not allow; remove it, or write the repeated part as a group `(?:...)`"
        )),
        Preceding::Something if least.max(most.unwrap_or(0)) > MAX_REPETITIONS => {
            Err(format!("`{text}` exceeds {MAX_REPETITIONS} repetitions, the maximum in RE2; write `+` for any number"))
        }
        Preceding::Something if most.is_some_and(|most| most < least) => {
            Err(format!("`{text}` has its larger number first; write the smaller number first"))
        }
        Preceding::Something => Ok(()),
    }
}

/// Reports errors that only the crate finds, such as groups that are nested too deeply.
fn check_crate(text: &str) -> Result<(), String> {
    let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(text);
    parsed.map(|_| ()).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    })
}
