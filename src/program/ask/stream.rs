//! A response that is read while the server makes it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::{Client, TIMEOUT, request, target};
use crate::program::net::error_text;

/// A server that sends nothing for this time is lost. The streams of the bridge send something each second.
const SILENCE: Duration = Duration::from_secs(15);

/// The most bytes of a response's head, and of the body of an error.
const MAX_HEAD_BYTES: u64 = 64 << 10;

/// A response of status 200, or another status with its body.
pub(crate) enum Opened {
    /// The lines of the body, as they arrive.
    Stream(Box<dyn BufRead>),
    /// Another status, with at most 64 KiB of the body.
    Other(u16, String),
}

impl Client {
    /// Sends a GET request for `path`, which starts with a slash. The error is a message for the operator.
    pub(crate) fn open(&self, path: &str) -> Result<Opened, String> {
        let path = format!("{}{path}", self.base.path);
        let failed =
            |error: &io::Error| format!("{}://{}{path}: {}{}", self.base.scheme(), self.base.host, error_text(error), super::advice(error));
        let to = target(&self.base.address).map_err(|why| format!("{}://{}{path}: {why}", self.base.scheme(), self.base.host))?;
        let authorization = self.authorization.as_ref().map(|value| format!("Authorization: {value}\r\n"));
        let request = request(&self.base.host, &path, &authorization.unwrap_or_default());
        self.connect(to).and_then(|stream| opened(stream, &request)).map_err(|error| failed(&error))
    }

    fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let socket = TcpStream::connect_timeout(&to, TIMEOUT)?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        socket.set_read_timeout(Some(SILENCE))?;
        Ok(match &self.tls {
            None => Box::new(socket),
            Some((config, name)) => {
                let client = ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(client, socket))
            }
        })
    }
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Sends the request, and reads the head of the response.
fn opened(mut stream: Box<dyn Stream>, request: &str) -> io::Result<Opened> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut reader = BufReader::new(stream);
    let mut head = (&mut reader).take(MAX_HEAD_BYTES);
    let mut first = String::new();
    head.read_line(&mut first)?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status: u16 = status.ok_or_else(|| io::Error::other("the response is not HTTP"))?;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    if status == 200 {
        return Ok(Opened::Stream(Box::new(reader)));
    }
    let mut body = Vec::new();
    reader.take(MAX_HEAD_BYTES).read_to_end(&mut body)?;
    Ok(Opened::Other(status, String::from_utf8_lossy(&body).into_owned()))
}
