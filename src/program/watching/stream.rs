//! The stream of `/api/v1/tail`.

use std::fmt;
use std::io::{self, BufRead, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::document::text;
use crate::program::ask::{Client, Opened};
use crate::program::cli::LineFilter;
use crate::program::plain_text::percent_encoded;

/// The most bytes of one message. A line has at most 64 KiB, and each byte at most six characters of JSON.
const MAX_MESSAGE_BYTES: u64 = 4 << 20;

/// The stream, after the bridge has agreed.
pub(super) struct LineStream {
    reader: Box<dyn BufRead>,
}

/// One message of the stream.
pub(super) enum Message {
    Line(Value),
    Counts(Counts),
}

/// What happened to lines since the stream began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    arrived: u64,
    unexamined: u64,
    shown: u64,
    missed: u64,
}

impl Counts {
    fn of(document: &Value) -> Self {
        let count = |key: &str| document[key].as_u64().unwrap_or_default();
        Self { arrived: count("arrived"), unexamined: count("unexamined"), shown: count("shown"), missed: count("missed") }
    }

    /// Lines that match or might match, and are not shown.
    pub(super) fn hidden(&self) -> u64 {
        self.unexamined.saturating_add(self.missed)
    }
}

/// `3 of 10 lines; 4 that match are missing, and 2 were not examined`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} lines that arrived", self.shown, self.arrived)?;
        if self.missed > 0 {
            write!(f, "; {} that match the name and the sender are missing", self.missed)?;
        }
        if self.unexamined > 0 {
            write!(f, "; {} were not compared, because too many arrived", self.unexamined)?;
        }
        Ok(())
    }
}

impl LineStream {
    /// Asks for lines. The error is a message for the operator.
    pub(super) fn open(client: &Client, filter: &LineFilter, rate: u32) -> Result<Self, String> {
        let parts = [
            ("name", &filter.name),
            ("source", &filter.source),
            ("verdict", &filter.verdict),
            ("rule", &filter.rule),
            ("label", &filter.label),
        ];
        let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", percent_encoded(value.as_ref()?))));
        let path = format!("/api/v1/tail?format=json&rate={rate}{}", parts.collect::<String>());
        match client.open(&path)? {
            Opened::Stream(reader) => Ok(Self { reader }),
            Opened::Other(status, body) => Err(reason(client, status, &body)),
        }
    }

    /// Waits for the next message.
    pub(super) fn next(&mut self) -> Result<Message, String> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_MESSAGE_BYTES).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Err("the bridge ended the stream".to_owned()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err("the bridge sent nothing for 15 s".to_owned());
            }
            Err(error) => return Err(format!("the stream broke: {error}")),
        }
        let mut message: Value = serde_json::from_slice(&line).map_err(|error| format!("a message of the stream is not JSON: {error}"))?;
        match message["counts"].take() {
            Value::Null => Ok(Message::Line(message["line"].take())),
            counts => Ok(Message::Counts(Counts::of(&counts))),
        }
    }
}

/// The bytes of a line as they arrived.
pub(super) fn bytes(line: &Value) -> Result<Vec<u8>, String> {
    match line["line_base64"].as_str() {
        None => Ok(text(line, "line").into()),
        Some(encoded) => STANDARD.decode(encoded).map_err(|error| format!("a line of the stream is not base64: {error}")),
    }
}

fn reason(client: &Client, status: u16, body: &str) -> String {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    match (status, document["error"].as_str()) {
        (_, Some(error)) => format!("{}: {error}", client.base()),
        (401, None) if client.has_password() => format!("{} rejected the user or the password", client.base()),
        (401, None) => format!("{} requires a password; set --user and --password-file", client.base()),
        (404, None) => {
            format!("{}/api/v1/tail does not exist: the bridge is older, or only its --web.admin-listen-address serves it", client.base())
        }
        _ => format!("{} returned status {status}, which is not a response of statsd-bridge", client.base()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_counts_are_told() {
        assert_eq!(percent_encoded("a b&c=é*"), "a%20b%26c%3D%C3%A9%2A");
        let counts = Counts { arrived: 10, unexamined: 2, shown: 3, missed: 4 };
        let told =
            "3 of 10 lines that arrived; 4 that match the name and the sender are missing; 2 were not compared, because too many arrived";
        assert_eq!((counts.to_string().as_str(), counts.hidden()), (told, 6));
    }

    #[test]
    fn lines_that_are_not_text_are_decoded() {
        assert_eq!(bytes(&serde_json::json!({ "line": "a\u{fffd}", "line_base64": "Yf8=" })), Ok(vec![b'a', 0xff]));
        assert_eq!(bytes(&serde_json::json!({ "line": "aé" })), Ok("aé".into()));
        assert!(bytes(&serde_json::json!({ "line_base64": "?" })).is_err());
    }
}
