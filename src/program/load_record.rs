//! What is known of a configuration file that is reloaded: what is in force since when, and how the last reload ended.
//!
//! The part that reads the file writes the record; the page shows it. Must not know what a file contains.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::lock::lock;
use crate::mapping::spec::Finding;
use crate::program::clock;
use crate::time::Timestamp;

/// Errors of one reload that are kept.
const ERRORS: usize = 50;

/// What made a file be read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LoadCause {
    /// SIGHUP.
    #[default]
    Signal,
    /// `/-/reload`.
    Api,
    /// The file has changed.
    Watch,
}

impl LoadCause {
    /// Its name in JSON.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Api => "api",
            Self::Watch => "watch",
        }
    }
}

/// An error in a file. The text says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileError {
    /// Empty if the error is at no place.
    pub(super) file: String,
    /// From 1; 0 if the error is at no place.
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) text: String,
}

impl FileError {
    /// The error of a line `FILE:LINE:COLUMN: TEXT`. A line of another form is the text.
    pub(super) fn of_line(line: &str) -> Self {
        let parts = line.split_once(": ").and_then(|(place, text)| {
            let mut parts = place.rsplitn(3, ':');
            let (column, number, file) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
            Some(Self { file: file.to_owned(), line: number, column, text: text.to_owned() })
        });
        parts.unwrap_or_else(|| Self { file: String::new(), line: 0, column: 0, text: line.to_owned() })
    }
}

impl From<&Finding> for FileError {
    fn from(finding: &Finding) -> Self {
        let at = &finding.position;
        Self { file: at.file.to_string(), line: at.line, column: at.column, text: finding.text.clone() }
    }
}

/// A file in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileInForce {
    pub(super) path: PathBuf,
    /// The number of rules, if it contains rules.
    pub(super) rules: Option<usize>,
}

/// The last reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastLoad {
    pub(super) at: Timestamp,
    pub(super) cause: LoadCause,
    /// The first errors; none if it succeeded.
    pub(super) errors: Vec<FileError>,
    /// The number of all errors.
    pub(super) error_count: usize,
}

/// The state of a file and of those that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    /// What is in force: the file itself, and files that belong to it.
    pub(super) files: Vec<FileInForce>,
    /// The hash of their texts; `None` for files that may contain secrets, because it would confirm a guess.
    pub(super) hash: Option<u64>,
    /// When they were put in force; `None` before that.
    pub(super) at: Option<Timestamp>,
    /// The last reload since the start; `None` if there was none.
    pub(super) last: Option<LastLoad>,
    /// Reloads that succeeded, and those that failed.
    pub(super) reloads: (u64, u64),
}

/// The record of one file.
#[derive(Debug, Default)]
pub(super) struct LoadRecord(Mutex<Loaded>);

impl LoadRecord {
    /// Notes that files are in force.
    pub(super) fn put_in_force(&self, files: impl IntoIterator<Item = FileInForce>, hash: Option<u64>) {
        let mut loaded = lock(&self.0);
        (loaded.files, loaded.hash, loaded.at) = (files.into_iter().collect(), hash, Some(clock::now()));
    }

    /// Notes that these paths are in force, whose texts may contain secrets.
    pub(super) fn put_paths_in_force(&self, paths: &[PathBuf]) {
        self.put_in_force(paths.iter().map(|path| FileInForce { path: path.clone(), rules: None }), None);
    }

    /// Notes the end of a reload. Without errors it succeeded.
    pub(super) fn reloaded(&self, cause: LoadCause, errors: impl IntoIterator<Item = FileError>) {
        let mut errors: Vec<FileError> = errors.into_iter().collect();
        let error_count = errors.len();
        errors.truncate(ERRORS);
        let mut loaded = lock(&self.0);
        let counted = if error_count == 0 { &mut loaded.reloads.0 } else { &mut loaded.reloads.1 };
        *counted += 1;
        loaded.last = Some(LastLoad { at: clock::now(), cause, errors, error_count });
    }

    /// Notes the end of a reload because a file changed: these paths are in force now, or these lines of errors name why not.
    pub(super) fn followed(&self, result: Result<&[PathBuf], &[String]>) {
        if let Ok(paths) = result {
            self.put_paths_in_force(paths);
        }
        let errors = result.err().into_iter().flatten();
        self.reloaded(LoadCause::Watch, errors.map(|line| FileError::of_line(line)));
    }

    /// The state now.
    pub(super) fn get(&self) -> Loaded {
        lock(&self.0).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_errors_have_places() {
        let error = |file: &str, line, column, text: &str| FileError { file: file.to_owned(), line, column, text: text.to_owned() };
        assert_eq!(FileError::of_line("/a b/web.yml:3:7: unknown key: x"), error("/a b/web.yml", 3, 7, "unknown key: x"));
        assert_eq!(FileError::of_line("C:x:3:7: y"), error("C:x", 3, 7, "y"));
        for text in ["cannot read web.yml: No such file", "web.yml: TLS cannot be enabled", ":::", ""] {
            assert_eq!(FileError::of_line(text), error("", 0, 0, text));
        }
    }

    #[test]
    fn errors_are_bounded_and_what_is_in_force_stays() {
        let record = LoadRecord::default();
        record.put_in_force([FileInForce { path: "a.yml".into(), rules: Some(2) }], Some(7));
        record.reloaded(LoadCause::Api, (0..1_000).map(|_| FileError::of_line("a:1:1: b")));
        let loaded = record.get();
        assert_eq!((loaded.hash, loaded.files.len(), loaded.reloads), (Some(7), 1, (0, 1)));
        let last = loaded.last.expect("a reload");
        assert_eq!((last.errors.len(), last.error_count, last.cause), (ERRORS, 1_000, LoadCause::Api));
        record.reloaded(LoadCause::Watch, []);
        assert_eq!((record.get().reloads, record.get().last.map(|last| last.error_count)), ((1, 1), Some(0)));
    }
}
