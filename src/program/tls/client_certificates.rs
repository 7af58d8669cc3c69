//! Verifies client certificates as exporter-toolkit does.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::sans;

/// Verifies the certificates of clients. In every mode the client must prove that it holds the private key.
#[derive(Debug)]
pub(in crate::program) struct ClientCertificates {
    mandatory: bool,
    issuers: IssuerPolicy,
    /// Subject alternative names, at least one of which the certificate must have.
    sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The requirements on the issuer of a certificate.
#[derive(Debug)]
pub(in crate::program) enum IssuerPolicy {
    /// Any issuer is accepted.
    AnyIssuer,
    /// No issuers are configured, so every certificate is rejected.
    NoIssuer,
    /// The certificate must be issued by one of these issuers, or be one of their certificates.
    Issuers {
        /// Verifies a certificate against the issuers.
        verifier: Arc<dyn ClientCertVerifier>,
        /// The certificates of the issuers.
        certificates: Vec<CertificateDer<'static>>,
    },
}

impl ClientCertificates {
    pub(in crate::program) fn new(mandatory: bool, issuers: IssuerPolicy, sans: Option<Vec<String>>, provider: &CryptoProvider) -> Self {
        Self { mandatory, issuers, sans, algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.issuers {
            IssuerPolicy::Issuers { verifier, .. } => verifier.root_hint_subjects(),
            IssuerPolicy::AnyIssuer | IssuerPolicy::NoIssuer => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.issuers {
            IssuerPolicy::AnyIssuer => {}
            IssuerPolicy::NoIssuer => return Err(CertificateError::UnknownIssuer.into()),
            IssuerPolicy::Issuers { verifier, certificates } => match verifier.verify_client_cert(end_entity, intermediates, now) {
                Ok(_) => {}
                // Go also accepts a self-signed CA certificate of the client if it is one of the configured certificates. webpki
                // checks the validity period before it returns this error.
                Err(error) if is_ca_used_as_client(&error) && certificates.iter().any(|known| known.as_ref() == end_entity.as_ref()) => {}
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

fn is_ca_used_as_client(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}
