//! The section `tls_server_config`, converted to a rustls `ServerConfig`: certificates, client certificates, versions, cipher suites and
//! curves.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::client_certificates::{ClientCertificates, IssuerPolicy};
use super::config_reader::{ConfigReader, ConfigSection, SectionEntries};
use super::offer::{self, TlsOffer, UnknownSuite};
use crate::mapping::config::findings::At;
use crate::mapping::config::tree::{Node, YamlValue};

pub(in crate::program) const TLS_SERVER: ConfigSection = ConfigSection {
    name: "`tls_server_config`",
    keys: &[
        "cert",
        "cert_file",
        "key",
        "key_file",
        "client_ca",
        "client_ca_file",
        "client_auth_type",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "prefer_server_cipher_suites",
        "curve_preferences",
    ],
};

/// The values of `client_auth_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientAuth {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

const CLIENT_AUTH: [(&str, ClientAuth); 6] = [
    ("NoClientCert", ClientAuth::None),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireClientCert", ClientAuth::RequireAny),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

/// The name of HTTP/2 among the protocols of a server.
pub(in crate::program) const HTTP2: &[u8] = b"h2";

/// The TLS configuration of a server of these protocols, best first; without any, the client's are not read. `None` if the section names
/// no certificate. If `reader` has errors, the result is unusable.
pub(in crate::program) fn tls_server(node: &Node, protocols: &[&[u8]], reader: &mut ConfigReader) -> Option<ServerConfig> {
    let fields = reader.fields(node, TLS_SERVER)?;
    let keys = ["cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type"];
    if !keys.iter().any(|key| filled(fields, key).is_some()) {
        // exporter-toolkit ignores the section too. An empty `cert_file` is an error here: a template was probably not filled in.
        match keys.iter().find_map(|key| fields.get(key)) {
            Some(empty) => reader.error(empty.at, "no certificate; set `cert_file`, or remove `tls_server_config`"),
            None if !matches!(node.value, YamlValue::Null) => {
                reader.warning(node.at, "TLS is disabled: `tls_server_config` has no `cert_file`");
            }
            None => {}
        }
        return None;
    }
    let chain = certificates(fields, CERTIFICATE, node.at, reader);
    let key = private_key(fields, node.at, reader);
    let offer = TlsOffer {
        versions: versions(fields, node.at, reader),
        suites: suites(fields, protocols.contains(&HTTP2), reader),
        curves: curves(fields, reader),
    };
    let clients = clients(fields, node.at, reader);
    let server_order = fields.get("prefer_server_cipher_suites").map(|node| reader.flag(node, "`prefer_server_cipher_suites`"));
    if !reader.errors.is_empty() {
        return None;
    }
    let at = fields.get("key_file").or_else(|| fields.get("key")).map_or(node.at, |node| node.at);
    let provider = Arc::new(offer.provider());
    let certified = match CertifiedKey::from_der(chain?, key?, &provider) {
        Ok(certified) => certified,
        Err(error) => {
            let text = match error {
                rustls::Error::InconsistentKeys(_) => "the private key does not match the certificate".to_owned(),
                other => format!("the certificate and the private key cannot be used together: {other}"),
            };
            reader.error(at, text);
            return None;
        }
    };
    let requests_certificates = clients.is_some();
    let mut config = match assemble(provider, &offer.versions, clients, certified) {
        Ok(config) => config,
        Err(error) => {
            reader.error(node.at, format!("the versions, cipher suites and curves cannot be used together: {error}"));
            return None;
        }
    };
    config.ignore_client_order = offer.suites.is_some() && server_order.flatten().unwrap_or(true);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    if requests_certificates {
        // Resuming a session would skip the verification of the client certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Some(config)
}

fn assemble(
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<ClientCertificates>,
    certified: CertifiedKey,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(Arc::new(clients)),
        None => builder.with_no_client_auth(),
    };
    Ok(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))
}

/// The two keys of a PEM value: inline, and in a file.
#[derive(Debug, Clone, Copy)]
struct PemKeys {
    inline: &'static str,
    file: &'static str,
}

const CERTIFICATE: PemKeys = PemKeys { inline: "cert", file: "cert_file" };
const PRIVATE_KEY: PemKeys = PemKeys { inline: "key", file: "key_file" };
const CLIENT_CA: PemKeys = PemKeys { inline: "client_ca", file: "client_ca_file" };

impl PemKeys {
    /// The node of the key in use; `None` if both are absent or empty. The file takes precedence.
    fn filled<'n>(self, fields: SectionEntries<'n>) -> Option<&'n Node> {
        filled(fields, self.file).or_else(|| filled(fields, self.inline))
    }

    /// The name of the key in use.
    fn used(self, fields: SectionEntries<'_>) -> &'static str {
        if filled(fields, self.file).is_some() { self.file } else { self.inline }
    }

    /// Where to report an error: at the key if it is present, otherwise at the section.
    fn position(self, fields: SectionEntries<'_>, section: At) -> At {
        fields.get(self.file).or_else(|| fields.get(self.inline)).map_or(section, |node| node.at)
    }
}

/// The value of a string key, unless it is absent or empty.
fn filled<'n>(fields: SectionEntries<'n>, key: &str) -> Option<&'n Node> {
    fields.get(key).filter(|node| !matches!(&node.value, YamlValue::Scalar(text, _) if text.trim().is_empty()))
}

/// The PEM text of the file, or the inline text, with its position. The file takes precedence.
fn pem(fields: SectionEntries<'_>, keys: PemKeys, reader: &mut ConfigReader) -> Option<(At, Vec<u8>)> {
    let PemKeys { inline, file } = keys;
    if let Some(node) = filled(fields, file) {
        if let Some(unused) = filled(fields, inline) {
            reader.warning(unused.at, &format!("`{inline}` is ignored because `{file}` is set; remove one of them"));
        }
        let path = reader.text(node, &format!("`{file}`"))?;
        return reader.file(node, file, path).map(|bytes| (node.at, bytes));
    }
    let node = filled(fields, inline)?;
    Some((node.at, reader.text(node, &format!("`{inline}`"))?.as_bytes().to_vec()))
}

fn certificates(fields: SectionEntries<'_>, keys: PemKeys, section: At, reader: &mut ConfigReader) -> Option<Vec<CertificateDer<'static>>> {
    if keys.filled(fields).is_none() {
        reader.error(keys.position(fields, section), format!("no certificate; set `{}` to a PEM file", keys.file));
        return None;
    }
    let (at, bytes) = pem(fields, keys, reader)?;
    let key = keys.used(fields);
    // The message must not show the contents: the file may contain a private key.
    let Ok(found) = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() else {
        reader.error(at, format!("`{key}` is not valid PEM"));
        return None;
    };
    if found.is_empty() {
        reader.error(at, format!("`{key}` contains no certificate; expected PEM: -----BEGIN CERTIFICATE-----, ..."));
        return None;
    }
    Some(found)
}

fn private_key(fields: SectionEntries<'_>, section: At, reader: &mut ConfigReader) -> Option<PrivateKeyDer<'static>> {
    if PRIVATE_KEY.filled(fields).is_none() {
        reader.error(PRIVATE_KEY.position(fields, section), "no private key; set `key_file` to a PEM file");
        return None;
    }
    let (at, bytes) = pem(fields, PRIVATE_KEY, reader)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
    if key.is_none() {
        let text = "contains no usable private key; expected unencrypted PEM: -----BEGIN PRIVATE KEY-----, ...";
        reader.error(at, format!("`{}` {text}", PRIVATE_KEY.used(fields)));
    }
    key
}

fn versions(fields: SectionEntries<'_>, section: At, reader: &mut ConfigReader) -> Vec<&'static SupportedProtocolVersion> {
    let mut version = |key: &str, default: u8| {
        let Some(node) = fields.get(key) else { return Some(default) };
        match reader.text(node, &format!("`{key}`"))? {
            "TLS12" => Some(12),
            "TLS13" => Some(13),
            old @ ("TLS10" | "TLS11") => {
                reader.error(node.at, format!("{old} is not supported because it is insecure; use TLS12 or TLS13"));
                None
            }
            _ => {
                reader.error(node.at, format!("invalid `{key}`; expected TLS12 or TLS13"));
                None
            }
        }
    };
    let (Some(min), Some(max)) = (version("min_version", 12), version("max_version", 13)) else { return Vec::new() };
    if min > max {
        let at = fields.get("min_version").map_or(section, |node| node.at);
        reader.error(at, "`min_version` is higher than `max_version`");
    }
    let all = [(12, &rustls::version::TLS12), (13, &rustls::version::TLS13)];
    all.into_iter().filter(|(number, _)| (min..=max).contains(number)).map(|(_, version)| version).collect()
}

fn suites(fields: SectionEntries<'_>, http2: bool, reader: &mut ConfigReader) -> Option<Vec<rustls::SupportedCipherSuite>> {
    let node = fields.get("cipher_suites")?;
    let names = reader.texts(node, "`cipher_suites`");
    if names.is_empty() {
        return None;
    }
    let mut suites = Vec::new();
    for (at, name) in &names {
        match offer::suite(name) {
            Ok(Some(suite)) => suites.push(suite),
            // TLS 1.3 suites are always offered, as in Go.
            Ok(None) => {}
            Err(UnknownSuite::Unsupported(reason)) => reader.warning(*at, &format!("{name} is ignored: {reason}")),
            Err(UnknownSuite::NoSuch(advice)) => reader.error(*at, advice),
        }
    }
    let tls13_only = fields.get("min_version").is_some_and(|node| matches!(&node.value, YamlValue::Scalar(text, _) if text == "TLS13"));
    if suites.is_empty() && !tls13_only && !names.iter().any(|(_, name)| offer::is_of_13(name)) {
        let text = format!("none of these cipher suites is supported; supported cipher suites are {}", offer::suite_names().join(", "));
        reader.error(node.at, text);
    } else if http2 && !tls13_only && !suites.iter().any(|suite| offer::is_required_by_http2(*suite)) {
        let text = "HTTP/2 requires TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 in `cipher_suites`; \
                    add one, or set `http2: false` in `http_server_config`";
        reader.error(node.at, text);
    }
    Some(suites)
}

fn curves(fields: SectionEntries<'_>, reader: &mut ConfigReader) -> Option<Vec<&'static dyn rustls::crypto::SupportedKxGroup>> {
    let node = fields.get("curve_preferences")?;
    let names = reader.texts(node, "`curve_preferences`");
    let mut curves = Vec::new();
    for (at, name) in names {
        match offer::curve(name) {
            Some(curve) => curves.push(curve),
            None => reader.error(at, format!("unknown curve; supported curves are {}", offer::curve_names().join(", "))),
        }
    }
    (!curves.is_empty()).then_some(curves)
}

/// The requirements on client certificates; `None` if the server requests none.
fn clients(fields: SectionEntries<'_>, section: At, reader: &mut ConfigReader) -> Option<ClientCertificates> {
    let auth = client_auth(fields, reader)?;
    let client_ca = CLIENT_CA.filled(fields);
    if let (ClientAuth::None, Some(node)) = (auth, client_ca) {
        let key = CLIENT_CA.used(fields);
        let text = format!("`{key}` has no effect without `client_auth_type`; set client_auth_type: RequireAndVerifyClientCert");
        reader.error(node.at, text);
    }
    let sans = fields.get("client_allowed_sans").map(|node| (node.at, reader.texts(node, "`client_allowed_sans`")));
    if let (Some((at, _)), false) = (&sans, matches!(auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify)) {
        reader
            .error(*at, "`client_allowed_sans` requires a certificate from every client; set client_auth_type: RequireAndVerifyClientCert");
    }
    let mandatory = matches!(auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify);
    let issuers = match auth {
        ClientAuth::None => return None,
        ClientAuth::Request | ClientAuth::RequireAny => IssuerPolicy::AnyIssuer,
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify if client_ca.is_none() => {
            let at = fields.get("client_auth_type").map_or(section, |node| node.at);
            reader.warning(at, "no `client_ca_file`: every client certificate is rejected; set client_ca_file");
            IssuerPolicy::NoIssuer
        }
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => known_issuers(fields, section, reader)?,
    };
    let sans = sans.map(|(_, list)| list.into_iter().map(|(_, text)| text.to_owned()).collect());
    Some(ClientCertificates::new(mandatory, issuers, sans, &aws_lc_rs::default_provider()))
}

fn client_auth(fields: SectionEntries<'_>, reader: &mut ConfigReader) -> Option<ClientAuth> {
    let Some(node) = filled(fields, "client_auth_type") else { return Some(ClientAuth::None) };
    let text = reader.text(node, "`client_auth_type`")?;
    let found = CLIENT_AUTH.iter().find(|(word, _)| *word == text).map(|(_, auth)| *auth);
    if found.is_none() {
        let words: Vec<&str> = CLIENT_AUTH.iter().map(|(word, _)| *word).collect();
        reader.error(node.at, format!("invalid `client_auth_type`; expected one of {}", words.join(", ")));
    }
    found
}

fn known_issuers(fields: SectionEntries<'_>, section: At, reader: &mut ConfigReader) -> Option<IssuerPolicy> {
    let certificates = certificates(fields, CLIENT_CA, section, reader)?;
    let (at, key) = (CLIENT_CA.position(fields, section), CLIENT_CA.used(fields));
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        if let Err(error) = roots.add(certificate.clone()) {
            reader.error(at, format!("`{key}` contains a certificate that cannot be an issuer: {error}"));
            return None;
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    match WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build() {
        Ok(verifier) => Some(IssuerPolicy::Issuers { verifier, certificates }),
        Err(error) => {
            reader.error(at, format!("`{key}` cannot be used: {error}"));
            None
        }
    }
}
