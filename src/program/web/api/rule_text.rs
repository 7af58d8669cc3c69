//! Texts of proposed rules: YAML for a mapping file, and which names it catches.

use serde_json::Value;

use crate::mapping::Rules;
use crate::mapping::spec::MetricKind;

/// A text as a YAML scalar. JSON strings are YAML.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The rules of these entries of `mappings`; `None` if they are not valid.
pub(super) fn compiled(yaml: &str) -> Option<Rules> {
    Rules::from_yaml(&format!("mappings:\n{yaml}")).ok()
}

/// Whether a rule matches a raw name.
pub(super) fn catches(rules: &Rules, name: &str) -> bool {
    rules.find(name, MetricKind::Counter, &[]).is_some()
}
