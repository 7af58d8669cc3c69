//! What a receiver's answer means for the samples of a request. Follows the specifications of remote write 1.0 and 2.0.
//!
//! Must not know how a request is sent or what becomes of it.

use std::time::{Duration, SystemTime};

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};

use crate::exposition::write::{WriteCounts, WriteVersion};

/// Bytes of a body that are kept. A message of OTLP may be longer than the text that is shown.
pub(super) const KEPT_BYTES: usize = 64 << 10;

/// Bytes of a body that are shown, for messages.
const TEXT_BYTES: usize = 1024;

/// The headers of remote write 2.0 that say how much was written: samples, histograms, exemplars.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// The answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The values of the headers in `WRITTEN`, as far as they are present and numbers.
    pub(super) written: [Option<u64>; 3],
    /// The delay that the receiver asks for.
    pub(super) retry_after: Option<Duration>,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// The type of the body, without parameters, in lower case.
    pub(super) content_type: String,
    /// The beginning of the body.
    pub(super) body: Vec<u8>,
    /// What it says, on one line, without control characters.
    pub(super) text: String,
    /// What the operator can do about an answer that rejects a request; empty if nothing is known.
    pub(super) advice: &'static str,
}

/// What to do with the samples of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has decided. It wrote `written`, and will never write the rest.
    Final { written: Written, kind: Final },
    /// The receiver does not know remote write 2.0, and wrote nothing.
    FallBack,
    /// The request is too large: send its halves.
    Halve,
    /// Send the same bytes again.
    Retry,
}

/// Why a verdict is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Final {
    /// Success, of at least a part.
    Accepted,
    /// The receiver takes the samples of another replica.
    Deduplicated,
    /// The receiver rejected the request, or a part of it.
    Rejected,
}

/// How much a receiver wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Floats and histograms.
    pub(super) samples: u64,
    pub(super) exemplars: u64,
}

impl Answer {
    /// Reads status and headers. `now` is the wall time.
    pub(super) fn new(status: u16, headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |value: &HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
        let written = WRITTEN.map(|name| headers.get(name).and_then(text)?.parse().ok());
        let retry_after = headers.get(RETRY_AFTER).and_then(text).and_then(|value| retry_after(&value, now));
        let content_type = headers.get(CONTENT_TYPE).and_then(text).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Self {
            status,
            written,
            retry_after,
            location: headers.get(LOCATION).and_then(text),
            content_type,
            advice: advice(status),
            ..Self::default()
        }
    }

    /// Adds the beginning of the body.
    pub(super) fn with_body(self, body: Vec<u8>) -> Self {
        Self { text: shown(&body), body, ..self }
    }

    /// Whether it has at least one of the headers of remote write 2.0.
    pub(super) fn knows_version_2(&self) -> bool {
        self.written.iter().any(Option::is_some)
    }

    /// Whether the receiver has certainly written nothing of a request that it rejected. In 1.0 and OTLP, an error may concern a part.
    pub(super) fn wrote_nothing(&self, version: WriteVersion) -> bool {
        let is_decided_before = matches!(self.status, 300..=399 | 401 | 403..=405 | 411 | 413 | 415);
        is_decided_before || (version == WriteVersion::V2 && self.written.iter().flatten().all(|written| *written == 0))
    }

    /// What it means for a request of this version of remote write with these samples.
    pub(super) fn verdict(&self, version: WriteVersion, sent: WriteCounts) -> Verdict {
        let all = Written { samples: (sent.samples + sent.histograms) as u64, exemplars: sent.exemplars as u64 };
        let written = match version {
            WriteVersion::V1 => Written::default(),
            WriteVersion::V2 => self.written(sent),
        };
        let of = |kind, written| Verdict::Final { kind, written };
        match (self.status, version) {
            // Mimir and Cortex, if another replica of a pair is the elected one.
            (202, _) if !self.knows_version_2() || written == Written::default() => of(Final::Deduplicated, Written::default()),
            (200..=299, WriteVersion::V1) => of(Final::Accepted, all),
            // A receiver of 1.0 decodes nothing in a request of 2.0, and reports success.
            (200..=299, WriteVersion::V2) if !self.knows_version_2() => Verdict::FallBack,
            (200..=299, WriteVersion::V2) => of(Final::Accepted, written),
            (415, WriteVersion::V2) => Verdict::FallBack,
            (413, _) => Verdict::Halve,
            // RFC 9110: an invalid status counts as 5xx.
            (429 | 500.., _) => Verdict::Retry,
            _ => of(Final::Rejected, written),
        }
    }

    /// An absent header counts as 0. No receiver writes more than it was sent.
    fn written(&self, sent: WriteCounts) -> Written {
        let [samples, histograms, exemplars] = self.written.map(Option::unwrap_or_default);
        Written {
            samples: samples.min(sent.samples as u64) + histograms.min(sent.histograms as u64),
            exemplars: exemplars.min(sent.exemplars as u64),
        }
    }
}

/// What the operator can do about an answer of this status that rejects a request; empty if nothing is known.
fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "the receiver redirects to another address: set `url` to it",
        401 => "user, password or token are missing or wrong: see `basic_auth` and `authorization`",
        403 => "the receiver does not permit these credentials or this tenant to write",
        404 | 405 => {
            "the path is probably wrong: /api/v1/write for Prometheus (which needs --web.enable-remote-write-receiver) and \
                 VictoriaMetrics, /api/v1/push for Mimir, /api/v1/receive for Thanos"
        }
        413 => "one series alone is too large for the receiver",
        415 => "the receiver knows neither the content type nor the encoding: set `protocol: auto` or `protocol: \"1.0\"`",
        _ => "",
    }
}

/// The value of `Retry-After`: seconds, or a date.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok().map(|date| date.duration_since(now).unwrap_or_default()),
    }
}

/// The beginning of a body, on one line.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..TEXT_BYTES).unwrap_or(body));
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: WriteCounts = WriteCounts { samples: 10, histograms: 5, exemplars: 2, series: 12, markers: 0 };

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        Answer::new(status, &headers, SystemTime::UNIX_EPOCH)
    }

    fn written(kind: Final, samples: u64, exemplars: u64) -> Verdict {
        Verdict::Final { kind, written: Written { samples, exemplars } }
    }

    /// The headers of an answer that reports these numbers.
    fn counts(samples: &'static str, histograms: &'static str, exemplars: &'static str) -> [(&'static str, &'static str); 3] {
        [(WRITTEN[0], samples), (WRITTEN[1], histograms), (WRITTEN[2], exemplars)]
    }

    #[test]
    fn an_answer_of_version_1_is_all_or_nothing() {
        let verdict = |status| answer(status, &[]).verdict(WriteVersion::V1, SENT);
        for status in [200, 204] {
            assert_eq!(verdict(status), written(Final::Accepted, 15, 2));
        }
        assert_eq!(verdict(202), written(Final::Deduplicated, 0, 0));
        for status in [100, 301, 307, 400, 401, 403, 404, 405, 409, 415, 422] {
            assert_eq!(verdict(status), written(Final::Rejected, 0, 0), "{status}");
        }
        assert_eq!(verdict(413), Verdict::Halve);
        for status in [429, 500, 502, 503, 504, 599, 600, 999] {
            assert_eq!(verdict(status), Verdict::Retry, "{status}");
        }
    }

    #[test]
    fn an_answer_of_version_2_says_what_was_written() {
        let verdict = |status, headers: &[_]| answer(status, headers).verdict(WriteVersion::V2, SENT);
        assert_eq!(verdict(204, &counts("10", "5", "2")), written(Final::Accepted, 15, 2));
        assert_eq!(verdict(200, &counts("10", "5", "2")[..1]), written(Final::Accepted, 10, 0));
        assert_eq!(verdict(200, &counts("99", "99", "99")), written(Final::Accepted, 15, 2), "more than was sent");
        assert_eq!(verdict(400, &counts("7", "5", "0")), written(Final::Rejected, 12, 0));
        assert_eq!(verdict(400, &[]), written(Final::Rejected, 0, 0));
        assert_eq!(verdict(202, &counts("0", "0", "0")), written(Final::Deduplicated, 0, 0));
        assert_eq!(verdict(202, &counts("10", "5", "2")), written(Final::Accepted, 15, 2));
        assert_eq!(verdict(202, &[]), written(Final::Deduplicated, 0, 0));
        for status in [200, 204, 415] {
            assert_eq!(verdict(status, &[]), Verdict::FallBack, "{status}");
            assert_eq!(verdict(status, &[(WRITTEN[0], "x")]), Verdict::FallBack, "no number: {status}");
        }
        assert_eq!(verdict(503, &counts("1", "0", "0")), Verdict::Retry);
    }

    #[test]
    fn an_error_may_concern_a_part() {
        use WriteVersion::{V1, V2};
        let wrote_nothing = |status, headers: &[_], version| answer(status, headers).wrote_nothing(version);
        assert!(wrote_nothing(400, &[], V2) && wrote_nothing(400, &counts("0", "0", "0"), V2) && !wrote_nothing(400, &[], V1));
        assert!(!wrote_nothing(400, &counts("0", "1", "0"), V2) && !wrote_nothing(409, &[], V1));
        assert!([302, 401, 403, 404, 415].iter().all(|status| wrote_nothing(*status, &[], V1)));
    }

    #[test]
    fn a_delay_is_in_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let delay = |value: &str| retry_after(value, now);
        assert_eq!(delay("0"), Some(Duration::ZERO));
        assert_eq!(delay("120"), Some(Duration::from_secs(120)));
        assert_eq!(delay("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(delay("Sunday, 06-Nov-94 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(delay("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO), "in the past");
        for bad in ["", "-1", "1.5", "soon", "99999999999999999999999"] {
            assert_eq!(delay(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_text_is_one_bounded_line() {
        assert_eq!(shown(b" out of\r\norder\x1b[31m \n"), "out of  order [31m");
        assert_eq!(shown(&vec![b'x'; 5000]).len(), TEXT_BYTES);
        assert!(shown(&[0xff; 10]).chars().all(|c| c == char::REPLACEMENT_CHARACTER));
    }
}
