//! One connection: reads it until it ends, splits it, and records why it ended.
//!
//! Must not know the kind of its socket, nor the format of a line.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::places::Place;
use super::shared::Shared;
use super::socket::Stream;
use crate::ingest::pipeline::Datagram;
use crate::ingest::protocol::SampleError;
use crate::program::listener::framing::{Advanced, Framing, FramingError, Rest};
use crate::program::listener::stop::stopped;
use crate::source::Source;

/// How long a stream that has begun may take to send its first four bytes, which decide how it is split. Clients send them in one write.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// The reason why a connection ended.
enum ConnectionEnd {
    /// The sender closed the connection.
    Closed,
    /// The sender closed a TLS connection without the closing message of TLS. The network may have cut it.
    Unclosed,
    /// Reading failed.
    Broken(io::Error),
    /// The stream cannot be split.
    Malformed(FramingError),
    /// The sender was idle for too long.
    Idle,
    /// A new connection evicted it.
    Evicted,
    /// The bridge is shutting down.
    Stopped,
}

/// Receives on a connection that was just accepted, after the TLS handshake if it has one, until it ends.
pub(super) async fn receive_all(stream: Stream, source: Source, place: Place, shared: Arc<Shared>) {
    let stream = match (stream, &shared.tls) {
        (Stream::Tcp(stream), Some(tls)) => {
            // On the heap, because the state of a handshake would enlarge the task of every connection.
            let handshake = Box::pin(tls.secure(stream, &source, &place, &shared.stop));
            handshake.await.map(|stream| Stream::Tls(Box::new(stream)))
        }
        (stream, _) => Some(stream),
    };
    if let Some(stream) = stream {
        place.set_active();
        Connection::new(stream, source, place, shared.clone()).run().await;
    }
    shared.counters.open.decrement(1);
}

/// An open connection.
struct Connection {
    stream: Stream,
    framing: Framing,
    source: Source,
    place: Place,
    /// When the first bytes were received.
    begun: Option<Instant>,
    shared: Arc<Shared>,
}

impl Connection {
    fn new(stream: Stream, source: Source, place: Place, shared: Arc<Shared>) -> Self {
        let framing = Framing::new(shared.options.framing, shared.options.limits);
        Self { stream, framing, source, place, begun: None, shared }
    }

    /// Receives until the connection ends.
    async fn run(mut self) {
        self.source = self.shared.complete(self.source).await;
        let end = self.receive().await;
        self.stream.say_closed();
        self.finish(&end);
        self.count_end(&end);
    }

    async fn receive(&mut self) -> ConnectionEnd {
        let mut stop = self.shared.stop.subscribe();
        loop {
            let patience = self.patience();
            let silent =
                async { if let Some(patience) = patience { tokio::time::sleep(patience).await } else { std::future::pending().await } };
            let read = tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.drain().await,
                read = self.stream.read(self.framing.room()) => Some(read),
                () = self.place.evicted() => return self.leave(),
                () = silent => None,
            };
            let result = match read {
                Some(Ok(0)) => return ConnectionEnd::Closed,
                Some(Ok(n)) => {
                    self.place.set_active();
                    self.advance(n)
                }
                Some(Err(error)) => return ConnectionEnd::of_error(error),
                None if self.framing.is_undecided() => self.stop_waiting(),
                None => return ConnectionEnd::Idle,
            };
            if let Err(error) = result {
                return ConnectionEnd::Malformed(error);
            }
        }
    }

    /// How long to wait for more bytes; `None` without a limit.
    fn patience(&self) -> Option<Duration> {
        match self.begun {
            Some(begun) if self.framing.is_undecided() => Some(START_DEADLINE.saturating_sub(begun.elapsed())),
            _ => Some(self.shared.options.idle_timeout).filter(|timeout| !timeout.is_zero()),
        }
    }

    /// Reads what the kernel still holds. All connections take turns and have the same deadline.
    async fn drain(&mut self) -> ConnectionEnd {
        let mut is_shut = false;
        loop {
            match self.stream.read_queued(self.framing.room()) {
                Ok(0) if is_shut => return ConnectionEnd::Stopped,
                Ok(0) => return ConnectionEnd::Closed,
                Ok(n) => {
                    if let Err(error) = self.advance(n) {
                        return ConnectionEnd::Malformed(error);
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return ConnectionEnd::of_error(error),
                // Where the kernel can accept nothing more, what came since is read too. The sender gets an error for what it sends later.
                Err(_) if !is_shut && self.stream.shut() => is_shut = true,
                Err(_) => return ConnectionEnd::Stopped,
            }
            if self.shared.stop.is_late() {
                self.shared.cut.fetch_add(1, Ordering::Relaxed);
                return ConnectionEnd::Stopped;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Reads what the kernel holds, before the connection is evicted: all of it where the kernel then accepts nothing more, else one read,
    /// and what that has decrypted.
    fn leave(&mut self) -> ConnectionEnd {
        let is_shut = self.stream.shut();
        loop {
            match self.stream.read_queued(self.framing.room()) {
                Ok(0) if is_shut => return ConnectionEnd::Evicted,
                Ok(0) => return ConnectionEnd::Closed,
                Ok(n) => {
                    if let Err(error) = self.advance(n) {
                        return ConnectionEnd::Malformed(error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ConnectionEnd::Evicted,
                Err(error) => return ConnectionEnd::of_error(error),
            }
            if !is_shut && !self.stream.has_decrypted() {
                return ConnectionEnd::Evicted;
            }
        }
    }

    fn advance(&mut self, read: usize) -> Result<(), FramingError> {
        self.begun.get_or_insert_with(Instant::now);
        let (shared, source) = (&*self.shared, &self.source);
        let found = self.framing.advance(read, |pieces| shared.record(pieces, source));
        self.found(found)
    }

    fn stop_waiting(&mut self) -> Result<(), FramingError> {
        let (shared, source) = (&*self.shared, &self.source);
        let found = self.framing.stop_waiting(|pieces| shared.record(pieces, source));
        self.found(found)
    }

    fn found(&self, found: Advanced) -> Result<(), FramingError> {
        self.shared.count(found, &self.source);
        found.error.map_or(Ok(()), Err)
    }

    /// Records or rejects what is left of the stream.
    fn finish(&mut self, end: &ConnectionEnd) {
        let (shared, source, now) = (&*self.shared, &self.source, Instant::now());
        if let ConnectionEnd::Malformed(error) = end {
            let bytes = match error {
                FramingError::Unknown(bytes) | FramingError::FrameTooLong(bytes) => &bytes[..],
                // Over TCP, it counts as a connection with a reason of its own.
                FramingError::Tls if matches!(source, Source::Tcp(_)) => return,
                FramingError::Tls => b"",
            };
            return shared.intake().reject_line(SampleError::MalformedLine, Datagram { bytes, source }, false, now);
        }
        let found = self.framing.end(|pieces| shared.record(pieces, source));
        shared.count(found, source);
        match (self.framing.rest(), end) {
            (Rest::Nothing, _) => {}
            (Rest::Line(line), ConnectionEnd::Closed) => shared.record_line(line, source),
            (Rest::Line(line), _) => shared.intake().reject_line(SampleError::TruncatedLine, Datagram { bytes: line, source }, false, now),
            (Rest::HalfFrame(bytes), _) => {
                shared.counters.frames.truncated.increment(1);
                let mut intake = shared.intake();
                // The lines of a frame are rejected together, as its sender takes it as not sent. Without any, the frame counts as one.
                let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let rejected =
                    lines.map(|line| intake.reject_line(SampleError::TruncatedLine, Datagram { bytes: line, source }, false, now)).count();
                if rejected == 0 {
                    intake.reject_line(SampleError::TruncatedLine, Datagram { bytes: b"", source }, false, now);
                }
            }
        }
    }

    /// Counts the reason of the end.
    fn count_end(&self, end: &ConnectionEnd) {
        let (counters, source) = (&self.shared.counters, &self.source);
        match end {
            // Probes connect and then reset the connection.
            ConnectionEnd::Broken(error) if self.begun.is_none() && error.kind() == io::ErrorKind::ConnectionReset => {}
            ConnectionEnd::Broken(error) => {
                counters.errors.increment(1);
                tracing::debug!(%source, %error, "connection failed");
            }
            ConnectionEnd::Malformed(FramingError::Tls) if matches!(source, Source::Tcp(_)) => self.shared.unexpected_tls(source),
            ConnectionEnd::Malformed(error) => {
                counters.frames.errors.increment(1);
                self.shared.log_malformed(error, source);
            }
            ConnectionEnd::Idle => {
                counters.idle_closed.increment(1);
                tracing::debug!(%source, "connection closed: idle for too long");
            }
            ConnectionEnd::Evicted => tracing::debug!(%source, "connection evicted: too many open connections"),
            ConnectionEnd::Closed | ConnectionEnd::Unclosed | ConnectionEnd::Stopped => (),
        }
    }
}

impl ConnectionEnd {
    fn of_error(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Unclosed } else { Self::Broken(error) }
    }
}
