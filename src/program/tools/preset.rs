//! `preset`: lists the built-in presets, and prints one of them. Must not parse a preset.

use crate::program::presets;

/// The names and descriptions of all presets, one per line.
pub(crate) fn list() -> String {
    let width = presets::names().iter().fold(0, |width, name| width.max(name.len()));
    presets::descriptions().map(|(name, description)| format!("{name:width$}  {description}\n")).collect()
}

/// The mapping file of a preset.
///
/// # Errors
///
/// One line that lists the known presets.
pub(crate) fn show(name: &str) -> Result<&'static str, String> {
    presets::text(name).ok_or_else(|| format!("unknown preset {name:?}; the presets are {}", presets::names().join(", ")))
}
