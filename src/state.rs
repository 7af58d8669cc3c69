//! Series kept over a restart: the form of a snapshot, and the file that it is in.
//!
//! ```text
//! format   a stream of bytes: header, checksummed frames, an end that says how many; any input is read or refused
//! file     the path: written beside it and renamed over it, mode 0600; a bad one is put aside      (feature `cli`)
//! ```
//! What a series is made of is the registry's business; when a snapshot is due is the business of `run`.

pub mod format;

#[cfg(feature = "cli")]
pub mod file;

#[cfg(test)]
mod tests;
