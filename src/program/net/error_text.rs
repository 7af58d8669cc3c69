//! Errors of the operating system, as a person reads them. Knows nothing of what failed.

use std::io;

/// An operating system's error in words, without its number.
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
