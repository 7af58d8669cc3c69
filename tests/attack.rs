//! Injected faults, one file for each kind. The tests assert what the documents promise for each fault.

/// Requests that other sites make a browser send.
mod browsers;
/// The wall clock changes while the bridge runs.
mod clocks;
/// Clients that hold file descriptors.
mod descriptors;
/// Pipes, devices and folders in place of files.
mod files;
/// Hundreds of bad HTTP clients beside good ones.
mod http;
/// A program that stops reading the log.
mod logs;
/// Lost samples and lines, each counted.
mod loss;
/// Senders that use as much memory as they can.
mod memory;
/// Shutdown under load, and with a state file that cannot be written.
mod shutdown;
/// Paths of Unix sockets that are removed or replaced.
mod sockets;
/// All kinds of faults in random order.
mod storm;
