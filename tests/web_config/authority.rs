//! A certificate authority, and the certificates that it issues.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};

/// An authority that issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    itself: Issued,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Issued {
    /// Writes the certificate and the key to files.
    pub fn write(&self, certificate: &Path, key: &Path) {
        fs::write(certificate, &self.certificate).expect("written");
        fs::write(key, &self.key).expect("written");
    }
}

impl Authority {
    /// An authority with this name and a new key.
    pub fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let itself = Issued { certificate: pem("CERTIFICATE", certificate.der()), key: pem("PRIVATE KEY", &key.serialize_der()) };
        Self { issuer: Issuer::new(params, key), itself }
    }

    /// The authority's certificate.
    pub fn pem(&self) -> String {
        self.itself.certificate.clone()
    }

    /// The authority's certificate with its key.
    pub fn itself(&self) -> Issued {
        self.itself.clone()
    }

    /// A certificate with these alternative names: addresses, e-mail addresses, URIs, else DNS names.
    pub fn issue(&self, name: &str, sans: &[&str]) -> Issued {
        self.sign(named(name), sans)
    }

    /// Like [`Self::issue`], but valid in 2001 only.
    pub fn issue_expired(&self, name: &str, sans: &[&str]) -> Issued {
        let mut params = named(name);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(params, sans)
    }

    fn sign(&self, mut params: CertificateParams, sans: &[&str]) -> Issued {
        params.subject_alt_names = sans.iter().map(|san| alternative(san)).collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued { certificate: pem("CERTIFICATE", certificate.der()), key: pem("PRIVATE KEY", &key.serialize_der()) }
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn alternative(text: &str) -> SanType {
    let name = || text.try_into().expect("ASCII");
    match text.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if text.contains("://") => SanType::URI(name()),
        Err(_) if text.contains('@') => SanType::Rfc822Name(name()),
        Err(_) => SanType::DnsName(name()),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
