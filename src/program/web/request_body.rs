//! Reads a request body, limited in size, total time and minimum rate. Does not depend on paths or content types.

use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

/// The minimum rate of a body. Without it, a client could hold a connection open by sending a byte now and then.
const MIN_BYTES_PER_SECOND: u32 = 1024;

/// Extra time beyond the minimum rate, so that a small body over a slow network still arrives in time.
const GRACE: Duration = Duration::from_secs(2);

/// Why reading a body failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLong,
    TooSlow,
    /// The client disconnected, or sent invalid HTTP.
    Broken,
}

/// Reads a body of at most `max_bytes`, for at most `limit`.
pub(super) async fn read_body<B>(body: B, max_bytes: usize, limit: Duration) -> Result<Vec<u8>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (start, mut body, mut bytes) = (Instant::now(), body, Vec::new());
    loop {
        let earned = Duration::from_secs(bytes.len() as u64) / MIN_BYTES_PER_SECOND;
        let frame = timeout_at(start + limit.min(GRACE + earned), body.frame()).await.map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else { return Ok(bytes) };
        // Trailers are ignored.
        let Ok(mut data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if bytes.len() + data.remaining() > max_bytes {
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

    /// Reads a body made of these pieces; afterwards the body ends or stays open.
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
    async fn body_size_time_and_rate_are_limited() {
        const HOUR: Duration = Duration::from_secs(3600);
        let short = Duration::from_millis(20);
        assert_eq!(read(&[], true, HOUR).await, Ok(0));
        assert_eq!(read(&[4000, 4000], true, HOUR).await, Ok(8000));
        assert_eq!(read(&[4000, 4001], false, HOUR).await, Err(BodyError::TooLong));
        assert_eq!(read(&[8000], false, short).await, Err(BodyError::TooSlow), "total time");
        assert_eq!(read(&[1], false, HOUR).await, Err(BodyError::TooSlow), "minimum rate");
    }
}
