//! Verification of client certificates, with the rules that exporter-toolkit adds to those of rustls.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::sans;

/// Verifies each certificate that a client shows. That the client holds its key is always verified.
#[derive(Debug)]
pub(in crate::program::web::access) struct ClientCertificates {
    mandatory: bool,
    proof: ClientProof,
    /// Names of which the certificate must have at least one.
    sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What a certificate has to prove.
#[derive(Debug)]
pub(in crate::program::web::access) enum ClientProof {
    /// Nothing: any issuer is accepted.
    Anything,
    /// No issuer is known, so every certificate is rejected.
    Nothing,
    /// One of these issuers has issued it, or it is itself one of their certificates.
    Issued {
        /// Verifies against the issuers.
        verifier: Arc<dyn ClientCertVerifier>,
        /// Their certificates.
        pinned: Vec<CertificateDer<'static>>,
    },
}

impl ClientCertificates {
    pub(in crate::program::web::access) fn new(
        mandatory: bool,
        proof: ClientProof,
        sans: Option<Vec<String>>,
        provider: &CryptoProvider,
    ) -> Self {
        Self { mandatory, proof, sans, algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.proof {
            ClientProof::Issued { verifier, .. } => verifier.root_hint_subjects(),
            ClientProof::Anything | ClientProof::Nothing => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.proof {
            ClientProof::Anything => {}
            ClientProof::Nothing => return Err(CertificateError::UnknownIssuer.into()),
            ClientProof::Issued { verifier, pinned } => match verifier.verify_client_cert(end_entity, intermediates, now) {
                Ok(_) => {}
                // A self-signed certificate says that it is an issuer. Go accepts it where it is one of those that are given.
                // Its dates were checked before this error.
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
