//! Puts errors of the operating system into words for a person. Must not know what failed.

use std::io;

/// An operating system's error in words, without its number.
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
