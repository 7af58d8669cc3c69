//! The tag that links a sample to a trace. It is cut out of the sample's tags before the look-up, so that it becomes no label and creates
//! neither series nor bindings. Its value becomes an exemplar.
//!
//! Knows the form of DogStatsD tags. The grammar has parsed the line before.

use std::ops::Range;

use memchr::{memchr2, memmem, memrchr};

use crate::ingest::protocol::is_blank;
use crate::options::{Dialect, TagKey};

/// The key of the tag, as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct ExemplarTag {
    key: Box<str>,
    /// The name of the exemplar's label.
    label: Box<str>,
    /// Whether `=` also separates key and value, and blanks at the end of a field are ignored. False under statsd_exporter's rules.
    has_own_rules: bool,
    finder: memmem::Finder<'static>,
}

impl ExemplarTag {
    /// The tag with this key.
    pub(crate) fn new(key: &TagKey, dialect: &Dialect) -> Self {
        let mut label = String::new();
        crate::name::escape_into(key, &mut label);
        let finder = memmem::Finder::new(key.as_bytes()).into_owned();
        Self { key: (**key).into(), label: label.into(), has_own_rules: !dialect.exporter_rules, finder }
    }

    /// The name of the exemplar's label.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Writes `tags` without this tag to `rest`, and returns the value of the tag, the last one if there are several. `None` if no tag has
    /// a value in UTF-8; `rest` has no meaning then.
    pub(crate) fn cut<'t>(&self, tags: &'t [u8], rest: &mut Vec<u8>) -> Option<&'t str> {
        let (mut done, mut from, mut value) = (0, 0, None);
        rest.clear();
        while let Some(at) = tags.get(from..).and_then(|left| self.finder.find(left)) {
            let start = from + at;
            from = start + self.key.len();
            let Some(of_value) = self.value(tags, start) else { continue };
            let text = str::from_utf8(tags.get(of_value.clone())?).ok()?;
            let is_last = self.has_own_rules && tags.get(of_value.end) != Some(&b',');
            let text = if is_last { text.trim_end_matches(is_blank) } else { text };
            if text.is_empty() {
                continue;
            }
            value = Some(text);
            let start = start - usize::from(tags.get(..start).is_some_and(|before| before.ends_with(b",#") || before.ends_with(b"##")));
            // Cuts one of the commas beside the tag, too.
            let has_comma_behind = tags.get(of_value.end) == Some(&b',');
            let end = of_value.end + usize::from(has_comma_behind);
            rest.extend_from_slice(tags.get(done..start)?);
            if !has_comma_behind && rest.last() == Some(&b',') {
                rest.pop();
            }
            (done, from) = (end, end);
        }
        rest.extend_from_slice(tags.get(done..)?);
        value
    }

    /// The value of the tag whose key is at `start`; `None` if this is not a tag with a value.
    fn value(&self, tags: &[u8], start: usize) -> Option<Range<usize>> {
        let before = tags.get(..start)?;
        let field = memrchr(b'|', before).map_or(0, |at| at + 1);
        let is_tag = matches!(before.last(), Some(b'#' | b',')) && tags.get(field) == Some(&b'#');
        let colon = start + self.key.len();
        let has_value = match tags.get(colon) {
            Some(b':') => true,
            Some(b'=') => self.has_own_rules,
            _ => false,
        };
        if !is_tag || !has_value {
            return None;
        }
        let value = colon + 1;
        let len = tags.get(value..).map_or(0, |rest| memchr2(b',', b'|', rest).unwrap_or(rest.len()));
        (len > 0).then_some(value..value + len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, dialect: &Dialect) -> ExemplarTag {
        ExemplarTag::new(&TagKey::new(key).expect("a key"), dialect)
    }

    #[test]
    fn the_tag_is_cut_at_any_place() {
        let one = tag("trace_id", &Dialect::default());
        for (tags, rest, value) in [
            ("#trace_id:x", "#", Some("x")),
            ("#k:v,trace_id:x", "#k:v", Some("x")),
            ("#trace_id:x,k:v", "#k:v", Some("x")),
            ("#k:v,trace_id:x,l:w", "#k:v,l:w", Some("x")),
            ("#k:v,trace_id:x:y", "#k:v", Some("x:y")),
            ("#k:v,trace_id=x:y,l=w", "#k:v,l=w", Some("x:y")),
            ("#k:v,#trace_id:x,#l:w", "#k:v,#l:w", Some("x")),
            ("#k:v|c:id|#trace_id:x", "#k:v|c:id|#", Some("x")),
            ("#trace_id:x|c:id|#k:v", "#|c:id|#k:v", Some("x")),
            ("#trace_id:x,trace_id:é", "#", Some("é")),
            ("#trace_id:x,k:v,trace_id:y", "#k:v", Some("y")),
            ("#trace_id:x |T5", "#|T5", Some("x")),
            ("#k:v,trace_id:x \t\0|T5|#l:w", "#k:v|T5|#l:w", Some("x")),
            ("#trace_id:x y ", "#", Some("x y")),
            ("#trace_id:x ,k:v", "#k:v", Some("x ")),
            ("#trace_id: |T5", "", None),
            ("#my_trace_id:x", "", None),
            ("#trace_ids:x", "", None),
            ("#trace_id", "", None),
            ("#trace_id:,k:v", "", None),
            ("#k:trace_id:x", "", None),
            ("c:a,trace_id:x", "", None),
            ("", "", None),
        ] {
            let mut left = vec![b'?'];
            assert_eq!(one.cut(tags.as_bytes(), &mut left), value, "{tags}");
            if value.is_some() {
                assert_eq!(String::from_utf8_lossy(&left), rest, "{tags}");
            }
        }
        let exporter = tag("trace_id", &Dialect::STATSD_EXPORTER);
        assert_eq!(exporter.cut(b"#trace_id=x", &mut Vec::new()), None, "statsd_exporter knows no such tag");
        assert_eq!(exporter.cut(b"#trace_id:x |T5", &mut Vec::new()), Some("x "), "blanks belong to the value");
        assert_eq!(one.cut(b"#trace_id:\xff", &mut Vec::new()), None, "the line is rejected later");
    }

    #[test]
    fn the_label_is_a_legal_name() {
        assert_eq!(tag("dd.trace_id", &Dialect::default()).label(), "dd_trace_id");
    }
}
