//! The text of operating system errors. Must not know what failed.

use std::io;

/// The text of an error, without its number.
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
