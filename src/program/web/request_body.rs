//! The body of a request: bounded in bytes and in time, as a whole and by its rate. Knows no path and no form.

use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

/// Bytes that have to come each second, so that nobody keeps a place by a byte now and then.
const LEAST_BYTES_PER_SECOND: u32 = 1024;

/// How long a body may take beside that: a small one comes at once, from afar in a second or two.
const GRACE: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLong,
    TooSlow,
    /// The client left, or it was no HTTP.
    Broken,
}

/// Reads a body of at most so many bytes, for `limit` at most.
pub(super) async fn read_body<B>(body: B, most_bytes: usize, limit: Duration) -> Result<Vec<u8>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (start, mut body, mut bytes) = (Instant::now(), body, Vec::new());
    loop {
        let earned = Duration::from_secs(bytes.len() as u64) / LEAST_BYTES_PER_SECOND;
        let frame = timeout_at(start + limit.min(GRACE + earned), body.frame()).await.map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else { return Ok(bytes) };
        let Ok(mut data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if bytes.len() + data.remaining() > most_bytes {
            return Err(BodyError::TooLong);
        }
        bytes.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    struct Pieces(Receiver<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    /// Reads a body of these pieces, which then ends or stays open.
    async fn read(pieces: &[usize], ends: bool, limit: Duration) -> Result<usize, BodyError> {
        let (sender, receiver) = channel(10);
        for length in pieces {
            sender.send(Bytes::from(vec![b'x'; *length])).await.expect("room");
        }
        let open = (!ends).then_some(sender);
        let read = read_body(Pieces(receiver), 8000, limit).await.map(|bytes| bytes.len());
        drop(open);
        read
    }

    #[tokio::test]
    async fn a_body_has_limits_of_bytes_and_of_time() {
        const HOUR: Duration = Duration::from_secs(3600);
        let short = Duration::from_millis(20);
        assert_eq!(read(&[], true, HOUR).await, Ok(0));
        assert_eq!(read(&[4000, 4000], true, HOUR).await, Ok(8000));
        assert_eq!(read(&[4000, 4001], false, HOUR).await, Err(BodyError::TooLong));
        assert_eq!(read(&[8000], false, short).await, Err(BodyError::TooSlow), "in all");
        assert_eq!(read(&[1], false, HOUR).await, Err(BodyError::TooSlow), "by its rate");
    }
}
