//! The labels of a series: its own and those of the target, sorted by name.
//!
//! As in a scrape, a series' own label with the name of a target's label becomes `exported_NAME`, and a label of empty value does not
//! exist. Unlike in a scrape, an own `exported_NAME` then always becomes `exported_exported_NAME`, so that two series never become one,
//! which receivers reject. The name, and `le` or `quantile`, differ from line to line of one series, so the bytes of the other labels are made once and
//! have a place for each of the two.

use std::borrow::Cow;

use super::message::Batches;
use super::options::{WriteOptions, WriteVersion};
use crate::exposition::escape::Names;
use crate::exposition::protobuf::plain_pair;
use crate::exposition::wire::varint;
use crate::name::RENAMED;
use crate::registry::split;

/// The label of the series' name.
pub(super) const NAME: &str = "__name__";

/// The bytes of a label, made again for each batch where they have numbers of symbols.
#[derive(Debug, Default)]
pub(super) struct KeptPair {
    value: String,
    epoch: u64,
    bytes: Vec<u8>,
}

impl KeptPair {
    /// Sets another value.
    pub(super) fn set(&mut self, parts: &[&str]) {
        self.value.clear();
        parts.iter().for_each(|part| self.value.push_str(part));
        self.epoch = 0;
    }

    /// The bytes of the label with this name.
    #[inline]
    pub(super) fn bytes(&mut self, name: &str, batches: &mut Batches) -> &[u8] {
        if self.epoch != batches.epoch() {
            self.epoch = batches.epoch();
            self.bytes.clear();
            batches.pair(name.as_bytes(), self.value.as_bytes(), &mut self.bytes);
        }
        &self.bytes
    }
}

/// What stands between the labels of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    Extra,
    Target(usize),
}

/// The labels of the current series.
#[derive(Debug)]
pub(super) struct SeriesLabels {
    /// Labels of the target, sorted by name.
    targets: Vec<(String, KeptPair)>,
    /// Names that are inserted between the series' own, sorted, and what they stand for.
    places: Vec<(String, Place)>,
    /// The name of `le` or `quantile`, as it is sent.
    extra: String,
    /// Bytes of the labels of the current series, without name and extra label.
    fixed: Vec<u8>,
    name_at: usize,
    extra_at: usize,
    /// The next place, and the number of own labels so far.
    next_place: usize,
    own: usize,
    /// Symbols of the previous series' own labels. Adjacent series mostly have the same names and some of the values.
    known: Vec<(u32, u32)>,
    known_epoch: u64,
}

impl SeriesLabels {
    pub(super) fn new(options: &WriteOptions) -> Self {
        let mut targets: Vec<(String, KeptPair)> = Vec::new();
        for (name, value) in &options.labels {
            targets.retain(|(known, _)| known != name);
            if !name.is_empty() && name != NAME && !value.is_empty() {
                targets.push((name.clone(), KeptPair { value: value.clone(), ..KeptPair::default() }));
            }
        }
        targets.sort_by(|a, b| a.0.cmp(&b.0));
        let mut labels = Self {
            targets,
            places: Vec::new(),
            extra: String::new(),
            fixed: Vec::new(),
            name_at: 0,
            extra_at: 0,
            next_place: 0,
            own: 0,
            known: Vec::new(),
            known_epoch: 0,
        };
        labels.of_family(None);
        labels
    }

    /// Prepares for a family whose lines have this label of their own.
    pub(super) fn of_family(&mut self, extra: Option<&str>) {
        self.extra = extra.map(|name| self.renamed(name).unwrap_or_else(|| name.to_owned())).unwrap_or_default();
        self.places.clear();
        self.places.push((NAME.to_owned(), Place::Name));
        if extra.is_some() {
            self.places.push((self.extra.clone(), Place::Extra));
        }
        self.places.extend(self.targets.iter().enumerate().map(|(nth, (name, _))| (name.clone(), Place::Target(nth))));
        self.places.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// The name of `le` or `quantile`, as it is sent.
    pub(super) fn extra(&self) -> &str {
        &self.extra
    }

    /// Prepares for the series with this label text.
    pub(super) fn of_series(&mut self, text: &str, names: &Names, batches: &mut Batches) {
        match names.labels(text) {
            Cow::Borrowed(text) if self.plainly(text, batches) => {}
            text => self.carefully(&text, batches),
        }
    }

    /// The labels of a line of the current series, in order.
    #[inline]
    pub(super) fn parts<'l>(&'l self, name: &'l [u8], extra: &'l [u8]) -> [&'l [u8]; 5] {
        let (name_at, extra_at) = (self.name_at, self.extra_at);
        let part = |from: usize, to: usize| self.fixed.get(from..to).unwrap_or_default();
        let end = self.fixed.len();
        if self.is_name_first() {
            [part(0, name_at), name, part(name_at, extra_at), extra, part(extra_at, end)]
        } else {
            [part(0, extra_at), extra, part(extra_at, name_at), name, part(name_at, end)]
        }
    }

    fn is_name_first(&self) -> bool {
        self.extra.is_empty() || NAME < self.extra.as_str()
    }

    fn is_of_target(&self, name: &str) -> bool {
        self.targets.iter().any(|(known, _)| known == name)
    }

    /// Labels without escapes and without conflicts. Returns false if there are others.
    fn plainly(&mut self, text: &str, batches: &mut Batches) -> bool {
        self.begin(batches);
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let Some((name, value, after)) = plain_pair(rest) else { return false };
            if name.starts_with(RENAMED.as_bytes()) || !self.own(name, value, batches) {
                return false;
            }
            rest = after.strip_prefix(b",").unwrap_or(after);
        }
        self.end(batches);
        true
    }

    /// Labels of any form, in any order.
    fn carefully(&mut self, text: &str, batches: &mut Batches) {
        let mut pairs: Vec<(Cow<'_, str>, String)> = split(text).filter(|(_, value)| !value.is_empty()).collect();
        for (name, _) in &mut pairs {
            if let Some(new) = self.renamed(name) {
                *name = Cow::Owned(new);
            }
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        self.begin(batches);
        for (name, value) in &pairs {
            // The bridge rejects labels with the other reserved names.
            self.own(name.as_bytes(), value.as_bytes(), batches);
        }
        self.end(batches);
    }

    /// The name of an own label as it is sent, if it differs. Of the names `x`, `exported_x`, `exported_exported_x` and so on, those of the
    /// target's labels are left out: the first own name becomes the first of the others, the second the second.
    pub(super) fn renamed(&self, name: &str) -> Option<String> {
        let mut root = name;
        let mut own = 0;
        while let Some(rest) = root.strip_prefix(RENAMED) {
            (root, own) = (rest, own + 1);
        }
        let mut free = root.to_owned();
        let mut passed = 0;
        loop {
            if !self.is_of_target(&free) {
                if passed == own {
                    return (free != name).then_some(free);
                }
                passed += 1;
            }
            free.insert_str(0, RENAMED);
        }
    }

    fn begin(&mut self, batches: &Batches) {
        self.fixed.clear();
        (self.name_at, self.extra_at, self.next_place, self.own) = (0, 0, 0, 0);
        if self.known_epoch != batches.epoch() {
            self.known_epoch = batches.epoch();
            self.known.clear();
        }
    }

    /// Appends an own label, and before it the places whose names are less. Returns false if its name is that of a place.
    #[inline]
    fn own(&mut self, name: &[u8], value: &[u8], batches: &mut Batches) -> bool {
        if value.is_empty() {
            return true;
        }
        while let Some((known, place)) = self.places.get(self.next_place) {
            match known.as_bytes().cmp(name) {
                std::cmp::Ordering::Less => self.place(*place, batches),
                std::cmp::Ordering::Equal => return false,
                std::cmp::Ordering::Greater => break,
            }
        }
        match batches.version {
            WriteVersion::V1 => batches.pair(name, value, &mut self.fixed),
            WriteVersion::V2 => self.symbols(name, value, batches),
        }
        self.own += 1;
        true
    }

    /// Appends the symbols of an own label. The hash table is searched only for what differs from the previous series.
    fn symbols(&mut self, name: &[u8], value: &[u8], batches: &mut Batches) {
        let symbols = &mut batches.symbols;
        if self.own >= self.known.len() {
            self.known.push((0, 0));
        }
        let Some((name_number, value_number)) = self.known.get_mut(self.own) else { return };
        if symbols.text(*name_number) != name {
            *name_number = symbols.number(name);
        }
        if symbols.text(*value_number) != value {
            *value_number = symbols.number(value);
        }
        varint((*name_number).into(), &mut self.fixed);
        varint((*value_number).into(), &mut self.fixed);
    }

    fn end(&mut self, batches: &mut Batches) {
        while let Some((_, place)) = self.places.get(self.next_place) {
            self.place(*place, batches);
        }
        if self.extra.is_empty() {
            self.extra_at = self.name_at;
        }
    }

    fn place(&mut self, place: Place, batches: &mut Batches) {
        self.next_place += 1;
        match place {
            Place::Name => self.name_at = self.fixed.len(),
            Place::Extra => self.extra_at = self.fixed.len(),
            Place::Target(nth) => {
                if let Some((name, pair)) = self.targets.get_mut(nth) {
                    self.fixed.extend_from_slice(pair.bytes(name, batches));
                }
            }
        }
    }
}
