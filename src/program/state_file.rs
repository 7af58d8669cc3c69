//! The file of a snapshot. It is replaced atomically, and readable by its owner only. An unusable file is renamed.
//!
//! The last snapshot of a clean shutdown has a mark. The mark is removed on the disk before any series is restored, so that after a crash
//! the next start does not use the same totals again.
//!
//! A lock on a file beside it keeps two bridges from using one state file. The state file itself cannot be locked, because each snapshot
//! replaces it. The kernel releases the lock when the program ends or crashes.
//!
//! Must not know when a snapshot is due, nor the parts of a series.

mod lock;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::lock::locked;
use crate::bridge::Bridge;
use crate::program::clock;
use crate::program::regular_file;
use crate::registry::Restored;
use crate::state::format::{self, Counts, Header, Mark, ReadError};
use crate::time::Timestamp;

/// Permissions of the file. Its labels may contain names of users.
const MODE: u32 = 0o600;

/// The path of a state file, and the lock that keeps other programs from using it.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// Holds the lock while it is open.
    _lock: File,
}

/// A written snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// The numbers of its contents.
    pub counts: Counts,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The outcome of restoring from a state file.
#[derive(Debug)]
pub(super) enum RestoreOutcome {
    /// The file does not exist.
    Nothing,
    /// The series were restored.
    Restored {
        /// The numbers of restored and rejected series.
        restored: Restored,
        /// When it was written.
        written: Timestamp,
        /// How the program that wrote it ended.
        ending: Ending,
    },
    /// The file is too old. It stays until the next snapshot replaces it.
    TooOld {
        /// When it was written.
        written: Timestamp,
        /// How the program that wrote it ended.
        ending: Ending,
    },
    /// The file is unusable. No series was restored.
    Bad {
        /// The cause.
        error: ReadError,
        /// The new path of the file, or why it could not be renamed.
        aside: Result<PathBuf, io::Error>,
    },
}

/// How the program that wrote a snapshot ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// With a clean shutdown: all series continue.
    Clean,
    /// With a crash, or unknown: only gauges and sets continue.
    Crash,
    /// With a clean shutdown, but its mark cannot be removed: only gauges and sets continue.
    MarkRemains {
        /// The cause.
        error: io::Error,
        /// The new path of the file, or why it could not be renamed.
        aside: Result<PathBuf, io::Error>,
    },
}

impl StateFile {
    /// Locks the state file at `path`. The file is not read.
    ///
    /// # Errors
    ///
    /// The path exists and is not a file, another program has locked it, or the folder is not writable.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // Links are followed. The first snapshot replaces a link to nowhere.
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => return Err(io::Error::other("the path exists and is not a file")),
            _ => {}
        }
        // The lock is taken before the temporary file is created, because another program may be writing that file.
        let file = Self { path: path.to_owned(), _lock: locked(&with(path, ".lock"), MODE)? };
        file.create_temporary()?;
        fs::remove_file(file.temporary())?;
        Ok(file)
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a snapshot to a temporary file, syncs it to the disk, and renames it to the path.
    ///
    /// # Errors
    ///
    /// Errors of the file system. The old file does not change then.
    pub(super) fn write(&self, bridge: &Bridge, now: Timestamp, mark: Mark) -> io::Result<Written> {
        let written = self.write_temporary(bridge, now, mark).and_then(|written| {
            fs::rename(self.temporary(), &self.path)?;
            Ok(written)
        });
        if written.is_err() {
            // The error of the write is returned. The next snapshot removes the file, if this fails.
            drop(fs::remove_file(self.temporary()));
        }
        let written = written?;
        self.sync_folder()?;
        Ok(written)
    }

    fn sync_folder(&self) -> io::Result<()> {
        match File::open(self.folder())?.sync_all() {
            // Some file systems cannot sync folders. The file itself is on the disk.
            Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
            _ => Ok(()),
        }
    }

    fn write_temporary(&self, bridge: &Bridge, now: Timestamp, mark: Mark) -> io::Result<Written> {
        let mut out = BufWriter::with_capacity(64 << 10, self.create_temporary()?);
        let counts = bridge.write_marked_state(now, mark, &mut out)?;
        out.flush()?;
        let file = out.get_ref();
        file.sync_all()?;
        Ok(Written { counts, bytes: file.metadata()?.len() })
    }

    /// Creates the temporary file. An old one is removed first, and a link is not followed, so that no other program has the file open.
    fn create_temporary(&self) -> io::Result<File> {
        let path = self.temporary();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)
    }

    /// Restores all series of the snapshot or none, unless the disk fails between its two readings. An unusable file is renamed.
    pub(super) fn restore(&self, bridge: &Bridge, max_age: Option<Duration>, now: Timestamp) -> RestoreOutcome {
        match self.try_restore(bridge, max_age, now) {
            Ok(found) => found,
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => RestoreOutcome::Nothing,
            Err(error) => RestoreOutcome::Bad { error, aside: self.rename_unusable() },
        }
    }

    fn try_restore(&self, bridge: &Bridge, max_age: Option<Duration>, now: Timestamp) -> Result<RestoreOutcome, ReadError> {
        let file = regular_file::open(&self.path, true).or_else(|_| regular_file::open(&self.path, false)).map_err(ReadError::Io)?;
        let mut input = BufReader::with_capacity(64 << 10, file);
        let header @ Header { written, .. } = format::read_header(&mut input)?;
        let age_ms = clock::to_wall(now).millis_since(written);
        if max_age.is_some_and(|most| u128::from(age_ms) > most.as_millis()) {
            // The mark is removed here too: a later start may allow an older file, and new totals count from now on.
            return Ok(RestoreOutcome::TooOld { written, ending: self.ending(input.get_ref(), header) });
        }
        let start = input.stream_position()?;
        // The first reading only verifies the file, so that no part of an unusable file is restored.
        format::read_frames(&mut input, drop)?;
        let ending = self.ending(input.get_ref(), header);
        input.seek(SeekFrom::Start(start))?;
        let mut restored = Restored::default();
        format::read_frames(&mut input, |family| {
            restored += match ending {
                Ending::Clean => bridge.restore(family, now),
                Ending::Crash | Ending::MarkRemains { .. } => bridge.restore_levels(family, now),
            };
        })?;
        Ok(RestoreOutcome::Restored { restored, written, ending })
    }

    /// How the program that wrote the file ended. A mark of a clean shutdown is removed on the disk; if that fails, the file is renamed, so
    /// that the next start does not use it.
    fn ending(&self, file: &File, header: Header) -> Ending {
        if header.mark == Mark::Running {
            return Ending::Crash;
        }
        // The header is overwritten in place, which needs no space on a full disk. An incomplete write makes the checksum wrong.
        let bytes = Header { mark: Mark::Running, ..header }.to_bytes();
        match file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()) {
            Ok(()) => Ending::Clean,
            Err(error) => Ending::MarkRemains { error, aside: self.rename_unusable() },
        }
    }

    /// Renames the file, so that it can be examined. It replaces an earlier renamed file.
    fn rename_unusable(&self) -> Result<PathBuf, io::Error> {
        let aside = with(&self.path, ".bad");
        fs::rename(&self.path, &aside)?;
        self.sync_folder()?;
        Ok(aside)
    }

    fn temporary(&self) -> PathBuf {
        with(&self.path, ".tmp")
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::options::Options;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn later(seconds: u64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
    }

    fn bridge() -> Bridge {
        Bridge::of_program(Options::default())
    }

    /// A folder, its state file, and a snapshot of one counter in it.
    fn kept() -> (TempDir, StateFile) {
        let folder = TempDir::new().unwrap();
        let file = StateFile::at(&folder.path().join("state")).unwrap();
        let bridge = bridge();
        bridge.worker().ingest(b"c:7|c", NOW);
        let written = file.write(&bridge, NOW, Mark::End).unwrap();
        assert_eq!((written.counts.series, written.bytes), (1, fs::metadata(file.path()).unwrap().len()));
        (folder, file)
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_the_owner_can_read_it_and_no_other_file_remains() {
        let (folder, file) = kept();
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&folder), ["state", "state.lock"]);
        assert!(matches!(
            file.restore(&bridge(), None, NOW),
            RestoreOutcome::Restored { restored: Restored { series: 1, .. }, written: NOW, ending: Ending::Clean }
        ));
    }

    fn exposition(bridge: &Bridge) -> String {
        let mut exposition = Vec::new();
        bridge.render(NOW, &mut exposition);
        String::from_utf8(exposition).unwrap()
    }

    #[test]
    fn the_last_snapshot_is_restored_completely_only_once() {
        let (_folder, file) = kept();
        for (ending, line) in [(true, "\nc 7\n"), (false, "\nc 0\n"), (false, "\nc 0\n")] {
            let bridge = bridge();
            let found = file.restore(&bridge, None, later(1));
            assert!(
                matches!(&found, RestoreOutcome::Restored { ending: Ending::Clean, .. } if ending)
                    || matches!(&found, RestoreOutcome::Restored { ending: Ending::Crash, .. } if !ending),
                "{found:?}"
            );
            assert!(exposition(&bridge).contains(line), "{}", exposition(&bridge));
        }
        let running = bridge();
        running.worker().ingest(b"c:8|c", NOW);
        file.write(&running, NOW, Mark::Running).unwrap();
        assert!(matches!(file.restore(&bridge(), None, NOW), RestoreOutcome::Restored { ending: Ending::Crash, .. }));
    }

    #[test]
    fn a_file_whose_mark_cannot_be_removed_is_renamed() {
        let (folder, file) = kept();
        let read_only = File::open(file.path()).unwrap();
        let header = format::read_header(&mut &read_only).unwrap();
        let ending = file.ending(&read_only, header);
        assert!(matches!(&ending, Ending::MarkRemains { aside: Ok(path), .. } if path.ends_with("state.bad")), "{ending:?}");
        assert_eq!(names(&folder), ["state.bad", "state.lock"], "the next start does not see it");
    }

    #[test]
    fn the_mark_of_a_file_that_is_too_old_is_removed() {
        let (_folder, file) = kept();
        let found = file.restore(&bridge(), Some(Duration::from_secs(1)), later(5));
        assert!(matches!(found, RestoreOutcome::TooOld { ending: Ending::Clean, .. }), "{found:?}");
        assert!(matches!(file.restore(&bridge(), None, later(6)), RestoreOutcome::Restored { ending: Ending::Crash, .. }));
    }

    #[test]
    fn a_link_at_the_temporary_name_is_not_followed() {
        let (folder, file) = kept();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("state.tmp")).unwrap();
        file.write(&bridge(), NOW, Mark::Running).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(names(&folder), ["state", "state.lock", "victim"]);
        assert!(fs::symlink_metadata(file.path()).unwrap().is_file());
    }

    #[test]
    fn a_failed_snapshot_leaves_the_old_file() {
        let (folder, file) = kept();
        // A folder that is not empty cannot be removed, even by root.
        fs::create_dir_all(folder.path().join("state.tmp/x")).unwrap();
        assert!(file.write(&bridge(), later(1), Mark::End).is_err());
        assert!(matches!(file.restore(&bridge(), None, later(2)), RestoreOutcome::Restored { written: NOW, .. }));
    }

    #[test]
    fn the_age_starts_at_the_time_of_writing() {
        let (folder, file) = kept();
        let restore = |now| file.restore(&bridge(), Some(Duration::from_secs(60)), now);
        assert!(matches!(restore(later(60)), RestoreOutcome::Restored { .. }));
        assert!(matches!(restore(later(61)), RestoreOutcome::TooOld { written: NOW, .. }));
        assert_eq!(names(&folder), ["state", "state.lock"], "the file stays");
        assert!(matches!(file.restore(&bridge(), None, later(61)), RestoreOutcome::Restored { .. }));
        let before = Timestamp::from_millis(NOW.as_millis() - 3_600_000);
        assert!(matches!(restore(before), RestoreOutcome::Restored { .. }), "from the future");
    }

    #[test]
    fn an_unusable_file_is_renamed_and_replaces_an_earlier_one() {
        let (folder, file) = kept();
        for text in ["first", "second"] {
            fs::write(file.path(), text).unwrap();
            let found = file.restore(&bridge(), None, NOW);
            assert!(
                matches!(&found, RestoreOutcome::Bad { error: ReadError::NotOne, aside: Ok(path) } if path.ends_with("state.bad")),
                "{found:?}"
            );
            assert_eq!(fs::read_to_string(folder.path().join("state.bad")).unwrap(), text);
            assert_eq!(names(&folder), ["state.bad", "state.lock"]);
        }
        assert!(matches!(file.restore(&bridge(), None, NOW), RestoreOutcome::Nothing));
    }

    #[test]
    fn a_second_program_cannot_use_the_file_until_the_first_one_ends() {
        let (folder, file) = kept();
        let second = || StateFile::at(&folder.path().join("state"));
        let is_rejected = || second().is_err_and(|error| error.to_string().contains("another program uses it"));
        assert!(is_rejected());
        // A snapshot replaces the state file, but not the lock.
        file.write(&bridge(), later(1), Mark::Running).unwrap();
        assert!(is_rejected());
        assert!(StateFile::at(&folder.path().join("other")).is_ok(), "another file of the same folder");
        drop(file);
        assert!(second().is_ok());
    }

    #[test]
    fn a_path_that_is_not_a_file_is_not_changed() {
        let folder = TempDir::new().unwrap();
        for path in [folder.path(), Path::new("/dev/null"), &folder.path().join("absent/state")] {
            assert!(StateFile::at(path).is_err(), "{}", path.display());
        }
        assert!(names(&folder).is_empty());
    }
}
