//! Listeners: receive bytes from sockets, with a time and a source, and count datagrams and connections.
//!
//! ```text
//! udp     one thread per address and worker: batches of recvmmsg   -> Intake
//! tcp     tokio tasks: framing splits streams into complete lines  -> one shared Intake
//! unix    a tokio task: Unix datagrams                             -> Intake
//! Intake  passes lines to the relay, if there is one, and all bytes to its Worker
//! health  whether the receive calls of a socket work
//! stop    the stop signal for all listeners, with one deadline
//! ```
//! Must not know StatsD, except that lines end with a newline.

mod framing;
mod health;
mod intake;
pub(super) mod relay;
mod stop;
pub(super) mod tcp;
pub(super) mod udp;
pub(super) mod unix;

pub(super) use self::intake::Intake;
pub(super) use self::stop::Stop;
