//! The TLS versions, cipher suites and curves that the server offers, under Go's names.

use rustls::crypto::aws_lc_rs::{self, cipher_suite as suites, kx_group as groups};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::p521::P521;
use crate::mapping::config::nearest::nearest;

/// The configured versions, suites and curves. `None` offers everything that rustls implements.
pub(in crate::program) struct TlsOffer {
    pub(in crate::program) versions: Vec<&'static SupportedProtocolVersion>,
    /// TLS 1.2 suites in order of preference; TLS 1.3 suites are always offered.
    pub(in crate::program) suites: Option<Vec<SupportedCipherSuite>>,
    /// Curves in order of preference.
    pub(in crate::program) curves: Option<Vec<&'static dyn SupportedKxGroup>>,
}

/// Why the server cannot offer a cipher suite.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::program) enum UnknownSuite {
    /// The suite exists but is not supported, for this reason.
    Unsupported(&'static str),
    /// There is no suite of this name; the message says what to write instead.
    NoSuch(String),
}

const TLS12: [(&str, SupportedCipherSuite); 6] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

const TLS13: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_128_GCM_SHA256", suites::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", suites::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suites::TLS13_CHACHA20_POLY1305_SHA256),
];

const CURVES: [(&str, &dyn SupportedKxGroup); 4] =
    [("X25519", groups::X25519), ("CurveP256", groups::SECP256R1), ("CurveP384", groups::SECP384R1), ("CurveP521", &P521)];

impl TlsOffer {
    pub(in crate::program) fn provider(&self) -> CryptoProvider {
        let mut provider = aws_lc_rs::default_provider();
        if let Some(wanted) = &self.suites {
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
            // The suites are in the order of the file, which applies if the server's order is preferred.
            provider.cipher_suites.extend(wanted);
        }
        match &self.curves {
            Some(wanted) => provider.kx_groups.clone_from(wanted),
            None => provider.kx_groups.push(&P521),
        }
        provider
    }
}

/// The TLS 1.2 suite of this name; `None` for a TLS 1.3 suite.
pub(in crate::program) fn suite(name: &str) -> Result<Option<SupportedCipherSuite>, UnknownSuite> {
    if let Some((_, suite)) = TLS12.iter().find(|(known, _)| *known == name) {
        return Ok(Some(*suite));
    }
    if is_of_13(name) {
        return Ok(None);
    }
    let is_known =
        name.starts_with("TLS_ECDHE_ECDSA_WITH_") || name.starts_with("TLS_ECDHE_RSA_WITH_") || name.starts_with("TLS_RSA_WITH_");
    let endings = ["_AES_128_CBC_SHA", "_AES_256_CBC_SHA", "_AES_128_CBC_SHA256", "_3DES_EDE_CBC_SHA"];
    if is_known && endings.iter().any(|ending| name.ends_with(ending)) {
        return Err(UnknownSuite::Unsupported("CBC cipher suites are not supported because they are vulnerable to padding-oracle attacks"));
    }
    if is_known && name.ends_with("_RC4_128_SHA") {
        return Err(UnknownSuite::Unsupported("RC4 is not supported because it is broken"));
    }
    if ["TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"].contains(&name) {
        return Err(UnknownSuite::Unsupported("RSA key exchange is not supported because it provides no forward secrecy"));
    }
    // `nearest` compares lower-case names.
    let lower: Vec<String> = suite_names().iter().map(|name| name.to_lowercase()).collect();
    let advice = match nearest(name, lower.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", near.to_uppercase()),
        None => format!("supported cipher suites are {}", suite_names().join(", ")),
    };
    Err(UnknownSuite::NoSuch(format!("unknown cipher suite; {advice}")))
}

/// Whether a TLS 1.3 suite has this name.
pub(in crate::program) fn is_of_13(name: &str) -> bool {
    TLS13.iter().any(|(known, _)| *known == name)
}

/// Whether HTTP/2 requires servers to support this suite.
pub(in crate::program) fn is_required_by_http2(suite: SupportedCipherSuite) -> bool {
    suite == suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || suite == suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
}

/// The names of all TLS 1.2 suites.
pub(in crate::program) fn suite_names() -> Vec<&'static str> {
    TLS12.iter().map(|(name, _)| *name).collect()
}

/// The curve of this name.
pub(in crate::program) fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    CURVES.iter().find(|(known, _)| *known == name).map(|(_, curve)| *curve)
}

/// The names of all curves.
pub(in crate::program) fn curve_names() -> Vec<&'static str> {
    CURVES.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_suites_are_rejected_by_name() {
        let not = |name: &str| matches!(suite(name), Err(UnknownSuite::Unsupported(_)));
        assert!(not("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA") && not("TLS_RSA_WITH_AES_256_GCM_SHA384") && not("TLS_RSA_WITH_RC4_128_SHA"));
        let near = suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA257");
        assert_eq!(near, Err(UnknownSuite::NoSuch("unknown cipher suite; did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256?".into())));
        assert!(matches!(suite("CBC"), Err(UnknownSuite::NoSuch(_))));
        assert_eq!(suite("TLS_AES_128_GCM_SHA256"), Ok(None));
    }

    #[test]
    fn configured_suites_and_curves_are_offered_in_order() {
        let suites = vec![suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
        let offer = TlsOffer { versions: Vec::new(), suites: Some(suites.clone()), curves: Some(vec![&P521]) };
        let provider = offer.provider();
        let old: Vec<_> = provider.cipher_suites.iter().copied().filter(|suite| suite.tls13().is_none()).collect();
        assert_eq!((old, provider.cipher_suites.len()), (suites, 5));
        assert_eq!(provider.kx_groups.len(), 1);
        let all = TlsOffer { versions: Vec::new(), suites: None, curves: None }.provider();
        assert!(TLS12.iter().chain(&TLS13).all(|(_, suite)| all.cipher_suites.contains(suite)));
        assert!(CURVES.iter().all(|(_, curve)| all.kx_groups.iter().any(|offered| offered.name() == curve.name())));
    }
}
