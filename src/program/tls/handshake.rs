//! TLS handshakes of all servers take turns, and why one failed. Must not know what a connection carries.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rustls::{CertificateError, Error};

use crate::program::fair_turns::FairTurns;
use crate::program::net::ClientAddress;
use crate::telemetry::HandshakeError;

/// Limits handshakes to one computation of each kind at a time, so that a thread is left for other work.
#[derive(Clone)]
pub(in crate::program) struct HandshakeTurns {
    /// The first step: the server's signature.
    first_step: Arc<FairTurns>,
    /// The other steps. Separate, so that a started handshake does not wait behind new ones.
    next_steps: Arc<FairTurns>,
}

/// What an unfinished handshake waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program) enum HandshakeWait {
    /// A turn to compute its next step.
    Turn,
    /// Bytes of the client.
    Client,
}

impl Default for HandshakeTurns {
    fn default() -> Self {
        // The number of connections limits the number of waiting handshakes.
        Self { first_step: FairTurns::new(1, usize::MAX), next_steps: FairTurns::new(1, usize::MAX) }
    }
}

impl HandshakeTurns {
    /// Runs a handshake to completion. Each step is computed in a turn, so that the handshakes of one address do not delay those of other
    /// addresses or other work. While the server waits for the client, the handshake holds no turn. `observe` learns what it waits for.
    pub(in crate::program) async fn run<T>(
        &self,
        client: ClientAddress,
        mut observe: impl FnMut(HandshakeWait),
        handshake: impl Future<Output = T>,
    ) -> T {
        let (mut handshake, mut turns) = (pin!(handshake), &self.first_step);
        loop {
            observe(HandshakeWait::Turn);
            let turn = turns.take(client).await;
            let step = poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx))).await;
            drop(turn);
            turns = &self.next_steps;
            observe(HandshakeWait::Client);
            match step {
                Poll::Ready(done) => return done,
                Poll::Pending => woken().await,
            }
        }
    }
}

/// Waits until the task is woken.
async fn woken() {
    let mut is_first = true;
    poll_fn(|_| if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// The reason of a failed handshake.
pub(in crate::program) fn reason(error: &io::Error) -> HandshakeError {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return HandshakeError::Closed };
    match error {
        Error::NoCertificatesPresented => HandshakeError::NoCertificate,
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => HandshakeError::NotAllowed,
        Error::InvalidCertificate(_) | Error::UnsupportedNameType => HandshakeError::BadCertificate,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => HandshakeError::Incompatible,
        Error::AlertReceived(_) => HandshakeError::Alert,
        Error::InvalidMessage(_) => HandshakeError::NotTls,
        _ => HandshakeError::Other,
    }
}
