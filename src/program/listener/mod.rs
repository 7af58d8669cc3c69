//! Listeners: receive bytes from sockets, with a time and a source, and count datagrams and connections.
//!
//! ```text
//! udp     one thread per address and worker: batches of recvmmsg   -> Intake
//! stream  tokio tasks for TCP and Unix streams: framing splits     -> one shared Intake for TCP, one for Unix
//!         them into complete lines or frames
//! unix    one thread for the Unix datagram socket: as for UDP      -> Intake
//! Intake  passes lines to the relay, if there is one, and all bytes to its Worker
//! receiver, batch  what the threads of udp and unix share
//! peers   the containers of processes that send over Unix sockets
//! pauses  how long the thread of a Unix socket pauses between receives
//! allowed which networks may send
//! health  whether the receive calls of a socket work
//! stop    the stop signal for all listeners, with one deadline
//! ```
//! Must not know StatsD, except that lines end with a newline.

mod allowed;
mod batch;
pub mod framing;
mod health;
mod intake;
mod pauses;
mod peers;
mod receiver;
pub(super) mod relay;
mod stop;
pub(super) mod stream;
pub(super) mod udp;
pub(super) mod unix;

pub(super) use self::intake::Intake;
pub(super) use self::peers::Processes;
pub(super) use self::stop::Stop;
