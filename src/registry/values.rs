//! Which label names and values a family has, and how many series have each: what the limits on labels are held against.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::label_set::{Labels, split};

/// The value of a label that stands for many.
pub(super) const OVERFLOW_VALUE: &str = "_overflow_";

/// Label names and values of a family's series, the overflow series not counted.
#[derive(Default)]
pub(super) struct LabelValues {
    hasher: RandomState,
    labels: Vec<Label>,
    has_first: bool,
    bytes: usize,
}

/// What a label costs beside its name and its values, the allocator's part included.
const LABEL_BYTES: usize = size_of::<Label>() + 48;

struct Label {
    name: Box<str>,
    values: HashTable<ValueCount>,
    in_first_series: bool,
}

/// A value, by its hash, so that it costs the same whatever its length, and how many series have it. Of rapidhash's two
/// qualities only the better one serves: the fast one gives one in a hundred short values the hash of another.
///
/// The hash is in halves, so that a value takes 12 bytes and not 16.
struct ValueCount {
    hash: [u32; 2],
    series: u32,
}

impl ValueCount {
    fn new(hash: u64) -> Self {
        Self { hash: [hash as u32, (hash >> 32) as u32], series: 1 }
    }

    fn hash(&self) -> u64 {
        u64::from(self.hash[0]) | u64::from(self.hash[1]) << 32
    }
}

impl Label {
    fn new(name: &str, in_first_series: bool) -> Self {
        Self { name: name.into(), values: HashTable::new(), in_first_series }
    }

    /// Bytes that it takes, name and table included.
    fn bytes(&self) -> usize {
        LABEL_BYTES + self.name.len() + self.values.allocation_size()
    }

    fn has(&self, hash: u64) -> bool {
        self.values.find(hash, |value| value.hash() == hash).is_some()
    }

    fn add(&mut self, hash: u64) {
        match self.values.find_mut(hash, |value| value.hash() == hash) {
            Some(value) => value.series += 1,
            None => {
                self.values.insert_unique(hash, ValueCount::new(hash), ValueCount::hash);
            }
        }
    }

    fn remove(&mut self, hash: u64) {
        if let Ok(mut entry) = self.values.find_entry(hash, |value| value.hash() == hash) {
            entry.get_mut().series -= 1;
            if entry.get().series == 0 {
                entry.remove();
            }
        }
    }
}

impl LabelValues {
    /// Bytes that all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn of(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| *label.name == *name)
    }

    /// The first label of `labels` whose value is new, where there are `limit` values already.
    pub(super) fn too_many<'l>(&self, labels: &'l Labels, limit: usize) -> Option<&'l str> {
        let is_too_many = |(name, value): &(&'l str, &'l str)| {
            // The value that stands for many is always let in.
            let is_new = |known: &Label| *value != OVERFLOW_VALUE && !known.has(self.hasher.hash_one(*value));
            self.of(name).is_some_and(|known| known.values.len() >= limit && is_new(known))
        };
        labels.iter().find(is_too_many).map(|(name, _)| name)
    }

    /// The first new name of `labels`, where its new names are more than `limit` allows.
    pub(super) fn too_many_names<'l>(&self, labels: &'l Labels, limit: usize) -> Option<&'l str> {
        let mut new = labels.iter().map(|(name, _)| name).filter(|name| self.of(name).is_none());
        let first = new.next()?;
        (self.labels.len() + 1 + new.count() > limit).then_some(first)
    }

    /// The name of `labels` that has the most values so far: the likely culprit.
    pub(super) fn widest<'l>(&self, labels: &'l Labels) -> &'l str {
        let count = |name: &str| self.of(name).map_or(0, |known| known.values.len());
        labels.iter().map(|(name, _)| name).max_by_key(|name| count(name)).unwrap_or("")
    }

    /// Names with how many values each has, most first.
    pub(super) fn widest_first(&self) -> Vec<(&str, usize)> {
        let mut names: Vec<_> = self.labels.iter().map(|label| (&*label.name, label.values.len())).collect();
        names.sort_by_key(|(name, values)| (std::cmp::Reverse(*values), *name));
        names
    }

    /// Notes the labels of a new series.
    pub(super) fn note(&mut self, labels: &Labels) {
        for (name, value) in labels.iter() {
            let hash = self.hasher.hash_one(value);
            let known = self.labels.iter().position(|label| *label.name == *name);
            let at = known.unwrap_or_else(|| {
                let label = Label::new(name, !self.has_first);
                self.bytes += label.bytes();
                self.labels.push(label);
                self.labels.len() - 1
            });
            if let Some(label) = self.labels.get_mut(at) {
                let before = label.bytes();
                label.add(hash);
                self.bytes += label.bytes() - before;
            }
        }
        self.has_first = true;
    }

    /// Label names of the first series of a family that was kept over a restart; to be told before any series is noted.
    pub(super) fn restore_first_names(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.set_first_names(names.iter().map(String::as_str));
        }
    }

    /// The label names of the overflow series, for a family that begins with that: there was no room for its first series.
    pub(super) fn begin_with(&mut self, labels: &Labels) {
        self.set_first_names(labels.iter().map(|(name, _)| name));
    }

    fn set_first_names<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        if !self.has_first {
            self.labels.extend(names.map(|name| Label::new(name, true)));
            self.has_first = true;
            self.bytes = self.labels.iter().map(Label::bytes).sum();
        }
    }

    /// Forgets the labels of a series that is gone; `labels` is its rendered text.
    pub(super) fn forget(&mut self, labels: &str) {
        for (name, value) in split(labels) {
            let hash = self.hasher.hash_one(value.as_str());
            if let Some(label) = self.labels.iter_mut().find(|label| *label.name == *name) {
                label.remove(hash);
            }
        }
        // The names of the first series stay: they are those of the overflow series.
        let bytes = &mut self.bytes;
        self.labels.retain(|label| {
            let stays = label.in_first_series || !label.values.is_empty();
            *bytes -= if stays { 0 } else { label.bytes() };
            stays
        });
    }

    /// The label names of the family's first series.
    pub(super) fn first_names(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter(|label| label.in_first_series).map(|label| &*label.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let mut labels = Labels::default();
        pairs.iter().for_each(|(name, value)| labels.push(name, value));
        labels.finish();
        labels
    }

    #[test]
    fn places_come_free_when_series_go() {
        let mut values = LabelValues::default();
        let (first, second) = (labels(&[("a", "1"), ("b", "x")]), labels(&[("a", "2"), ("b", "x"), ("c", "\"y\\")]));
        values.note(&first);
        values.note(&second);
        let third = labels(&[("a", "3"), ("b", "x")]);
        assert_eq!(values.too_many(&third, 2), Some("a"));
        assert_eq!(values.too_many(&third, 3), None);
        values.forget(second.text());
        assert_eq!(values.too_many(&third, 2), None);
        assert_eq!(values.too_many(&labels(&[("b", "y")]), 1), Some("b"), "x is still there");
        assert_eq!(values.too_many_names(&second, 2), Some("c"), "its name is free again, and new");
        assert_eq!(values.first_names().collect::<Vec<_>>(), ["a", "b"]);
    }
}
