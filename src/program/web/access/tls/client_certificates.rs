//! What a client has to prove by its certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::sans;

/// The check of every certificate that a client shows. That it holds the key is always checked.
#[derive(Debug)]
pub(in crate::program::web) struct Clients {
    mandatory: bool,
    proof: Proof,
    /// Names of which one has to stand in the certificate.
    sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Who must have issued a certificate.
#[derive(Debug)]
pub(in crate::program::web) enum Proof {
    /// Anybody.
    Anything,
    /// Nobody is known, so none is good.
    Nothing,
    /// One of these issuers; or it is itself one of the certificates that were given as issuers.
    Issued {
        /// Knows the issuers.
        verifier: Arc<dyn ClientCertVerifier>,
        /// Their certificates.
        pinned: Vec<CertificateDer<'static>>,
    },
}

impl Clients {
    pub(in crate::program::web) fn new(mandatory: bool, proof: Proof, sans: Option<Vec<String>>, provider: &CryptoProvider) -> Self {
        Self { mandatory, proof, sans, algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.proof {
            Proof::Issued { verifier, .. } => verifier.root_hint_subjects(),
            Proof::Anything | Proof::Nothing => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.proof {
            Proof::Anything => {}
            Proof::Nothing => return Err(CertificateError::UnknownIssuer.into()),
            Proof::Issued { verifier, pinned } => match verifier.verify_client_cert(end_entity, intermediates, now) {
                Ok(_) => {}
                // A certificate that signed itself says that it is an issuer, and Go takes it if it is one of those that were
                // given. Its dates were checked before this error.
                Err(error) if is_issuer_as_client(&error) && pinned.iter().any(|known| known.as_ref() == end_entity.as_ref()) => {}
                Err(error) => return Err(error),
            },
        }
        match &self.sans {
            Some(allowed) => {
                let found = sans::of(end_entity.as_ref()).ok_or(CertificateError::BadEncoding)?;
                let is_allowed = found.iter().any(|name| allowed.contains(name));
                is_allowed.then(ClientCertVerified::assertion).ok_or_else(|| CertificateError::ApplicationVerificationFailure.into())
            }
            None => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_issuer_as_client(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}
