//! Presets.
/// Names.
pub fn names() -> &'static [&'static str] { &[] }
/// Text.
pub fn text(_: &str) -> Option<&'static str> { None }
