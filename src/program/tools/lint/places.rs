//! References to other rules in remarks. Must not know the remarks.

use crate::mapping::spec::Rule;

/// The position of `other` in a remark on `rule`.
pub(super) fn place(other: &Rule, rule: &Rule) -> String {
    if other.position.file == rule.position.file { format!("line {}", other.position.line) } else { other.position.to_string() }
}

/// A list of further lines to which a remark applies, with a limit; empty without further lines.
pub(super) fn and_lines(others: &[u32]) -> String {
    const SHOWN: usize = 10;
    let Some((last, shown)) = others.get(..others.len().min(SHOWN)).and_then(<[u32]>::split_last) else { return String::new() };
    let more = others.len().saturating_sub(SHOWN);
    let shown: Vec<String> = shown.iter().map(u32::to_string).collect();
    match (shown.is_empty(), more) {
        (true, _) => format!("; also in line {last}"),
        (false, 0) => format!("; also in lines {} and {last}", shown.join(", ")),
        (false, _) => format!("; also in lines {}, {last} and {more} more", shown.join(", ")),
    }
}
