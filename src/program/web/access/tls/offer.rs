//! Versions, cipher suites and curves that the server offers, under the names that Go gives them.

use rustls::crypto::aws_lc_rs::{self, cipher_suite as suites, kx_group as groups};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::p521::P521;
use crate::mapping::config::nearest::nearest;

/// What the configuration asks for; without a choice, everything that rustls has.
pub(in crate::program::web::access) struct TlsOffer {
    pub(in crate::program::web::access) versions: Vec<&'static SupportedProtocolVersion>,
    /// Suites of TLS 1.2, best first; those of 1.3 are always offered.
    pub(in crate::program::web::access) suites: Option<Vec<SupportedCipherSuite>>,
    /// Best first.
    pub(in crate::program::web::access) curves: Option<Vec<&'static dyn SupportedKxGroup>>,
}

/// Why a name is not a cipher suite that can be offered.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::program::web::access) enum UnknownSuite {
    /// It exists, but is not offered, for this reason.
    NotOffered(&'static str),
    /// There is none of this name; the text says what to write instead.
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
    pub(in crate::program::web::access) fn provider(&self) -> CryptoProvider {
        let mut provider = aws_lc_rs::default_provider();
        if let Some(wanted) = &self.suites {
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
            // In the order of the file, which counts where the server's order does.
            provider.cipher_suites.extend(wanted);
        }
        match &self.curves {
            Some(wanted) => provider.kx_groups.clone_from(wanted),
            None => provider.kx_groups.push(&P521),
        }
        provider
    }
}

/// The suite of this name; none for one of TLS 1.3.
pub(in crate::program::web::access) fn suite(name: &str) -> Result<Option<SupportedCipherSuite>, UnknownSuite> {
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
        return Err(UnknownSuite::NotOffered("CBC cipher suites are not offered, because they leak what they encrypt"));
    }
    if is_known && name.ends_with("_RC4_128_SHA") {
        return Err(UnknownSuite::NotOffered("RC4 is not offered, because it is broken"));
    }
    if ["TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"].contains(&name) {
        return Err(UnknownSuite::NotOffered(
            "key exchange by RSA is not offered, because a stolen key would open what was recorded before",
        ));
    }
    // Keys are compared in lower case.
    let lower: Vec<String> = suite_names().iter().map(|name| name.to_lowercase()).collect();
    let advice = match nearest(name, lower.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", near.to_uppercase()),
        None => format!("write one of {}", suite_names().join(", ")),
    };
    Err(UnknownSuite::NoSuch(format!("there is no such cipher suite; {advice}")))
}

/// Whether this is the name of a suite of TLS 1.3.
pub(in crate::program::web::access) fn is_of_13(name: &str) -> bool {
    TLS13.iter().any(|(known, _)| *known == name)
}

/// Whether HTTP/2 requires servers to have this suite.
pub(in crate::program::web::access) fn is_required_by_http2(suite: SupportedCipherSuite) -> bool {
    suite == suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || suite == suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
}

/// All suites of TLS 1.2.
pub(in crate::program::web::access) fn suite_names() -> Vec<&'static str> {
    TLS12.iter().map(|(name, _)| *name).collect()
}

/// The curve of this name.
pub(in crate::program::web::access) fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    CURVES.iter().find(|(known, _)| *known == name).map(|(_, curve)| *curve)
}

/// All curves.
pub(in crate::program::web::access) fn curve_names() -> Vec<&'static str> {
    CURVES.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rustls_does_not_do_is_refused_by_name() {
        let not = |name: &str| matches!(suite(name), Err(UnknownSuite::NotOffered(_)));
        assert!(not("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA") && not("TLS_RSA_WITH_AES_256_GCM_SHA384") && not("TLS_RSA_WITH_RC4_128_SHA"));
        let near = suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA257");
        assert_eq!(
            near,
            Err(UnknownSuite::NoSuch("there is no such cipher suite; did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256?".into()))
        );
        assert!(matches!(suite("CBC"), Err(UnknownSuite::NoSuch(_))));
        assert_eq!(suite("TLS_AES_128_GCM_SHA256"), Ok(None));
    }

    #[test]
    fn what_is_asked_for_is_offered_in_its_order() {
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
