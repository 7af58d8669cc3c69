//! Listeners: turn sockets into bytes with a time and a source, and count datagrams and connections.
//!
//! ```text
//! udp     a thread of its own per (address, worker): recvmmsg batches -> Intake
//! tcp     tokio tasks: framing cuts the stream into whole lines       -> one shared Intake
//! unix    a tokio task: Unix datagrams                                -> Intake
//! Intake  lines to the relay, if there is one, and all bytes to its Worker
//! health  whether a socket's receive calls work
//! stop    the sign to end for all of them, with one deadline
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
