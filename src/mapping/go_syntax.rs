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

pub(crate) use self::token::{Group, Token, What, tokens};

/// The largest number in a repetition `{n}`.
const MOST_REPETITIONS: u32 = 1_000;

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
enum Before {
    Nothing,
    Flags,
    Something,
    Repetition,
}

/// Translates and checks `pattern`. Only the compiled size is left for the crate to check.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translated = Translated { text: String::with_capacity(pattern.len() + 16), names: vec![None] };
    let mut before = Before::Nothing;
    let mut open = 0_usize;
    for Token { at, what } in tokens(pattern)? {
        let out = &mut translated.text;
        let mut now = Before::Something;
        match what {
            What::Literal(c) => escape::push_character(u32::from(c), out),
            What::Any => out.push('.'),
            What::Class(text) | What::Boundary(text) => out.push_str(&text),
            What::Start => out.push_str(pattern.get(at).unwrap_or_default()),
            What::End => out.push_str(pattern.get(at).unwrap_or_default()),
            What::Open(group) => {
                open += 1;
                now = Before::Nothing;
                match group {
                    Group::Capture(name) => {
                        out.push('(');
                        translated.names.push(name);
                    }
                    Group::Plain(flags) => out.push_str(&format!("(?{flags}:")),
                }
            }
            What::Close => {
                open = open.checked_sub(1).ok_or("a `)` closes no `(`; write `\\)` for the character")?;
                out.push(')');
            }
            What::Or => {
                now = Before::Nothing;
                out.push('|');
            }
            What::Flags(flags) => {
                now = Before::Flags;
                // Go takes a group of no flags.
                out.push_str(&if flags.is_empty() { "(?:)".to_owned() } else { format!("(?{flags})") });
            }
            What::Repetition { least, most } => {
                let text = pattern.get(at).unwrap_or_default();
                check_repetition(text, before, least, most)?;
                now = Before::Repetition;
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

fn check_repetition(text: &str, before: Before, least: u32, most: Option<u32>) -> Result<(), String> {
    match before {
        Before::Nothing => {
            Err(format!("there is nothing before `{text}` to repeat; write `.*` for any text, or `\\{text}` for the character"))
        }
        Before::Flags => Err(format!("flags such as `(?i)` cannot be repeated; write `{text}` before them")),
        Before::Repetition => {
            Err(format!("`{text}` repeats a repetition, which RE2 does not; remove it, or put what it repeats into `(?:...)`"))
        }
        Before::Something if least.max(most.unwrap_or(0)) > MOST_REPETITIONS => {
            Err(format!("`{text}` is more than {MOST_REPETITIONS} repetitions, the most that RE2 takes; write `+` for any number"))
        }
        Before::Something if most.is_some_and(|most| most < least) => {
            Err(format!("`{text}` ends below where it begins; write the smaller number first"))
        }
        Before::Something => Ok(()),
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
