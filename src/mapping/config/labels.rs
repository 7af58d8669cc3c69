//! Parses the label and tag keys of a rule: templates, conditions, and steps.

use super::findings::{At, code};
use super::pattern;
use super::read::{Fields, File};
use crate::mapping::spec::{LabelStep, TagCondition};

/// Parses `labels`: pairs of name and template, sorted by name.
pub(super) fn templates(file: &mut File<'_>, fields: Fields<'_>) -> Vec<(String, String)> {
    let Some(node) = fields.get("labels") else { return Vec::new() };
    let mut templates = Vec::new();
    for (key, template) in file.pairs(node, "`labels`") {
        if !pattern::is_label(&key.name, file.names) {
            file.findings.error(key.at, code::BAD_LABEL, pattern::bad_label(&key.name));
            continue;
        }
        if pattern::is_reserved(&key.name) {
            let text = format!("Prometheus keeps the label `{0}` for itself; choose another name, such as `exported_{0}`", key.name);
            file.findings.warning(key.at, code::RESERVED_LABEL, text);
        }
        templates.push((key.name.clone(), template.to_owned()));
    }
    templates.sort();
    templates
}

/// Parses `match_tags`: conditions on tags. Keys are escaped like label names.
pub(super) fn conditions(file: &mut File<'_>, fields: Fields<'_>) -> Vec<TagCondition> {
    let Some(node) = fields.get("match_tags") else { return Vec::new() };
    let mut conditions = Vec::new();
    for (key, value) in file.pairs(node, "`match_tags`") {
        let tag = tag_key(file, key.at, &key.name);
        if let Some(fault) = pattern::value_fault(value) {
            file.findings.error(key.at, code::BAD_GLOB, format!("`match_tags.{}`: {fault}", key.name));
        }
        conditions.extend(tag.map(|key| TagCondition { key, value: value.to_owned() }));
    }
    conditions
}

/// Parses `keep_labels`, `drop_labels`, `rename_labels`, `set_labels` and `map_values`. The steps have this order, regardless of the
/// order in the file.
pub(super) fn steps(file: &mut File<'_>, fields: Fields<'_>) -> Vec<LabelStep> {
    let mut steps = Vec::new();
    if let Some(node) = fields.get("keep_labels") {
        let names = file.texts(node, "`keep_labels`");
        steps.push(LabelStep::Keep(tag_keys(file, node.at, &names)));
    }
    if let Some(node) = fields.get("drop_labels") {
        let names = file.texts(node, "`drop_labels`");
        steps.push(LabelStep::Drop(tag_keys(file, node.at, &names)));
    }
    if let Some(node) = fields.get("rename_labels") {
        for (key, to) in file.pairs(node, "`rename_labels`") {
            let from = tag_key(file, key.at, &key.name);
            let to = file.defined_label(key.at, to);
            steps.extend(from.zip(to).map(|(from, to)| LabelStep::Rename(from, to)));
        }
    }
    if let Some(node) = fields.get("set_labels") {
        for (key, value) in file.pairs(node, "`set_labels`") {
            let name = file.defined_label(key.at, &key.name);
            steps.extend(name.map(|name| LabelStep::Set(name, value.to_owned())));
        }
    }
    if let Some(node) = fields.get("map_values") {
        map_values(file, node, &mut steps);
    }
    steps
}

fn map_values(file: &mut File<'_>, node: &super::tree::Node, steps: &mut Vec<LabelStep>) {
    for (label, values) in file.entries(node, "`map_values`") {
        let mut pairs = Vec::new();
        for (glob, value) in file.pairs(values, "a label in `map_values`") {
            if let Some(fault) = pattern::value_fault(&glob.name) {
                file.findings.error(glob.at, code::BAD_GLOB, format!("`map_values.{}`: {fault}", label.name));
            }
            pairs.push((glob.name.clone(), value.to_owned()));
        }
        let name = tag_key(file, label.at, &label.name);
        steps.extend(name.map(|name| LabelStep::MapValues(name, pairs)));
    }
}

fn tag_keys(file: &mut File<'_>, at: At, keys: &[String]) -> Vec<String> {
    keys.iter().filter_map(|key| tag_key(file, at, key)).collect()
}

/// Returns the label name for a tag key. Reserved names get the prefix `exported_`; except under [`NameValidation::Utf8`], other names
/// are escaped.
///
/// [`NameValidation::Utf8`]: crate::name::NameValidation::Utf8
fn tag_key(file: &mut File<'_>, at: At, key: &str) -> Option<String> {
    let mut label = String::new();
    file.names.push_label(key, &mut label);
    if label.is_empty() {
        file.findings.error(at, code::BAD_LABEL, "the name of a label is empty; write one");
        return None;
    }
    Some(label)
}
