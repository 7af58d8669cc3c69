//! `preset`: lists the presets, and gives the text of one. Must not parse it.

use crate::program::presets;

/// One preset a line: its name, and what it is for.
pub(crate) fn list() -> String {
    let width = presets::names().iter().map(|name| name.len()).max().unwrap_or_default();
    presets::names().iter().map(|name| format!("{name:width$}  {}\n", presets::description(name))).collect()
}

/// The text of a preset: a mapping file.
///
/// # Errors
///
/// A line that names those there are.
pub(crate) fn show(name: &str) -> Result<&'static str, String> {
    presets::text(name).ok_or_else(|| format!("there is no preset {name:?}; there are {}", presets::names().join(", ")))
}
