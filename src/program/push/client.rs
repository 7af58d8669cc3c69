//! The HTTP client of a target: TLS, proxies, credentials, redirects within the receiver, limits of time and size.
//!
//! Must not know what a request contains or what an answer means.

mod connector;
mod trust;

use std::error::Error;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use tokio::time::{Instant, timeout_at};

use self::connector::PushClient;
use self::trust::TrustFiles;
use super::answer::{Answer, KEPT_BYTES};
use super::options::{Credentials, PushTarget};
use super::url::PushUrl;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// Bytes of a body that are read, so that the connection can be used again. A longer body ends the connection.
const MAX_BODY: usize = 256 << 10;

/// How long a body is read. The status is known before, so a body that comes later changes nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one target.
pub(super) struct HttpClient {
    url: PushUrl,
    timeout: Duration,
    credentials: Credentials,
    headers: HeaderMap,
    files: TrustFiles,
    client: PushClient,
}

/// Why no answer came. The text has no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SendError(pub(super) String);

impl HttpClient {
    /// A client, and what it reads from files.
    ///
    /// # Errors
    ///
    /// A certificate, key or proxy that cannot be used.
    pub(super) fn new(target: &PushTarget) -> Result<Self, String> {
        let (client, files) = connect(target)?;
        let mut headers: HeaderMap = target.headers.iter().cloned().collect();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("statsd-bridge/", env!("CARGO_PKG_VERSION"))));
        let (url, timeout, credentials) = (target.url.clone(), target.timeout, target.credentials.clone());
        Ok(Self { url, timeout, credentials, headers, files, client })
    }

    /// Reads certificates and keys again, if their files have changed. On an error, those in use stay.
    pub(super) fn refresh(&mut self, target: &PushTarget) -> Result<(), String> {
        if !self.files.have_changed() {
            return Ok(());
        }
        let (client, files) = connect(target)?;
        (self.client, self.files) = (client, files);
        Ok(())
    }

    /// Sends a request with these headers and waits for its answer.
    pub(super) async fn post(&self, headers: &[(HeaderName, HeaderValue)], body: Bytes) -> Result<Answer, SendError> {
        let authorization = self.authorization().map_err(SendError)?;
        let deadline = Instant::now() + self.timeout;
        let mut url = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = self.request(&url, headers, authorization.as_ref(), body.clone())?;
            let response = match timeout_at(deadline, self.client.send(request)).await {
                Ok(response) => response.map_err(|error| SendError(chain(&error)))?,
                Err(_) => return Err(SendError(format!("no answer within {:?}", self.timeout))),
            };
            let (head, answered) = response.into_parts();
            let answer = Answer::new(head.status.as_u16(), &head.headers, SystemTime::now());
            let answer = answer.with_body(beginning(answered, deadline.min(Instant::now() + BODY_TIMEOUT)).await);
            // Other redirects ask for a GET, which would lose the body.
            let location = answer.location.as_deref().filter(|_| matches!(answer.status, 307 | 308));
            match location.map(|location| url.redirected(location)) {
                Some(Ok(next)) => url = next,
                // Credentials and tenant are for this host only.
                Some(Err(location)) => return Ok(Answer { location: Some(location), ..answer }),
                None => return Ok(answer),
            }
        }
        Err(SendError(format!("more than {MAX_REDIRECTS} redirects")))
    }

    fn request(
        &self,
        url: &PushUrl,
        headers: &[(HeaderName, HeaderValue)],
        authorization: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.uri().clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(headers.iter().cloned());
        authorization.into_iter().for_each(|value| {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        });
        Ok(request)
    }

    /// The value of the header `Authorization`.
    fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let text = match &self.credentials {
            Credentials::None => return Ok(None),
            Credentials::Basic { user, password } => format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.read()?))),
            // Some receivers have tokens without a scheme.
            Credentials::Token { scheme, token } if scheme.is_empty() => token.read()?,
            Credentials::Token { scheme, token } => format!("{scheme} {}", token.read()?),
        };
        // The error of the header would not show the value either.
        let mut value = HeaderValue::try_from(text).map_err(|_| "the token contains characters that a header cannot have".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn connect(target: &PushTarget) -> Result<(PushClient, TrustFiles), String> {
    let files = TrustFiles::of(&target.tls);
    let client = PushClient::new(&target.url, &target.tls, &target.proxy)?;
    Ok((client, files))
}

/// The beginning of a body. Reads the rest up to a limit of size and time, beyond which the connection is closed.
async fn beginning(mut body: Incoming, deadline: Instant) -> Vec<u8> {
    let (mut kept, mut read) = (Vec::new(), 0);
    while read < MAX_BODY {
        // The status is known: an error here changes nothing.
        let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else { break };
        let Some(data) = frame.data_ref() else { continue };
        read += data.len();
        kept.extend(data.iter().take(KEPT_BYTES.saturating_sub(kept.len())));
    }
    kept
}

/// The texts of an error and its causes, without repetitions, and what the operator can do.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !text.ends_with(&part) {
            let between = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{between}{part}");
        }
        next = error.source();
    }
    let short = text.split(" (os error").next().unwrap_or_default();
    format!("{short}{}", trust::advice(&text))
}
