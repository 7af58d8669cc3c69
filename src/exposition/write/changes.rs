//! Which series are new since the previous cycle, and which are gone.
//!
//! Families of the same name and form are compared by their lists, whose order is that of the label texts. Equal lists are one list, which
//! costs nothing. Where a family is gone or has another form, single series may exist again in another family: these are found by
//! name and labels. That is slow and rare.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::gone::GoneSeries;
use super::kind::{Form, HISTOGRAM, number_of, number_of_self};
use super::memory::{Sent, SentFamily, hash};
use crate::exposition::float::push_canonical;
use crate::registry::{FamilyKind, Series, identity, push_label, split};
use crate::telemetry::{SelfFamily, SelfSeries, SelfValue};

/// The differences of two lists, as places in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    pub(super) came: Vec<usize>,
    pub(super) gone: Vec<usize>,
}

/// The new series of a family.
pub(super) enum News {
    None,
    /// These places, ascending; the number of those that are done.
    Some(Vec<usize>, usize),
    /// All; whether a series of the previous cycle may have had the same name.
    All {
        may_be_known: bool,
    },
}

impl News {
    /// Whether the series at this place is new. Places are asked in their order.
    pub(super) fn has(&self, place: usize) -> bool {
        match self {
            Self::None => false,
            Self::Some(places, next) => places.get(*next) == Some(&place),
            Self::All { .. } => true,
        }
    }

    /// Notes that the series at the place that was asked is done.
    pub(super) fn done(&mut self, was_new: bool) {
        if let Self::Some(_, next) = self {
            *next += usize::from(was_new);
        }
    }

    /// Whether a series of the previous cycle may have had the same name.
    pub(super) fn may_be_known(&self) -> bool {
        matches!(self, Self::All { may_be_known: true })
    }
}

/// Compares the series of one family at two moments.
pub(super) fn differences(before: &Arc<Vec<Arc<Series>>>, now: &Arc<Vec<Arc<Series>>>) -> Differences {
    let mut found = Differences::default();
    if Arc::ptr_eq(before, now) {
        return found;
    }
    let (mut old, mut new) = (0, 0);
    loop {
        let order = match (before.get(old), now.get(new)) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => Ordering::Equal,
            (Some(old), Some(new)) => old.labels().cmp(new.labels()),
        };
        if order == Ordering::Less {
            found.gone.push(old);
        } else if order == Ordering::Greater {
            found.came.push(new);
        }
        old += usize::from(order != Ordering::Greater);
        new += usize::from(order != Ordering::Less);
    }
    without_returned(&mut found, before, now);
    found
}

/// Removes series that differ only in labels of empty value, which are no labels.
fn without_returned(found: &mut Differences, before: &[Arc<Series>], now: &[Arc<Series>]) {
    let has_empty = |list: &[Arc<Series>], at: &usize| list.get(*at).is_some_and(|series| series.labels().contains("=\"\""));
    let is_odd = found.gone.iter().any(|at| has_empty(before, at)) || found.came.iter().any(|at| has_empty(now, at));
    if found.gone.is_empty() || found.came.is_empty() || !is_odd {
        return;
    }
    let of = |list: &[Arc<Series>], at: &usize| list.get(*at).map(|series| identity(series.labels()).into_owned());
    let came: HashSet<_> = found.came.iter().map(|at| of(now, at)).collect();
    let gone: HashSet<_> = found.gone.iter().map(|at| of(before, at)).collect();
    found.gone.retain(|at| !came.contains(&of(before, at)));
    found.came.retain(|at| !gone.contains(&of(now, at)));
}

/// The lines of a series, each as a receiver knows it.
pub(super) fn lines_of(sent: &SentFamily, series: &Series) -> Vec<GoneSeries> {
    let (name, kind) = (sent.names.name(), number_of(sent.family.kind()));
    let own = own_labels(sent, series);
    let line = |suffix: &str, extra: Option<(&str, f64)>| GoneSeries {
        name: format!("{name}{suffix}").into(),
        labels: extra.map_or_else(|| own.as_ref().into(), |(label, value)| with_label(&own, label, &number_text(value)).into()),
        kind,
        is_histogram: sent.form.is_histogram(),
    };
    let mut lines = Vec::new();
    match (sent.form, sent.family.kind()) {
        (Form::Classic, FamilyKind::Histogram { bounds }) => {
            lines.extend(bounds.iter().chain([&f64::INFINITY]).map(|bound| line("_bucket", Some(("le", *bound)))));
        }
        (Form::Summary, FamilyKind::Summary(options)) => {
            lines.extend(options.quantiles.iter().map(|quantile| line("", Some(("quantile", *quantile)))));
        }
        _ => return vec![line("", None)],
    }
    lines.extend([line("_sum", None), line("_count", None)]);
    lines
}

/// The lines of a series of a self-family.
pub(super) fn lines_of_self(family: &SelfFamily, series: &SelfSeries, form: Form) -> Vec<GoneSeries> {
    let line = |suffix: &str, labels: String| GoneSeries {
        name: format!("{}{suffix}", family.name()).into(),
        labels: labels.into(),
        kind: number_of_self(family.head.kind),
        is_histogram: number_of_self(family.head.kind) == HISTOGRAM && form.is_histogram(),
    };
    let own = canonical(&series.labels).into_owned();
    match &series.value {
        SelfValue::Histogram { buckets, .. } if !form.is_histogram() => {
            let mut lines: Vec<_> =
                buckets.iter().map(|(bound, _)| line("_bucket", with_label(&own, "le", &number_text(*bound)))).collect();
            lines.extend([line("_sum", own.clone()), line("_count", own)]);
            lines
        }
        _ => vec![line("", own)],
    }
}

/// The text of a bound or a quantile.
pub(super) fn number_text(value: f64) -> String {
    let mut text = Vec::new();
    push_canonical(value, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Finds series by name and labels in the families of one cycle. Families are indexed when they are first asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_family: HashMap<usize, HashSet<u64>>,
    of_self: Option<HashSet<u64>>,
}

impl Index {
    /// Whether `sent` has a series with this name and these own labels.
    pub(super) fn has(&mut self, sent: &Sent, (name, labels): (&str, &str), self_form: Form) -> bool {
        self.has_own(sent, name, labels) || self.has_self(sent, name, labels, self_form)
    }

    fn has_own(&mut self, sent: &Sent, name: &str, labels: &str) -> bool {
        for suffix in ["", "_sum", "_count", "_bucket"] {
            let Some((at, family)) = name.strip_suffix(suffix).and_then(|stem| family_named(&sent.families, stem)) else { continue };
            let own = match (family.form, suffix, family.family.kind()) {
                (Form::Number | Form::Exponential | Form::Custom, "", _) | (Form::Classic | Form::Summary, "_sum" | "_count", _) => {
                    Some(Cow::Borrowed(labels))
                }
                (Form::Summary, "", FamilyKind::Summary(options)) => without_number(labels, "quantile", options.quantiles.iter()),
                (Form::Classic, "_bucket", FamilyKind::Histogram { bounds }) => {
                    without_number(labels, "le", bounds.iter().chain([&f64::INFINITY]))
                }
                _ => None,
            };
            let Some(own) = own else { continue };
            let hash_of = |series: &Arc<Series>| sent.hash("", &own_labels(family, series));
            let known = self.by_family.entry(at).or_insert_with(|| family.series.iter().map(hash_of).collect());
            if known.contains(&sent.hash("", &own)) {
                return true;
            }
        }
        false
    }

    fn has_self(&mut self, sent: &Sent, name: &str, labels: &str, form: Form) -> bool {
        let known = self.of_self.get_or_insert_with(|| {
            let of_family = |family: &SelfFamily| -> Vec<u64> {
                let lines = family.series.iter().flat_map(|series| lines_of_self(family, series, form));
                lines.map(|line| hash(&sent.hasher, &line.name, &line.labels)).collect()
            };
            sent.self_families.iter().flat_map(of_family).collect()
        });
        known.contains(&sent.hash(name, labels))
    }
}

/// The family of this name with its place.
pub(super) fn family_named<'f>(families: &'f [SentFamily], name: &str) -> Option<(usize, &'f SentFamily)> {
    let at = families.binary_search_by(|family| family.names.name().cmp(name)).ok()?;
    families.get(at).map(|family| (at, family))
}

/// The labels without the label `name`, if its value is one of these numbers.
fn without_number<'n>(labels: &str, name: &str, mut numbers: impl Iterator<Item = &'n f64>) -> Option<Cow<'static, str>> {
    let mut value = None;
    let mut others = String::new();
    for (known, text) in split(labels) {
        if known == name {
            value = Some(text);
        } else {
            push(&known, &text, &mut others);
        }
    }
    let value = value?;
    numbers.any(|number| number_text(*number) == value).then_some(Cow::Owned(others))
}

/// The own labels of a series, as a receiver knows them.
fn own_labels<'s>(sent: &SentFamily, series: &'s Series) -> Cow<'s, str> {
    match sent.names.labels(series.labels()) {
        Cow::Borrowed(text) => identity(text),
        Cow::Owned(text) => Cow::Owned(canonical(&text).into_owned()),
    }
}

/// The labels sorted by name, without those of empty value.
fn canonical(text: &str) -> Cow<'_, str> {
    let mut pairs: Vec<_> = split(text).filter(|(_, value)| !value.is_empty()).collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sorted = String::with_capacity(text.len());
    pairs.iter().for_each(|(name, value)| push(name, value, &mut sorted));
    Cow::Owned(sorted)
}

fn with_label(text: &str, name: &str, value: &str) -> String {
    let mut with = String::with_capacity(text.len() + 24);
    let mut is_missing = true;
    for (known, own) in split(text) {
        if is_missing && *known > *name {
            push(name, value, &mut with);
            is_missing = false;
        }
        push(&known, &own, &mut with);
    }
    if is_missing {
        push(name, value, &mut with);
    }
    with
}

fn push(name: &str, value: &str, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    push_label(name, value, out);
}
