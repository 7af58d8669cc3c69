//! Series selectors as Prometheus has them: `name{a="b",c!="d",e=~"re",f!~"re"}`, `{__name__=~"..."}`.
//!
//! A label that is absent equals `""`; regular expressions are Go's and must fit the whole value. Knows no registry: whoever has
//! a series asks with its name and labels.

mod grammar;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::grammar::SelectorError;
use crate::mapping::Expression;

/// The label that stands for the family's name.
const NAME: &str = "__name__";

/// Bytes of a selector's text.
pub(crate) const MOST_BYTES: usize = 8192;

/// A selector: all its matchers must hold.
#[derive(Debug)]
pub struct Selector {
    /// Those of the name first.
    matchers: Vec<Matcher>,
}

/// One condition on a label.
#[derive(Debug)]
struct Matcher {
    label: Box<str>,
    value: Box<str>,
    comparison: Comparison,
}

#[derive(Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Fits(Expression),
    FitsNot(Expression),
}

impl Selector {
    /// Reads a selector of at most 8,192 bytes and 10 matchers.
    ///
    /// # Errors
    ///
    /// Anything that Prometheus refuses, too: no quotes, a name given twice, an expression that does not compile, or no matcher
    /// that needs a value, which would mean every series.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MOST_BYTES {
            return Err(SelectorError(format!("A selector has at most {MOST_BYTES} bytes, this one {}.", text.len())));
        }
        let read = grammar::selector(text)?;
        let names_inside = read.matchers.iter().find(|raw| raw.label == NAME);
        if let (Some(name), Some(inside)) = (&read.name, names_inside) {
            let inside = &inside.value;
            return Err(SelectorError(format!("The name must not be set twice: {name:?} or {inside:?}; write one of them.")));
        }
        let name = read.name.map(|name| grammar::MatcherText { label: NAME.to_owned(), sign: "=", value: name });
        let mut matchers = name.into_iter().chain(read.matchers).map(Matcher::new).collect::<Result<Vec<_>, _>>()?;
        matchers.sort_by_key(|matcher| *matcher.label != *NAME);
        if matchers.iter().all(|matcher| matcher.holds("")) {
            return Err(SelectorError(
                "A selector must contain at least one matcher that does not match the empty string, such as a name or label=\"value\": \
                 a label that is absent equals \"\", so this would mean every series. Write {__name__=~\".+\"} to mean that."
                    .to_owned(),
            ));
        }
        Ok(Self { matchers })
    }

    /// Whether the series of this family's name and these labels is meant. `labels` have raw values, each name once.
    pub fn matches(&self, name: &str, labels: &[(&str, String)]) -> bool {
        self.matchers.iter().all(|matcher| match &*matcher.label {
            NAME => matcher.holds(name),
            label => matcher.holds(labels.iter().find(|(known, _)| *known == label).map_or("", |(_, value)| value)),
        })
    }

    /// The names that it states with `=`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let stated = |matcher: &&Matcher| &*matcher.label == NAME && matches!(matcher.comparison, Comparison::Equal);
        self.matchers.iter().filter(stated).map(|matcher| &*matcher.value)
    }
}

impl Matcher {
    fn new(raw: grammar::MatcherText) -> Result<Self, SelectorError> {
        let compile = |value: &str| {
            Expression::whole(value)
                .map_err(|why| SelectorError(format!("The regular expression {value:?} of the label {} cannot be used. {why}", raw.label)))
        };
        let comparison = match raw.sign {
            "!=" => Comparison::NotEqual,
            "=~" => Comparison::Fits(compile(&raw.value)?),
            "!~" => Comparison::FitsNot(compile(&raw.value)?),
            _ => Comparison::Equal,
        };
        Ok(Self { label: raw.label.into(), value: raw.value.into(), comparison })
    }

    fn holds(&self, value: &str) -> bool {
        match &self.comparison {
            Comparison::Equal => *self.value == *value,
            Comparison::NotEqual => *self.value != *value,
            Comparison::Fits(expression) => expression.fits(value),
            Comparison::FitsNot(expression) => !expression.fits(value),
        }
    }

    fn sign(&self) -> &'static str {
        match self.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Fits(_) => "=~",
            Comparison::FitsNot(_) => "!~",
        }
    }
}

/// A text that is read as the same selector: the name in front where there is one, in the braces if it needs quotes; values in
/// double quotes.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut inside, mut comma) = (self.matchers.as_slice(), "");
        let (mut in_front, mut quoted) = (None, None);
        if let Some((first, rest)) = inside.split_first()
            && &*first.label == NAME
            && matches!(first.comparison, Comparison::Equal)
            && rest.iter().all(|matcher| &*matcher.label != NAME)
        {
            *(if grammar::is_name(&first.value) { &mut in_front } else { &mut quoted }) = Some(&*first.value);
            inside = rest;
        }
        f.write_str(in_front.unwrap_or_default())?;
        if in_front.is_some() && inside.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        if let Some(name) = quoted {
            write_quoted(name, f)?;
            comma = ",";
        }
        for matcher in inside {
            f.write_str(comma)?;
            comma = ",";
            if grammar::is_label(&matcher.label) {
                f.write_str(&matcher.label)?;
            } else {
                write_quoted(&matcher.label, f)?;
            }
            f.write_str(matcher.sign())?;
            write_quoted(&matcher.value, f)?;
        }
        f.write_str("}")
    }
}

fn write_quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
