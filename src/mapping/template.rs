//! template: templates of names and labels: `$1`, `${1}`, `${name}`, `$$`.
//!
//! Templates work as in Go's `regexp.Expand`, with one difference: a number after `$` ends with its digits, so `$1_total` is capture 1 and
//! `_total`. A reference to a capture that does not exist expands to nothing. Expansion does not escape.

/// A reference in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A capture by its number; 0 is the whole match of a regular expression, and the whole name for a glob. A number too big for the
    /// machine is `usize::MAX`.
    Number(usize),
    /// A group of a regular expression by its name.
    Name(String),
}

/// All references of `template` in order, with duplicates.
#[cfg(any(feature = "cli", test))]
pub(crate) fn references(template: &str) -> Vec<Reference> {
    let refers = |part| match part {
        Part::Refers(reference) => Some(reference),
        Part::Text(_) => None,
    };
    parse(template).into_iter().filter_map(refers).collect()
}

/// Replaces each reference of `template` with the result of `spell`.
#[cfg(any(feature = "cli", test))]
pub(crate) fn spelled(template: &str, spell: impl Fn(&Reference) -> String) -> String {
    let text = |part| match part {
        Part::Text(text) => text,
        Part::Refers(reference) => spell(&reference),
    };
    parse(template).into_iter().map(text).collect()
}

/// A template with resolved references.
#[derive(Debug, Clone, Default)]
pub(super) struct Template {
    parts: Vec<Settled>,
}

#[derive(Debug, Clone)]
enum Settled {
    Text(Box<str>),
    Capture(usize),
    /// All groups of one name: the first capture that is not empty.
    First(Box<[usize]>),
}

impl Template {
    /// Resolves the references of `text`. `names` are the names of the pattern's captures by number.
    pub(super) fn compile(text: &str, names: &[Option<&str>]) -> Self {
        let settle = |part| match part {
            Part::Text(text) => Some(Settled::Text(text.into())),
            Part::Refers(Reference::Number(number)) => (number < names.len()).then_some(Settled::Capture(number)),
            Part::Refers(Reference::Name(name)) => {
                let numbers = names.iter().enumerate().filter(|(_, known)| **known == Some(name.as_str())).map(|(number, _)| number);
                match *numbers.collect::<Vec<_>>() {
                    [] => None,
                    [number] => Some(Settled::Capture(number)),
                    ref several => Some(Settled::First(several.into())),
                }
            }
        };
        Self { parts: parse(text).into_iter().filter_map(settle).collect() }
    }

    /// Appends the template with its references replaced by `captures`, which are indexed by number.
    pub(super) fn expand(&self, captures: &[&str], out: &mut String) {
        for part in &self.parts {
            match part {
                Settled::Text(text) => out.push_str(text),
                Settled::Capture(number) => out.push_str(captures.get(*number).copied().unwrap_or_default()),
                Settled::First(numbers) => {
                    let mut taken = numbers.iter().filter_map(|number| captures.get(*number)).filter(|text| !text.is_empty());
                    out.push_str(taken.next().copied().unwrap_or_default());
                }
            }
        }
    }
}

enum Part {
    Text(String),
    Refers(Reference),
}

fn parse(template: &str) -> Vec<Part> {
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), template);
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((reference, after)) = parse_reference(after) {
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Refers(reference));
            rest = after;
        } else {
            text.push('$');
            rest = after;
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// Parses the reference after a `$` and returns the rest; `None` if no reference follows, so that the `$` is text.
fn parse_reference(after: &str) -> Option<(Reference, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if let Some(inside) = after.strip_prefix('{') {
        let (name, rest) = inside.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_word)).then(|| (named(name), rest));
    }
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let end = if digits > 0 { digits } else { after.find(|c| !is_word(c)).unwrap_or(after.len()) };
    let (name, rest) = after.split_at_checked(end)?;
    (!name.is_empty()).then(|| (named(name), rest))
}

fn named(name: &str) -> Reference {
    if name.bytes().all(|b| b.is_ascii_digit()) {
        Reference::Number(name.parse().unwrap_or(usize::MAX))
    } else {
        Reference::Name(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_all_else_stays() {
        let captures: Vec<String> = (0..=12).map(|number| format!("<{number}>")).collect();
        let captures: Vec<&str> = captures.iter().map(String::as_str).collect();
        let name = |number| match number {
            2 => Some("two"),
            7 | 8 => Some("twice"),
            _ => None,
        };
        let names: Vec<Option<&str>> = (0..=12).map(name).collect();
        for (template, want) in [
            ("plain 100%", "plain 100%"),
            ("$1", "<1>"),
            ("${1}x", "<1>x"),
            ("$1x", "<1>x"),
            ("$1_total", "<1>_total"),
            ("$1$2", "<1><2>"),
            ("$10-$11-${12}", "<10>-<11>-<12>"),
            ("$13|", "|"),
            ("$99999999999999999999|", "|"),
            ("$0", "<0>"),
            ("$two ${two}", "<2> <2>"),
            ("$twice", "<7>"),
            ("$two_x|", "|"),
            ("${1x}|", "|"),
            ("$$1", "$1"),
            ("a$", "a$"),
            ("${}", "${}"),
            ("${1", "${1"),
            ("$-", "$-"),
            ("$é|", "|"),
            ("", ""),
        ] {
            let mut out = String::new();
            Template::compile(template, &names).expand(&captures, &mut out);
            assert_eq!(out, want, "{template}");
        }
    }

    #[test]
    fn references_are_listed() {
        let want = [Reference::Number(1), Reference::Name("x".into()), Reference::Number(10), Reference::Number(usize::MAX)];
        assert_eq!(references("$1_a ${x} $$2 $10 $99999999999999999999"), want);
        assert_eq!(references("a$"), []);
        let spell = |reference: &Reference| match reference {
            Reference::Number(number) => format!("${{{number}}}"),
            Reference::Name(name) => format!("<{name}>"),
        };
        assert_eq!(spelled("$1_a $x$10 $$2", spell), "${1}_a <x>${10} $2");
    }
}
