//! Random registries: what is pushed is what a scrape shows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Got, START, STEP, Target, at, drain};
use crate::exposition::write::{WriteCycle, WriteMemory, WriteOptions, WriteVersion};
use crate::mapping::Rules;
use crate::name::Escaping;
use crate::options::{NameValidation, TagKey};
use crate::registry::{push_label, split};
use crate::{Format, Options};

use WriteVersion::{V1, V2};

/// Lines with names and tags that need escaping or that collide with those of the target.
fn line() -> impl Strategy<Value = String> {
    let word = "(a|b|é|0|le|quantile|\\\\|=|x y|up|job|exported_job|Z|_sum|_count|_bucket|statsd)";
    let name = prop::collection::vec(prop_oneof![word, "[._ -]"], 1..3).prop_map(|words| words.concat());
    let tag = (prop_oneof![name.clone(), Just("job".to_owned()), Just("exported_job".to_owned())], "[a-b\",=\\\\]{0,2}");
    let tag = tag.prop_map(|(key, value)| format!("{key}:{value}"));
    let value = prop_oneof!["[1-9]{1,3}", Just("0.1".to_owned()), Just("NaN".to_owned())];
    (name, value, "(c|g|ms|h|s|d)", prop::collection::vec(tag, 0..3))
        .prop_map(|(name, value, kind, tags)| format!("{name}:{value}|{kind}|#{}", tags.join(",")))
}

fn options(names: NameValidation) -> Options {
    Options::default().with(|options| {
        options.names = names;
        options.prometheus_names = true;
        options.exemplar_tag = TagKey::new("trace_id").ok();
    })
}

/// The samples of a scrape in text: each series in the form of [`Got`], with its value.
fn scraped(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| series_of(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

fn series_of(line: &str) -> Option<(String, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (mut name, labels) = match series.split_once('{').filter(|(name, _)| !name.contains('"')) {
        Some((name, labels)) => (name.to_owned(), labels.strip_suffix('}')?),
        None => (series.to_owned(), ""),
    };
    // A quoted name stands before the labels, as if it were one without a value.
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut labels = labels.to_owned();
    if name.is_empty() && labels.starts_with('"') {
        let end = end_of_quoted(&labels)?;
        if !labels[end..].starts_with('=') {
            let quoted = format!("x={}", &labels[..end]);
            name = split(&quoted).next()?.1;
            labels = labels[end..].trim_start_matches(',').to_owned();
        }
    }
    for (label, text) in split(&labels).filter(|(_, text)| !text.is_empty()) {
        let text = if label == "le" || label == "quantile" { canonical(&text) } else { text };
        pairs.push((label.into_owned(), text));
    }
    pairs.sort();
    let mut sorted = String::new();
    for (label, text) in &pairs {
        if !sorted.is_empty() {
            sorted.push(',');
        }
        push_label(label, text, &mut sorted);
    }
    Some((crate::name::series_text(&name, &sorted), value.replace("+Inf", "inf").parse().ok()?))
}

fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `le` and `quantile` as Prometheus 3 normalises them.
fn canonical(text: &str) -> String {
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && !text.is_empty();
    if is_whole { format!("{text}.0") } else { text.to_owned() }
}

fn pushed(target: &Target, options: &WriteOptions) -> Got {
    let WriteOptions { version, histograms, .. } = *options;
    let copy = WriteOptions {
        version,
        histograms,
        labels: options.labels.clone(),
        self_metrics: false,
        batch_samples: 7,
        ..WriteOptions::default()
    };
    let mut cycle = WriteCycle::new(target.bridge.engine(), &copy.into(), &WriteMemory::default(), at(target.time));
    Got::of(version, &drain(&mut cycle))
}

proptest! {
    #[test]
    fn a_push_has_the_series_and_values_of_a_scrape(lines in prop::collection::vec(line(), 1..30), is_utf8: bool, has_summaries: bool) {
        let names = if is_utf8 { NameValidation::Utf8 } else { NameValidation::Legacy };
        let target = Target::new(options(names), WriteOptions::default());
        if has_summaries {
            target.bridge.replace_rules(Rules::from_yaml("defaults: {observer_type: summary}").expect("rules"));
        }
        target.ingest(&lines.join("\n"));
        for (version, escaping) in [(V1, Escaping::Underscores), (V2, Escaping::AllowUtf8)] {
            let mut text = Vec::new();
            target.bridge.exposition_escaped(Format::Text, escaping, at(target.time)).without_self_metrics().render(&mut text);
            let text = String::from_utf8(text).expect("UTF-8");
            let mut expected = scraped(&text);
            expected.entry("up".to_owned()).or_insert(1.0);
            let got = pushed(&target, &WriteOptions { version, ..WriteOptions::default() });
            let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
            prop_assert_eq!(got.0.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{}", text);
            for (name, value) in &expected {
                prop_assert!(same(got.value(name), *value), "{}: {} and {}", name, got.value(name), value);
            }
        }
    }

    #[test]
    fn any_history_has_one_sample_of_a_series_at_a_time(
        history in prop::collection::vec((prop::collection::vec(line(), 0..8), prop::option::of("(c|g|h|s|a|b)"), any::<bool>()), 2..7),
        is_utf8: bool,
        is_old: bool,
        with_labels: bool,
        form in 0..3usize,
    ) {
        let names = if is_utf8 { NameValidation::Utf8 } else { NameValidation::Legacy };
        let labels = if with_labels { vec![("job".to_owned(), "j".to_owned()), ("Zz".to_owned(), "z".to_owned())] } else { Vec::new() };
        let version = if is_old { V1 } else { V2 };
        let histograms = [super::HistogramForm::Classic, super::HistogramForm::Native, super::HistogramForm::Nhcb][form];
        let options_of = WriteOptions { version, histograms, labels, batch_samples: 5, ..WriteOptions::default() };
        let mut target = Target::new(options(names), options_of);
        let mut stored: BTreeMap<String, (u64, bool)> = BTreeMap::new();
        for (lines, delete, loses) in history {
            if let Some(part) = delete {
                target.bridge.delete_series(&|name, _| name.contains(&part), false);
            }
            target.ingest(&lines.join("\n"));
            let batches = target.batches();
            let got = Got::of(version, &batches);
            if loses {
                target.memory.markers_lost(batches.into_iter().flat_map(|batch| batch.gone).collect());
            }
            // A receiver accepts each series' samples in order, and none twice.
            for (name, series) in &got.0 {
                for time in series.times() {
                    let newest = stored.get(name).map_or(0, |(newest, _)| *newest);
                    prop_assert!(time as u64 > newest, "{} at {} after {}", name, time, newest);
                    stored.insert(name.clone(), (time as u64, series.is_stale()));
                }
            }
            // What was there and is not sent any more has a marker.
            for (name, (newest, is_stale)) in &stored {
                prop_assert!(got.0.contains_key(name) || *is_stale, "{} ended at {} without a marker", name, newest);
            }
            prop_assert_eq!(got.0.values().map(|series| series.times().last().copied()).max(), Some(Some((target.time - STEP) as i64)));
        }
        prop_assert!(target.time > START);
    }
}
