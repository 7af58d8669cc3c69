//! Which certificates a target must have, and which one it is shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;

use crate::program::ask::{ClientIdentity, Trust, client_config};
use crate::program::push::options::PushTls;

/// The files of certificates and keys, with their sizes and times at the last reading.
#[derive(Debug)]
pub(super) struct TrustFiles(Vec<(PathBuf, Option<(u64, SystemTime)>)>);

impl TrustFiles {
    pub(super) fn of(tls: &PushTls) -> Self {
        let identity = tls.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        Self(tls.ca_file.iter().chain(identity).map(|path| (path.clone(), seen(path))).collect())
    }

    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, before)| seen(path) != *before)
    }
}

fn seen(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// The configuration of TLS.
pub(super) fn tls_config(tls: &PushTls) -> Result<Arc<ClientConfig>, String> {
    let trust = match (&tls.ca_file, tls.accept_any) {
        (_, true) => Trust::Any,
        (Some(path), false) => Trust::Authorities(path.clone()),
        (None, false) => Trust::System,
    };
    let identity = tls.certificate.as_ref();
    let identity = identity.map(|(certificate, key)| ClientIdentity { certificate: certificate.clone(), key: key.clone() });
    client_config(&trust, identity.as_ref())
}

/// What the operator can do about an error of TLS; empty for other errors.
pub(super) fn advice(text: &str) -> &'static str {
    const ADVICE: [(&str, &str); 8] = [
        ("UnknownIssuer", "; set `ca_file` to the certificate of its issuer"),
        ("CaUsedAsEndEntity", "; the receiver's certificate is one of an issuer: make it one for a server"),
        ("not valid for name", "; set `server_name` to a name in its certificate"),
        ("NotValidForName", "; set `server_name` to a name in its certificate"),
        ("CertificateRequired", "; set `cert_file` and `key_file`"),
        ("UnknownCA", "; the receiver does not know the issuer of `cert_file`"),
        ("BadCertificate", "; the receiver rejects `cert_file`: it may be expired, or not one for clients"),
        ("InvalidContentType", "; the receiver probably expects http instead of https"),
    ];
    ADVICE.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, advice)| advice)
}
