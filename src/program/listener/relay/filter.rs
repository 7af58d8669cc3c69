//! Which lines a target gets: by the name of the metric and by tags, as the bridge parses them. Must not know where a line goes.

use crate::ingest::protocol::{Identity, Line, Sample, TagSink, parse_line};
use crate::options::Dialect;

/// The lines of a target. An empty filter lets all lines pass, also invalid ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    /// If there are any, one of them must match the name.
    pub(super) names: Vec<Pattern>,
    /// If there are any, the line must have one of these tags.
    pub(super) tags: Vec<(String, Pattern)>,
}

/// A text in which `*` stands for any text, also an empty one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(String);

/// The name and the tags of a line. Its buffers are used again for the next line.
#[derive(Default)]
pub(super) struct Parts {
    name: String,
    tags: Vec<(String, String)>,
    /// Whether the line has a sample.
    is_sample: bool,
}

impl Filter {
    /// Whether all lines pass.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.tags.is_empty()
    }

    /// Whether a line with these parts passes. A line without a sample does not.
    pub(super) fn lets_pass(&self, parts: &Parts) -> bool {
        let has_tag = |(key, value): &(String, Pattern)| parts.tags.iter().any(|(k, v)| k == key && value.matches(v));
        let is_named = || self.names.is_empty() || self.names.iter().any(|name| name.matches(&parts.name));
        let is_tagged = || self.tags.is_empty() || self.tags.iter().any(has_tag);
        self.is_empty() || (parts.is_sample && is_named() && is_tagged())
    }
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').map_or((None, rest), |(middle, last)| (Some(middle), last));
        for piece in middle.into_iter().flat_map(|middle| middle.split('*')) {
            match text.find(piece) {
                Some(at) => text = text.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        text.ends_with(last)
    }
}

impl Parts {
    /// Reads the parts of a line.
    pub(super) fn read(&mut self, line: &[u8], dialect: &Dialect) {
        self.name.clear();
        self.tags.clear();
        self.is_sample = false;
        match parse_line(line, dialect) {
            Line::Sample(sample) => self.sample(&sample, dialect),
            // All samples of a line have the same name.
            Line::Samples(samples) => samples.flatten().take(1).for_each(|sample| self.sample(&sample, dialect)),
            _ => {}
        }
    }

    fn sample(&mut self, sample: &Sample<'_>, dialect: &Dialect) {
        if let Ok(identity) = Identity::of(sample, dialect) {
            identity.visit(self);
            self.is_sample = true;
        }
    }
}

impl TagSink for Parts {
    fn name(&mut self, piece: &str) {
        self.name.push_str(piece);
    }

    fn tag(&mut self, key: &str, value: &str) {
        self.tags.retain(|(earlier, _)| earlier != key);
        self.tags.push((key.to_owned(), value.to_owned()));
    }

    /// A filter knows the tag by the key that the sender wrote.
    fn renamed_tag(&mut self, key: &str, value: &str) {
        self.tag(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("shop.*", "shop.orders", true),
            ("shop.*", "shop", false),
            ("*", "", true),
            ("a*b", "ab", true),
            ("a*b", "aXbY", false),
            ("aa*aa", "aaa", false),
            ("*.web*.time", "x.web1.cpu.time", true),
            ("*.web*.time", "x.db.time", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("**", "x", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn names_and_tags_of_every_style_are_compared() {
        let by_name = Filter { names: vec![Pattern::new("shop.*")], ..Filter::default() };
        let by_tag = Filter { tags: vec![("env".to_owned(), Pattern::new("prod*"))], ..Filter::default() };
        let both = Filter { names: by_name.names.clone(), tags: by_tag.tags.clone() };
        let mut parts = Parts::default();
        for (line, expected) in [
            ("shop.a:1|c", [true, false, false]),
            ("shop.a:1|c|#env:prod-1", [true, true, true]),
            ("shop.a,env=prod:1|c", [true, true, true]),
            ("shop.a;env=prod:1|c", [true, true, true]),
            ("other:1:2:3|ms|#env:prod,zone:a", [false, true, false]),
            ("other:1|c|#env:test", [false, false, false]),
            ("shop.a no sample", [false, false, false]),
            ("_e{1,1}:a|b|#env:prod", [false, false, false]),
        ] {
            parts.read(line.as_bytes(), &Dialect::default());
            assert_eq!([&by_name, &by_tag, &both].map(|filter| filter.lets_pass(&parts)), expected, "{line}");
            assert!(Filter::default().lets_pass(&parts));
        }
    }
}
