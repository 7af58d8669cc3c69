//! Listeners: turn sockets into bytes with a time and a source, and count datagrams and connections.
//!
//! ```text
//! udp     a thread of its own per (address, worker): recvmmsg batches -> Intake
//! tcp     tokio tasks: framing cuts the stream into whole lines       -> one shared Intake
//! unix    a tokio task: Unix datagrams                                -> Intake
//! Intake  lines to the relay, if there is one, and all bytes to its Worker
//! ```
//! Must not know StatsD, except that lines end with a newline.

mod framing;
mod intake;
pub(super) mod relay;
pub(super) mod tcp;
pub(super) mod udp;
pub(super) mod unix;

pub(super) use self::intake::Intake;

/// Resolves when the listeners are told to stop, or nobody is left who could tell them.
async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}
