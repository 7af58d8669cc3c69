//! The JSON of a line.

use serde_json::Value;

/// A part of a document as text; empty if it is not there.
pub(super) fn text<'a>(document: &'a Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_default()
}
