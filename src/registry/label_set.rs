//! A label set as expositions show it.

use std::borrow::Cow;

use crate::name::{NameValidation, escape_value_into, is_legacy_label, push_quoted};

/// A label set: sorted by name, each name once, rendered as `a="x",b="y"`. Names that older versions of Prometheus reject are quoted:
/// `"a.b"="x"`. The text without labels of empty value identifies a series in its family.
///
/// A worker reuses one value for all binding misses: `clear` keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// All names and raw values, concatenated.
    arena: String,
    /// The parts of the arena, by label.
    spans: Vec<Span>,
    text: String,
    names: NameValidation,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    name: (usize, usize),
    value: (usize, usize),
}

impl Span {
    fn name(self, arena: &str) -> &str {
        slice(arena, self.name)
    }

    fn value(self, arena: &str) -> &str {
        slice(arena, self.value)
    }
}

impl Labels {
    /// An empty label set. The default has legacy names.
    pub(crate) fn new(names: NameValidation) -> Self {
        Self { names, ..Self::default() }
    }

    /// Removes all labels.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.spans.clear();
        self.text.clear();
    }

    /// Adds a label. Its name is escaped under legacy names.
    pub(crate) fn push(&mut self, key: &str, value: &str) {
        let start = self.arena.len();
        self.names.push_name(key, &mut self.arena);
        let middle = self.arena.len();
        self.arena.push_str(value);
        self.spans.push(Span { name: (start, middle), value: (middle, self.arena.len()) });
    }

    /// Sorts and renders the labels. Of equal names, the last one pushed is kept. Call it once, after the last `push`.
    pub(crate) fn finish(&mut self) {
        let Self { arena, spans, text, .. } = self;
        // The sort is stable, so that the last pushed of equal names stays last.
        spans.sort_by(|a, b| a.name(arena).cmp(b.name(arena)));
        spans.dedup_by(|later, earlier| {
            let is_same = later.name(arena) == earlier.name(arena);
            if is_same {
                *earlier = *later;
            }
            is_same
        });
        for span in spans.iter() {
            if !text.is_empty() {
                text.push(',');
            }
            push_label(span.name(arena), span.value(arena), text);
        }
    }

    /// The same labels with another value of the label `name`.
    pub(super) fn with_value(&self, name: &str, value: &str) -> Self {
        let mut changed = Self::new(self.names);
        self.iter().for_each(|(known, old)| changed.push(known, if known == name { value } else { old }));
        changed.finish();
        changed
    }

    /// The rendered text, empty without labels.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The validation that its names follow.
    pub(super) fn names(&self) -> NameValidation {
        self.names
    }

    /// Names and raw values, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.spans.iter().map(|span| (span.name(&self.arena), span.value(&self.arena)))
    }

    /// Number of labels.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }
}

fn slice(arena: &str, (start, end): (usize, usize)) -> &str {
    debug_assert!(arena.get(start..end).is_some(), "a span of another arena");
    arena.get(start..end).unwrap_or_default()
}

/// Appends `name="value"`, the value escaped, the name quoted if necessary.
pub(crate) fn push_label(name: &str, value: &str, out: &mut String) {
    if is_legacy_label(name) {
        out.push_str(name);
    } else {
        push_quoted(name, out);
    }
    out.push_str("=\"");
    escape_value_into(value, out);
    out.push('"');
}

/// A rendered label text without the labels of empty value. Prometheus treats these as absent, so that two series could have the
/// same identity. Expositions show these labels nevertheless, as statsd_exporter does.
pub(crate) fn identity(text: &str) -> Cow<'_, str> {
    // Quotes within a value are escaped, so this can only be an empty value.
    if !text.contains("=\"\"") {
        return Cow::Borrowed(text);
    }
    let mut without = String::with_capacity(text.len());
    for (name, value) in split(text).filter(|(_, value)| !value.is_empty()) {
        if !without.is_empty() {
            without.push(',');
        }
        push_label(&name, &value, &mut without);
    }
    Cow::Owned(without)
}

/// Whether a rendered label text may have a quoted name. False is certain, true is not.
pub(crate) fn may_have_quoted_names(text: &str) -> bool {
    text.starts_with('"') || text.contains(",\"")
}

/// Parses a rendered label text: raw names and values, in its order. Ends at the first byte that [`push_label`] would not have written.
pub(crate) fn split(text: &str) -> impl Iterator<Item = (Cow<'_, str>, String)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (name, after) = unquoted(quoted)?;
                (Cow::Owned(name), after.strip_prefix("=\"")?)
            }
            None => rest.split_once("=\"").map(|(name, after)| (Cow::Borrowed(name), after))?,
        };
        let (value, after) = unquoted(after)?;
        rest = after.strip_prefix(',').unwrap_or(after);
        Some((name, value))
    })
}

/// The text up to the closing quote, without escapes, and the text behind the quote.
fn unquoted(text: &str) -> Option<(String, &str)> {
    // Few values have an escape. Reports read hundreds of thousands.
    let (head, mut rest) = text.split_at(text.find(['"', '\\'])?);
    let mut plain = head.to_owned();
    loop {
        let mut chars = rest.chars();
        match chars.next()? {
            '"' => return Some((plain, chars.as_str())),
            '\\' => plain.push(chars.next().map_or('\\', |c| if c == 'n' { '\n' } else { c })),
            c => plain.push(c),
        }
        rest = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_the_last_of_equal_names_is_kept() {
        let mut labels = Labels::default();
        for round in 0..2 {
            labels.clear();
            for (k, v) in [("z", "1"), ("a.b", "old"), ("l.e", "q\"\n"), ("a-b", "mid"), ("a_b", "new")] {
                labels.push(k, v);
            }
            labels.finish();
            assert_eq!(labels.text(), r#"a_b="new",l_e="q\"\n",z="1""#, "round {round}");
            assert_eq!(labels.iter().collect::<Vec<_>>(), [("a_b", "new"), ("l_e", "q\"\n"), ("z", "1")]);
            assert_eq!(labels.len(), 3);
            let apart: Vec<_> = split(labels.text()).collect();
            assert_eq!(apart, [("a_b", "new"), ("l_e", "q\"\n"), ("z", "1")].map(|(name, value)| (name.into(), value.to_owned())));
        }
    }

    #[test]
    fn utf8_names_are_kept_and_quoted() {
        let given = [("a.b", ""), ("a_b", "="), ("é\"=\"", ",\""), ("x", "\\"), ("x=", "1"), ("\n", "y")];
        let mut labels = Labels::new(NameValidation::Utf8);
        given.iter().for_each(|(name, value)| labels.push(name, value));
        labels.finish();
        assert_eq!(labels.text(), r#""\n"="y","a.b"="",a_b="=",x="\\","x="="1","é\"=\""=",\"""#);
        let mut sorted = given.map(|(name, value)| (Cow::Borrowed(name), value.to_owned()));
        sorted.sort();
        assert_eq!(split(labels.text()).collect::<Vec<_>>(), sorted);
        assert!(may_have_quoted_names(labels.text()) && !may_have_quoted_names(r#"a="x",b="\"y""#));
        assert_eq!(identity(labels.text()), labels.text().replace(r#""a.b"="","#, ""));
    }

    #[test]
    fn labels_of_empty_value_are_not_part_of_the_identity() {
        for (text, want) in [
            ("", ""),
            (r#"a="""#, ""),
            (r#"a="",b="x",c="""#, r#"b="x""#),
            (r#"a="=\"\"",b="=",c="\"""#, r#"a="=\"\"",b="=",c="\"""#),
            (r#"a="=\"\",b",b="""#, r#"a="=\"\",b""#),
        ] {
            assert_eq!(identity(text), want, "{text}");
        }
    }
}
