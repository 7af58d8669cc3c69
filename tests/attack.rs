//! Faults brought about on purpose, one file for each kind. What a document promises for them is asserted here.

/// What pages of others make a browser send.
mod browsers;
/// The wall clock is set while the bridge runs.
mod clocks;
/// Clients that take up descriptors.
mod descriptors;
/// What is no file in a file's place.
mod files;
/// Bad web clients by the hundred, while good ones are served.
mod http;
/// A log reader that stops reading.
mod logs;
/// Losses, each with its counter.
mod loss;
/// Senders that take as much memory as they can.
mod memory;
/// The end under load, and with a state file that cannot be written.
mod shutdown;
/// Paths of Unix sockets that are removed or replaced.
mod sockets;
/// Faults of every kind in random order.
mod storm;
