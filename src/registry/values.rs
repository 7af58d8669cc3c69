//! The label names and values of a family, and the number of series with each: the limits on labels are checked against them.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::label_set::{Labels, split};

/// The label value that replaces all values beyond a limit.
pub(super) const OVERFLOW_VALUE: &str = "_overflow_";

/// Label names and values of a family's series, without the overflow series.
#[derive(Default)]
pub(super) struct LabelValues {
    hasher: RandomState,
    labels: Vec<Label>,
    has_first: bool,
    bytes: usize,
}

/// Memory of a label without its name and its values, with the overhead of the allocator.
const LABEL_BYTES: usize = size_of::<Label>() + 48;

struct Label {
    name: Box<str>,
    values: HashTable<ValueCount>,
    in_first_series: bool,
}

/// The hash of a value, which needs the same memory for all lengths, and the number of series with that value. The hasher is the
/// better of rapidhash's two hashers: with the fast one, 1 % of short values collide.
///
/// The hash is split, so that an entry has 12 bytes and not 16.
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

    /// Its memory, with name and table.
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
        match self.values.find_entry(hash, |value| value.hash() == hash) {
            Ok(mut entry) => {
                entry.get_mut().series -= 1;
                if entry.get().series == 0 {
                    entry.remove();
                }
            }
            Err(_) => debug_assert!(false, "a value that was never noted"),
        }
    }
}

impl LabelValues {
    /// Memory of all labels.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn of(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| *label.name == *name)
    }

    /// The first label whose value is new and exceeds `limit`.
    pub(super) fn too_many<'l>(&self, labels: &'l Labels, limit: usize) -> Option<&'l str> {
        let is_too_many = |(name, value): &(&'l str, &'l str)| {
            // The overflow value is always admitted.
            let is_new = |known: &Label| *value != OVERFLOW_VALUE && !known.has(self.hasher.hash_one(*value));
            self.of(name).is_some_and(|known| known.values.len() >= limit && is_new(known))
        };
        labels.iter().find(is_too_many).map(|(name, _)| name)
    }

    /// The first new label name, if the new names exceed `limit`.
    pub(super) fn too_many_names<'l>(&self, labels: &'l Labels, limit: usize) -> Option<&'l str> {
        let mut new = labels.iter().map(|(name, _)| name).filter(|name| self.of(name).is_none());
        let first = new.next()?;
        (self.labels.len() + 1 + new.count() > limit).then_some(first)
    }

    /// The label with the most values so far, which is the likely offender; empty if there is no label.
    pub(super) fn widest<'l>(&self, labels: &'l Labels) -> &'l str {
        let count = |name: &str| self.of(name).map_or(0, |known| known.values.len());
        labels.iter().map(|(name, _)| name).max_by_key(|name| count(name)).unwrap_or("")
    }

    /// Names with their numbers of values, in descending order of these.
    pub(super) fn widest_first(&self) -> Vec<(&str, usize)> {
        let mut names: Vec<_> = self.labels.iter().map(|label| (&*label.name, label.values.len())).collect();
        names.sort_by_key(|(name, values)| (std::cmp::Reverse(*values), *name));
        names
    }

    /// Adds the labels of a new series.
    pub(super) fn note(&mut self, labels: &Labels) {
        labels.iter().for_each(|(name, value)| self.note_value(name, value));
        self.has_first = true;
    }

    /// Adds the labels of a series by its rendered text, which takes longer.
    pub(super) fn note_text(&mut self, labels: &str) {
        split(labels).for_each(|(name, value)| self.note_value(&name, &value));
        self.has_first = true;
    }

    fn note_value(&mut self, name: &str, value: &str) {
        let hash = self.hasher.hash_one(value);
        match self.labels.iter_mut().find(|label| *label.name == *name) {
            Some(label) => {
                let before = label.bytes();
                label.add(hash);
                self.bytes += label.bytes() - before;
            }
            None => {
                let mut label = Label::new(name, !self.has_first);
                label.add(hash);
                self.bytes += label.bytes();
                self.labels.push(label);
            }
        }
    }

    /// Sets the label names of the first series of a restored family. Call it before the first [`note`](Self::note).
    pub(super) fn restore_first_names(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.set_first_names(names.iter().map(String::as_str));
        }
    }

    /// Sets the label names of the overflow series of a family that has no room for its first series and starts with the overflow
    /// series.
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

    /// Removes the labels of a series; `labels` is its rendered text.
    pub(super) fn forget(&mut self, labels: &str) {
        for (name, value) in split(labels) {
            let hash = self.hasher.hash_one(value.as_str());
            match self.labels.iter_mut().find(|label| *label.name == *name) {
                Some(label) => label.remove(hash),
                None => debug_assert!(false, "a label that was never noted"),
            }
        }
        // The names of the first series are kept for the overflow series.
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
    fn removed_series_leave_room_for_others() {
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
