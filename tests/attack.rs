//! Faults brought about on purpose, one file for each kind. What a document promises for them is asserted here.

/// Clients that take up descriptors.
mod descriptors;
/// What is no file in a file's place.
mod files;
/// A log reader that stops reading.
mod logs;
/// Losses, each with its counter.
mod loss;
/// The end under load, and with a state file that cannot be written.
mod shutdown;
/// Paths of Unix sockets that are removed or replaced.
mod sockets;
