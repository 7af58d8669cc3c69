//! Series selectors of Prometheus: `name{a="b",c!="d",e=~"re",f!~"re"}`, `{__name__=~"..."}`.
//!
//! An absent label equals `""`. Regular expressions have Go's syntax and must match the whole value. Knows no registry: a caller passes
//! the name and the labels of a series.

mod grammar;
#[cfg(test)]
mod tests;

use std::fmt;

use self::grammar::Operator;
pub use self::grammar::SelectorError;
use crate::mapping::Expression;

/// The label of the family's name.
const NAME: &str = "__name__";

/// Maximum length of a selector in bytes.
pub(crate) const MAX_BYTES: usize = 8192;

/// A series selector. It selects a series if all its matchers match.
#[derive(Debug)]
pub struct Selector {
    /// The matchers. Matchers of the name come first.
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
    Matches(Expression),
    MatchesNot(Expression),
}

impl Selector {
    /// Parses a selector of at most 8,192 bytes and 10 matchers.
    ///
    /// # Errors
    ///
    /// A selector that Prometheus rejects, too: missing quotes, a name that is set twice, an expression that does not compile, or
    /// no matcher that requires a value, which would select every series.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_BYTES {
            return Err(SelectorError(format!("A selector has at most {MAX_BYTES} bytes, this one has {}.", text.len())));
        }
        let read = grammar::selector(text)?;
        let names_inside = read.matchers.iter().find(|raw| raw.label == NAME);
        if let (Some(name), Some(inside)) = (&read.name, names_inside) {
            let inside = &inside.value;
            return Err(SelectorError(format!("The name must not be set twice: {name:?} or {inside:?}; write one of them.")));
        }
        let name = read.name.map(|name| grammar::MatcherText { label: NAME.to_owned(), operator: Operator::Equal, value: name });
        let mut matchers = name.into_iter().chain(read.matchers).map(Matcher::new).collect::<Result<Vec<_>, _>>()?;
        matchers.sort_by_key(|matcher| *matcher.label != *NAME);
        if matchers.iter().all(|matcher| matcher.holds("")) {
            return Err(SelectorError(
                "A selector must contain at least one matcher that does not match the empty string, such as a name or label=\"value\": \
                 an absent label equals \"\", so this would select every series. To select every series, write {__name__=~\".+\"}."
                    .to_owned(),
            ));
        }
        Ok(Self { matchers })
    }

    /// Whether it selects the series with this name and these labels. `labels` have raw values, each name once.
    pub fn matches(&self, name: &str, labels: &[(&str, String)]) -> bool {
        self.matchers.iter().all(|matcher| match &*matcher.label {
            NAME => matcher.holds(name),
            label => matcher.holds(labels.iter().find(|(known, _)| *known == label).map_or("", |(_, value)| value)),
        })
    }

    /// Whether it selects them by its matchers of the name and of labels that `counts` holds for.
    #[cfg(feature = "cli")]
    pub(crate) fn matches_by(&self, name: &str, labels: &[(String, String)], counts: impl Fn(&str) -> bool) -> bool {
        self.matchers.iter().all(|matcher| match &*matcher.label {
            NAME => matcher.holds(name),
            label => !counts(label) || matcher.holds(labels.iter().find(|(known, _)| *known == *label).map_or("", |(_, value)| value)),
        })
    }

    /// The labels in its matchers, each with the value if it is a matcher with `=`.
    #[cfg(feature = "cli")]
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let labels = self.matchers.iter().filter(|matcher| *matcher.label != *NAME);
        labels.map(|matcher| (&*matcher.label, matches!(matcher.comparison, Comparison::Equal).then_some(&*matcher.value)))
    }

    /// The names in matchers with `=`.
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
        let comparison = match raw.operator {
            Operator::Equal => Comparison::Equal,
            Operator::NotEqual => Comparison::NotEqual,
            Operator::Matches => Comparison::Matches(compile(&raw.value)?),
            Operator::MatchesNot => Comparison::MatchesNot(compile(&raw.value)?),
        };
        Ok(Self { label: raw.label.into(), value: raw.value.into(), comparison })
    }

    fn holds(&self, value: &str) -> bool {
        match &self.comparison {
            Comparison::Equal => *self.value == *value,
            Comparison::NotEqual => *self.value != *value,
            Comparison::Matches(expression) => expression.fits(value),
            Comparison::MatchesNot(expression) => !expression.fits(value),
        }
    }

    fn operator(&self) -> Operator {
        match self.comparison {
            Comparison::Equal => Operator::Equal,
            Comparison::NotEqual => Operator::NotEqual,
            Comparison::Matches(_) => Operator::Matches,
            Comparison::MatchesNot(_) => Operator::MatchesNot,
        }
    }
}

/// Formats a selector as text that parses to the same selector. The name precedes the braces, or is in the braces if it needs
/// quotes; values are in double quotes.
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
            f.write_str(matcher.operator().as_str())?;
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
