//! What a receiver's answer means for the points of a request of OTLP. Follows the specification of OTLP over HTTP.
//!
//! Must not know how a request is sent or what becomes of it.

use serde_json::Value;

use super::answer::{Answer, Final, Verdict, Written, shown};
use crate::exposition::write::WriteCounts;

/// The code of `google.rpc.Status` for points that another replica of a pair has sent.
const ALREADY_EXISTS: u64 = 6;

/// What the body of an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OtlpAnswer {
    /// The number of rejected points.
    rejected: u64,
    /// Why they were rejected; without rejected points, a warning.
    message: String,
    /// The code of an error.
    code: u64,
    /// Whether the body is a web page, so that no receiver of OTLP has answered.
    is_page: bool,
}

impl OtlpAnswer {
    /// Reads the body of an answer.
    pub(super) fn of(answer: &Answer) -> Self {
        let Answer { body, content_type, .. } = answer;
        let is_success = (200..=299).contains(&answer.status);
        match content_type.as_str() {
            "application/json" => of_json(body),
            "text/html" => Self { is_page: is_success, ..Self::default() },
            "" | "application/x-protobuf" | "application/protobuf" | "application/octet-stream" => of_protobuf(body, is_success),
            _ => Self::default(),
        }
    }

    /// What it means for a request with these points.
    pub(super) fn verdict(&self, status: u16, sent: WriteCounts) -> Verdict {
        let (points, exemplars) = (sent.samples as u64, sent.exemplars as u64);
        let of = |kind, samples, exemplars| Verdict::Final { kind, written: Written { samples, exemplars } };
        match status {
            200..=299 if self.is_page => of(Final::Rejected, 0, 0),
            // Mimir, if another replica of a pair is the elected one. Others accept points with 202.
            202 if self.code == ALREADY_EXISTS => of(Final::Deduplicated, 0, 0),
            200..=299 => {
                let written = points.saturating_sub(self.rejected);
                // An answer does not count exemplars.
                of(Final::Accepted, written, if written > 0 { exemplars } else { 0 })
            }
            413 => Verdict::Halve,
            429 | 502 | 503 | 504 => Verdict::Retry,
            _ => of(Final::Rejected, 0, 0),
        }
    }

    /// A message of a receiver that accepted all points.
    pub(super) fn warning(&self) -> Option<&str> {
        (self.rejected == 0 && self.code == 0 && !self.message.is_empty()).then_some(&*self.message)
    }

    /// The text to show for the answer.
    pub(super) fn text(&self, answer: &Answer) -> String {
        if self.message.is_empty() { answer.text.clone() } else { self.message.clone() }
    }

    /// What the operator can do about an answer that rejects a request; empty if nothing is known.
    pub(super) fn advice(&self, answer: &Answer) -> &'static str {
        match answer.status {
            404 | 405 => PATHS,
            _ if self.is_page => PATHS,
            413 => "one point alone is too large for the receiver",
            415 => "the receiver does not know protobuf or the compression: set `compression: none`",
            500 => "OTLP does not permit to send a request again after 500; see the log of the receiver",
            _ => answer.advice,
        }
    }
}

const PATHS: &str = "the path is probably wrong: /v1/metrics for a collector, /api/v1/otlp/v1/metrics for Prometheus (which needs \
                     --web.enable-otlp-receiver), /otlp/v1/metrics for Mimir, /opentelemetry/v1/metrics for VictoriaMetrics";

/// `ExportMetricsServiceResponse`, or `google.rpc.Status` of an error. Some receivers send a status with 202.
fn of_protobuf(body: &[u8], is_success: bool) -> OtlpAnswer {
    let mut read = OtlpAnswer::default();
    for (number, field) in AnswerFields(body) {
        match (number, field) {
            (1, AnswerField::Bytes(partial)) if is_success => {
                for (number, field) in AnswerFields(partial) {
                    match (number, field) {
                        // A negative number is none.
                        (1, AnswerField::Varint(count)) => read.rejected = i64::try_from(count).unwrap_or_default().unsigned_abs(),
                        (2, AnswerField::Bytes(text)) => read.message = shown(text),
                        _ => {}
                    }
                }
            }
            (1, AnswerField::Varint(code)) => read.code = code,
            // The message of a status. A text that is no protobuf has no such field.
            (2, AnswerField::Bytes(text)) if !is_success || read.code != 0 => read.message = shown(text),
            _ => {}
        }
    }
    read
}

fn of_json(body: &[u8]) -> OtlpAnswer {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return OtlpAnswer::default() };
    let text = |value: &Value| value.as_str().map(|text| shown(text.as_bytes())).unwrap_or_default();
    // The JSON form of protobuf writes 64-bit numbers as text.
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default();
    let partial = &json["partialSuccess"];
    if partial.is_object() {
        let message = text(&partial["errorMessage"]);
        return OtlpAnswer { rejected: number(&partial["rejectedDataPoints"]), message, ..OtlpAnswer::default() };
    }
    OtlpAnswer { code: number(&json["code"]), message: text(&json["message"]), ..OtlpAnswer::default() }
}

/// A field of a message of a receiver.
enum AnswerField<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message that may be cut. Ends at the first byte that is no field; the last text may be shorter than it says.
struct AnswerFields<'a>(&'a [u8]);

impl<'a> Iterator for AnswerFields<'a> {
    type Item = (u64, AnswerField<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = varint(self.0)?;
        let (field, rest) = match tag & 7 {
            0 => varint(rest).map(|(value, rest)| (AnswerField::Varint(value), rest))?,
            1 => (AnswerField::Other, rest.get(8..)?),
            2 => {
                let (length, rest) = varint(rest)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                let (value, rest) = rest.split_at_checked(length)?;
                (AnswerField::Bytes(value), rest)
            }
            5 => (AnswerField::Other, rest.get(4..)?),
            _ => return None,
        };
        self.0 = rest;
        Some((tag >> 3, field))
    }
}

fn varint(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (nth, byte) in text.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * nth);
        if *byte < 0x80 {
            return Some((value, text.get(nth + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: WriteCounts = WriteCounts { samples: 10, histograms: 0, exemplars: 2, series: 10, markers: 0 };

    fn read(status: u16, content_type: &str, body: &[u8]) -> (OtlpAnswer, Verdict) {
        let answer = Answer { status, content_type: content_type.to_owned(), ..Answer::default() }.with_body(body.to_vec());
        let read = OtlpAnswer::of(&answer);
        let verdict = read.verdict(status, SENT);
        (read, verdict)
    }

    fn written(kind: Final, samples: u64, exemplars: u64) -> Verdict {
        Verdict::Final { kind, written: Written { samples, exemplars } }
    }

    const PROTOBUF: &str = "application/x-protobuf";

    #[test]
    fn only_four_answers_are_sent_again() {
        for status in [429, 502, 503, 504] {
            assert_eq!(read(status, "", b"").1, Verdict::Retry, "{status}");
        }
        for status in [100, 301, 400, 401, 404, 408, 409, 415, 422, 499, 500, 501, 505, 507, 599] {
            assert_eq!(read(status, "", b"").1, written(Final::Rejected, 0, 0), "{status}");
        }
        assert_eq!(read(413, "", b"").1, Verdict::Halve);
        for status in [200, 202, 204] {
            assert_eq!(read(status, "", b"").1, written(Final::Accepted, 10, 2), "{status}");
        }
    }

    #[test]
    fn a_partial_success_says_how_much_was_rejected() {
        let some = b"\x0a\x0a\x08\x03\x12\x06no tag";
        for (content_type, body) in [
            (PROTOBUF, &some[..]),
            ("", some),
            ("application/json", br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no tag"}}"#),
        ] {
            let (read, verdict) = read(200, content_type, body);
            assert_eq!((read.rejected, &*read.message, read.warning()), (3, "no tag", None), "{content_type}");
            assert_eq!(verdict, written(Final::Accepted, 7, 2), "{content_type}");
        }
        let (all, verdict) = read(200, PROTOBUF, b"\x0a\x02\x08\x63");
        assert_eq!((all.rejected, verdict), (99, written(Final::Accepted, 0, 0)), "more than was sent");
        let (negative, verdict) = read(200, PROTOBUF, b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert_eq!((negative.rejected, verdict), (0, written(Final::Accepted, 10, 2)));
        let (warned, verdict) = read(200, PROTOBUF, b"\x0a\x06\x12\x04slow");
        assert_eq!((warned.warning(), verdict), (Some("slow"), written(Final::Accepted, 10, 2)));
        for empty in [&b""[..], b"\x0a\x00", b"{}"] {
            let (none, verdict) = read(200, PROTOBUF, empty);
            assert_eq!((none.warning(), verdict), (None, written(Final::Accepted, 10, 2)), "{empty:?}");
        }
    }

    #[test]
    fn a_message_that_is_cut_or_invalid_is_read_as_far_as_possible() {
        let (cut, _) = read(200, PROTOBUF, b"\x0a\x80\x20\x08\x03\x12\xf0\x1flong");
        assert_eq!((cut.rejected, &*cut.message), (3, "long"));
        for bad in [&b"\xff"[..], b"\x0a", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0f\x01", b"OK", b"\x09\x01"] {
            assert_eq!(read(200, PROTOBUF, bad), (OtlpAnswer::default(), written(Final::Accepted, 10, 2)), "{bad:?}");
        }
    }

    #[test]
    fn the_text_of_an_error_is_that_of_its_status() {
        let (error, verdict) = read(400, PROTOBUF, b"\x08\x03\x12\x05bad\nx");
        assert_eq!((&*error.message, error.warning(), verdict), ("bad x", None, written(Final::Rejected, 0, 0)));
        let (error, _) = read(400, "application/json", br#"{"code":3,"message":"bad"}"#);
        assert_eq!(&*error.message, "bad");
        let answer =
            Answer { status: 400, content_type: "text/plain".to_owned(), ..Answer::default() }.with_body(b"out of order\n".to_vec());
        assert_eq!(OtlpAnswer::of(&answer).text(&answer), "out of order");
    }

    #[test]
    fn points_of_the_other_replica_are_deduplicated() {
        assert_eq!(read(202, PROTOBUF, b"\x08\x06\x12\x01x").1, written(Final::Deduplicated, 0, 0));
    }

    #[test]
    fn a_web_page_is_no_receiver() {
        let (page, verdict) = read(200, "text/html", b"<!DOCTYPE html><title>Sign in</title>");
        assert_eq!(verdict, written(Final::Rejected, 0, 0));
        assert!(page.advice(&Answer { status: 200, ..Answer::default() }).contains("/v1/metrics"));
    }
}
