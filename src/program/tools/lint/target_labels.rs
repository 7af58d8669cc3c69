//! Finds labels that Prometheus sets on every series of a target: `job` and `instance`.
//!
//! Must not know the tags of samples.

use std::collections::BTreeMap;

use super::places::and_lines;
use crate::mapping::config::MappingText;
use crate::mapping::spec::{Action, Config, LabelStep, Position, Rule};
use crate::program::tools::{Remark, Severity};

/// One remark per label and file.
pub(super) fn target_labels(config: &Config, texts: &[MappingText]) -> Vec<Remark> {
    let mut places: BTreeMap<(&str, usize), Vec<Position>> = BTreeMap::new();
    let file = |position: &Position| texts.iter().position(|text| text.name == position.file).unwrap_or(texts.len());
    for rule in config.rules.iter().filter(|rule| rule.action == Action::Map) {
        for label in given(rule) {
            places.entry((label, file(&rule.position))).or_default().push(rule.position.clone());
        }
    }
    for (index, text) in texts.iter().enumerate() {
        for (label, _) in &config.constant_labels {
            if let (Some(label), Some(position)) = (target_label(label), constant_label(text, label)) {
                places.entry((label, index)).or_default().insert(0, position);
            }
        }
    }
    places.into_iter().filter_map(|((label, _), at)| remark(label, &at)).collect()
}

fn target_label(name: &str) -> Option<&'static str> {
    ["job", "instance"].into_iter().find(|label| *label == name)
}

/// The labels of targets that a rule sets.
fn given(rule: &Rule) -> Vec<&'static str> {
    let removed = |label: &str| {
        rule.label_steps.iter().any(|step| match step {
            LabelStep::Keep(names) => !names.iter().any(|name| name == label),
            LabelStep::Drop(names) => names.iter().any(|name| name == label),
            LabelStep::Rename(from, _) => from == label,
            LabelStep::Set(..) | LabelStep::MapValues(..) => false,
        })
    };
    let of_labels = rule.labels.iter().filter_map(|(name, _)| target_label(name)).filter(|label| !removed(label));
    let of_steps = rule.label_steps.iter().filter_map(|step| match step {
        LabelStep::Rename(_, name) | LabelStep::Set(name, _) => target_label(name),
        _ => None,
    });
    let mut all: Vec<_> = of_labels.chain(of_steps).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The position of this label in the `labels` of a file.
fn constant_label(text: &MappingText, label: &str) -> Option<Position> {
    let lines = (1_u32..).zip(text.text.lines());
    let mut inside = false;
    for (number, line) in lines {
        if !line.starts_with([' ', '#', '\t']) && !line.is_empty() {
            inside = line.starts_with("labels:");
        }
        let key = line.find(label).filter(|at| {
            let before = line.get(..*at).unwrap_or_default().trim_end().chars().next_back();
            let after = line.get(at + label.len()..).unwrap_or_default().trim_start_matches(['"', '\'']);
            before.is_none_or(|c| matches!(c, '{' | ',' | '"' | '\'')) && after.trim_start().starts_with(':')
        });
        if let Some(at) = key.filter(|_| inside) {
            let column = u32::try_from(line.get(..at)?.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
            return Some(Position { file: text.name.clone(), line: number, column });
        }
    }
    None
}

fn remark(label: &str, places: &[Position]) -> Option<Remark> {
    let (first, others) = places.split_first()?;
    let instead = if label == "job" { "task" } else { "host" };
    let lines: Vec<u32> = others.iter().map(|position| position.line).collect();
    let text = format!(
        "Prometheus sets the label `{label}` itself: this one becomes `exported_{label}` there, unless the scrape has `honor_labels: true`; use \
         another name, such as `{instead}`{}",
        and_lines(&lines),
    );
    Some(Remark::new(Severity::Note, "target_label", first, text))
}
