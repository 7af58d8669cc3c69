//! `preset`: lists the presets by name, and gives the text of one. Must not parse it.

use crate::program::presets;

/// One name a line.
pub(crate) fn list() -> String {
    presets::names().iter().map(|name| format!("{name}\n")).collect()
}

/// The text of a preset: a mapping file.
///
/// # Errors
///
/// A line that names those there are.
pub(crate) fn show(name: &str) -> Result<&'static str, String> {
    presets::text(name).ok_or_else(|| format!("there is no preset {name:?}; there are {}", presets::names().join(", ")))
}
