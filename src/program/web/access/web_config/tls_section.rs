//! The section `tls_server_config`, made into a rustls server: certificates, client certificates, versions, cipher suites, curves.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::reader::{ConfigReader, ConfigSection, SectionEntries};
use crate::mapping::config::findings::At;
use crate::mapping::config::tree::{Node, YamlValue};
use crate::program::web::access::tls::client_certificates::{ClientCertificates, ClientProof};
use crate::program::web::access::tls::offer::{self, TlsOffer, UnknownSuite};

const TLS_SERVER: ConfigSection = ConfigSection {
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

/// The server; none where the section names no certificate. After a mistake the result has no meaning.
pub(super) fn tls_server(node: &Node, http2: bool, reader: &mut ConfigReader) -> Option<ServerConfig> {
    let fields = reader.fields(node, TLS_SERVER)?;
    let wanted = ["cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type"];
    if !wanted.iter().any(|key| filled(fields, key).is_some()) {
        // As exporter-toolkit does; but an empty `cert_file` beside nothing else is a template that was not filled in.
        match wanted.iter().find_map(|key| fields.get(key)) {
            Some(empty) => reader.error(empty.at, "there is no certificate here; name one in `cert_file`, or take `tls_server_config` out"),
            None if !matches!(node.value, YamlValue::Null) => {
                reader.warning(node.at, "TLS stays off: `tls_server_config` names no `cert_file`");
            }
            None => {}
        }
        return None;
    }
    let chain = certificates(fields, ("cert", "cert_file"), node.at, reader);
    let key = private_key(fields, node.at, reader);
    let offer = TlsOffer { versions: versions(fields, reader), suites: suites(fields, http2, reader), curves: curves(fields, reader) };
    let clients = clients(fields, node.at, reader);
    let server_order = fields.get("prefer_server_cipher_suites").map(|node| reader.flag(node, "`prefer_server_cipher_suites`"));
    if !reader.mistakes.is_empty() {
        return None;
    }
    let at = fields.get("key_file").or_else(|| fields.get("key")).map_or(node.at, |node| node.at);
    let provider = Arc::new(offer.provider());
    let certified = match CertifiedKey::from_der(chain?, key?, &provider) {
        Ok(certified) => certified,
        Err(error) => {
            let text = match error {
                rustls::Error::InconsistentKeys(_) => "this key does not belong to the certificate".to_owned(),
                other => format!("this certificate and key cannot be used together: {other}"),
            };
            reader.error(at, format!("{text}; make them anew, or name the files that belong together"));
            return None;
        }
    };
    let asks_clients = clients.is_some();
    let mut config = match assemble(provider, &offer.versions, clients, certified) {
        Ok(config) => config,
        Err(error) => {
            reader.error(node.at, format!("versions, cipher suites and curves cannot be used together: {error}"));
            return None;
        }
    };
    config.ignore_client_order = offer.suites.is_some() && server_order.flatten().unwrap_or(true);
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    if asks_clients {
        // A session that is taken up again would not be looked at again: not its dates, not its issuer.
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

/// The value of a key that takes a text, unless it is absent or empty.
fn filled<'n>(fields: SectionEntries<'n>, key: &str) -> Option<&'n Node> {
    fields.get(key).filter(|node| !matches!(&node.value, YamlValue::Scalar(text, _) if text.trim().is_empty()))
}

/// The text of a PEM, inline or from the file that is named, and where it is said. The file counts before the text.
fn pem(fields: SectionEntries<'_>, (inline, file): (&str, &str), reader: &mut ConfigReader) -> Option<(At, Vec<u8>)> {
    if let Some(node) = filled(fields, file) {
        if let Some(unused) = filled(fields, inline) {
            reader.warning(unused.at, &format!("`{inline}` is not used, because `{file}` is there too; take one of them out"));
        }
        let path = reader.text(node, &format!("`{file}`"))?;
        return reader.file(node, file, path).map(|bytes| (node.at, bytes));
    }
    let node = filled(fields, inline)?;
    Some((node.at, reader.text(node, &format!("`{inline}`"))?.as_bytes().to_vec()))
}

/// Where to report a missing key: at the key that is empty, or at the section.
fn missing_at(fields: SectionEntries<'_>, keys: (&str, &str), section: At) -> At {
    fields.get(keys.1).or_else(|| fields.get(keys.0)).map_or(section, |node| node.at)
}

fn certificates(
    fields: SectionEntries<'_>,
    keys: (&str, &str),
    section: At,
    reader: &mut ConfigReader,
) -> Option<Vec<CertificateDer<'static>>> {
    if filled(fields, keys.0).or_else(|| filled(fields, keys.1)).is_none() {
        let at = missing_at(fields, keys, section);
        reader.error(at, format!("there is no certificate; write `{}: FILE`, a file in PEM", keys.1));
        return None;
    }
    let (at, bytes) = pem(fields, keys, reader)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() {
        reader.error(at, format!("`{}` holds no certificate; it takes PEM: -----BEGIN CERTIFICATE-----, ...", said(fields, keys)));
        return None;
    }
    Some(found)
}

fn private_key(fields: SectionEntries<'_>, section: At, reader: &mut ConfigReader) -> Option<PrivateKeyDer<'static>> {
    const KEYS: (&str, &str) = ("key", "key_file");
    if filled(fields, KEYS.0).or_else(|| filled(fields, KEYS.1)).is_none() {
        reader.error(missing_at(fields, KEYS, section), "there is no private key; write `key_file: FILE`, a file in PEM");
        return None;
    }
    let (at, bytes) = pem(fields, KEYS, reader)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
    if key.is_none() {
        let text = "holds no private key that can be read; it takes PEM without a password: -----BEGIN PRIVATE KEY-----, ...";
        reader.error(at, format!("`{}` {text}", said(fields, KEYS)));
    }
    key
}

fn said<'k>(fields: SectionEntries<'_>, keys: (&'k str, &'k str)) -> &'k str {
    if filled(fields, keys.1).is_some() { keys.1 } else { keys.0 }
}

fn versions(fields: SectionEntries<'_>, reader: &mut ConfigReader) -> Vec<&'static SupportedProtocolVersion> {
    let mut version = |key: &str, default: u8| {
        let Some(node) = fields.get(key) else { return Some(default) };
        match reader.text(node, &format!("`{key}`"))? {
            "TLS12" => Some(12),
            "TLS13" => Some(13),
            old @ ("TLS10" | "TLS11") => {
                reader.error(node.at, format!("{old} is not offered: it is broken, and no client needs it; write TLS12 or TLS13"));
                None
            }
            _ => {
                reader.error(node.at, format!("this is no version that `{key}` takes; write TLS12 or TLS13"));
                None
            }
        }
    };
    let (Some(least), Some(most)) = (version("min_version", 12), version("max_version", 13)) else { return Vec::new() };
    if least > most {
        let at = fields.get("min_version").map_or(At::START, |node| node.at);
        reader.error(at, "`min_version` is above `max_version`, so no version is left; swap them");
    }
    let all = [(12, &rustls::version::TLS12), (13, &rustls::version::TLS13)];
    all.into_iter().filter(|(number, _)| (least..=most).contains(number)).map(|(_, version)| version).collect()
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
            // Those of TLS 1.3 are always offered, as Go does it.
            Ok(None) => {}
            Err(UnknownSuite::NotOffered(why)) => reader.warning(*at, &format!("{name} is never used: {why}")),
            Err(UnknownSuite::NoSuch(advice)) => reader.error(*at, advice),
        }
    }
    let only_13 = fields.get("min_version").is_some_and(|node| matches!(&node.value, YamlValue::Scalar(text, _) if text == "TLS13"));
    if suites.is_empty() && !only_13 && !names.iter().any(|(_, name)| offer::is_of_13(name)) {
        let text = format!("none of these cipher suites is offered; write one of {}", offer::suite_names().join(", "));
        reader.error(node.at, text);
    } else if http2 && !only_13 && !suites.iter().any(|suite| offer::is_required_by_http2(*suite)) {
        let text = "HTTP/2 needs TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 among `cipher_suites`; \
                    add it, or write `http2: false` in `http_server_config`";
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
            None => reader.error(at, format!("there is no such curve; write one of {}", offer::curve_names().join(", "))),
        }
    }
    (!curves.is_empty()).then_some(curves)
}

/// What clients have to prove; none where they are not asked.
fn clients(fields: SectionEntries<'_>, section: At, reader: &mut ConfigReader) -> Option<ClientCertificates> {
    const CA: (&str, &str) = ("client_ca", "client_ca_file");
    let auth = client_auth(fields, reader)?;
    let ca_said = filled(fields, CA.1).or_else(|| filled(fields, CA.0));
    if let (ClientAuth::None, Some(node)) = (auth, ca_said) {
        let text =
            format!("`{}` has no effect without `client_auth_type`; write client_auth_type: RequireAndVerifyClientCert", said(fields, CA));
        reader.error(node.at, text);
    }
    let sans = fields.get("client_allowed_sans").map(|node| (node.at, reader.texts(node, "`client_allowed_sans`")));
    if let (Some((at, _)), false) = (&sans, matches!(auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify)) {
        reader.error(*at, "`client_allowed_sans` needs certificates of all clients; write client_auth_type: RequireAndVerifyClientCert");
    }
    let mandatory = matches!(auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify);
    let proof = match auth {
        ClientAuth::None => return None,
        ClientAuth::Request | ClientAuth::RequireAny => ClientProof::Anything,
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify if ca_said.is_none() => {
            let at = fields.get("client_auth_type").map_or(section, |node| node.at);
            reader.warning(at, "there is no `client_ca_file`, so every certificate of a client is refused; write client_ca_file: FILE");
            ClientProof::Nothing
        }
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => issuers(fields, CA, section, reader)?,
    };
    let sans = sans.map(|(_, list)| list.into_iter().map(|(_, text)| text.to_owned()).collect());
    Some(ClientCertificates::new(mandatory, proof, sans, &aws_lc_rs::default_provider()))
}

fn client_auth(fields: SectionEntries<'_>, reader: &mut ConfigReader) -> Option<ClientAuth> {
    let Some(node) = filled(fields, "client_auth_type") else { return Some(ClientAuth::None) };
    let text = reader.text(node, "`client_auth_type`")?;
    let found = CLIENT_AUTH.iter().find(|(word, _)| *word == text).map(|(_, auth)| *auth);
    if found.is_none() {
        let words: Vec<&str> = CLIENT_AUTH.iter().map(|(word, _)| *word).collect();
        reader.error(node.at, format!("this is no `client_auth_type`; write one of {}", words.join(", ")));
    }
    found
}

fn issuers(fields: SectionEntries<'_>, keys: (&str, &str), section: At, reader: &mut ConfigReader) -> Option<ClientProof> {
    let found = certificates(fields, keys, section, reader)?;
    let at = missing_at(fields, keys, section);
    let mut roots = RootCertStore::empty();
    for certificate in &found {
        if let Err(error) = roots.add(certificate.clone()) {
            reader.error(at, format!("`{}` holds a certificate that cannot be an issuer: {error}", said(fields, keys)));
            return None;
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    match WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build() {
        Ok(verifier) => Some(ClientProof::Issued { verifier, pinned: found }),
        Err(error) => {
            reader.error(at, format!("`{}` cannot be used: {error}", said(fields, keys)));
            None
        }
    }
}
