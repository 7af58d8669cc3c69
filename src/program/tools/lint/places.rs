//! How a remark names other rules than the one that it stands at. Must not know what is said of them.

use crate::mapping::spec::Rule;

/// Where `other` is, as one says it beside `rule`.
pub(super) fn place(other: &Rule, rule: &Rule) -> String {
    if other.position.file == rule.position.file { format!("line {}", other.position.line) } else { other.position.to_string() }
}

/// Lines of others to which a remark applies too, so many that a person still reads them; empty if there are none.
pub(super) fn and_lines(others: &[u32]) -> String {
    const SHOWN: usize = 10;
    let Some((last, shown)) = others.get(..others.len().min(SHOWN)).and_then(<[u32]>::split_last) else { return String::new() };
    let more = others.len().saturating_sub(SHOWN);
    let shown: Vec<String> = shown.iter().map(u32::to_string).collect();
    match (shown.is_empty(), more) {
        (true, _) => format!("; the same in line {last}"),
        (false, 0) => format!("; the same in lines {} and {last}", shown.join(", ")),
        (false, _) => format!("; the same in lines {}, {last} and {more} more", shown.join(", ")),
    }
}
