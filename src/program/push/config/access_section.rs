//! How a target is reached: `basic_auth`, `authorization`, `headers`, `tls_config`, `proxy_url`.

use std::path::PathBuf;

use hyper::header::{HeaderName, HeaderValue};

use crate::mapping::config::tree::Node;
use crate::program::push::options::{Credentials, Proxy, PushTls};
use crate::program::push::secret::Secret;
use crate::program::push::url::PushUrl;
use crate::program::tls::config_reader::{ConfigReader, ConfigSection, SectionEntries};

const BASIC: ConfigSection = ConfigSection { name: "`basic_auth`", keys: &["username", "password", "password_file"] };
const TOKEN: ConfigSection = ConfigSection { name: "`authorization`", keys: &["type", "credentials", "credentials_file"] };
const TLS: ConfigSection =
    ConfigSection { name: "`tls_config`", keys: &["ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify"] };

/// Headers that the protocol or the client sets, and what to write instead.
const RESERVED: [(&str, &str); 13] = [
    ("authorization", "use `authorization` or `basic_auth`"),
    ("content-encoding", "it is set by the protocol"),
    ("content-type", "it is set by the protocol"),
    ("x-prometheus-remote-write-version", "it is set by the protocol"),
    ("retry-attempt", "it is set by the protocol"),
    ("user-agent", "it is set by the bridge"),
    ("content-length", "it is set by the bridge"),
    ("transfer-encoding", "it is set by the bridge"),
    ("connection", "it is set by the bridge"),
    ("host", "it is set by `url`"),
    ("proxy-authorization", "write user and password in `proxy_url`"),
    ("te", "it is set by the bridge"),
    ("upgrade", "it is set by the bridge"),
];

/// `basic_auth` or `authorization`, or those of `defaults`.
pub(super) fn credentials(fields: SectionEntries<'_>, defaults: &Credentials, reader: &mut ConfigReader) -> Credentials {
    match (fields.get("basic_auth"), fields.get("authorization")) {
        (None, None) => defaults.clone(),
        (Some(basic), None) => self::basic(basic, reader).unwrap_or(Credentials::None),
        (None, Some(token)) => self::token(token, reader).unwrap_or(Credentials::None),
        (Some(_), Some(token)) => {
            reader.error(token.at, "`basic_auth` and `authorization` cannot be used together; remove one of them");
            Credentials::None
        }
    }
}

fn basic(node: &Node, reader: &mut ConfigReader) -> Option<Credentials> {
    let fields = reader.fields(node, BASIC)?;
    let user = fields.get("username").and_then(|node| reader.text(node, "`username`")).map(str::to_owned);
    if user.as_ref().is_none_or(|user| user.is_empty() || user.contains(':')) {
        reader.error(node.at, "`basic_auth` needs a `username` without a colon");
    }
    let password = secret(node, fields, ("password", "password_file"), reader);
    Some(Credentials::Basic { user: user?, password: password? })
}

fn token(node: &Node, reader: &mut ConfigReader) -> Option<Credentials> {
    let fields = reader.fields(node, TOKEN)?;
    let scheme = fields.get("type").map_or(Some("Bearer"), |node| reader.text(node, "`type`"))?.to_owned();
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        reader.error(node.at, "`type` must be a scheme such as Bearer");
    }
    if scheme.eq_ignore_ascii_case("basic") {
        reader.error(node.at, "`authorization` cannot have the type Basic; use `basic_auth`");
    }
    let token = secret(node, fields, ("credentials", "credentials_file"), reader)?;
    Some(Credentials::Token { scheme, token })
}

/// A secret, as a value or in a file. Its value is never part of a message.
fn secret(node: &Node, fields: SectionEntries<'_>, (value, file): (&str, &str), reader: &mut ConfigReader) -> Option<Secret> {
    match (fields.get(value), fields.get(file)) {
        (Some(node), None) => {
            let text = reader.text(node, &format!("`{value}`"))?;
            if text.is_empty() || text.contains(['\r', '\n', '\0']) {
                reader.error(node.at, format!("`{value}` is empty or has a line break"));
            }
            Some(Secret::Value(text.to_owned()))
        }
        (None, Some(node)) => path(node, file, reader).map(Secret::File),
        (Some(_), Some(node)) => {
            reader.error(node.at, format!("`{value}` and `{file}` cannot be used together; remove one of them"));
            None
        }
        (None, None) => {
            reader.error(node.at, format!("set `{value}` or `{file}`"));
            None
        }
    }
}

/// The path of a file that can be read.
fn path(node: &Node, key: &str, reader: &mut ConfigReader) -> Option<PathBuf> {
    let text = reader.text(node, &format!("`{key}`"))?.to_owned();
    reader.file(node, &format!("`{key}`"), &text)?;
    reader.files.last().cloned()
}

/// `headers`, added to those of `defaults`.
pub(super) fn headers(
    fields: SectionEntries<'_>,
    defaults: &[(HeaderName, HeaderValue)],
    reader: &mut ConfigReader,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = defaults.to_vec();
    let Some(node) = fields.get("headers") else { return headers };
    for (key, at, value) in reader.pairs(node, "`headers`") {
        match header(&key.name, value) {
            Ok((name, value)) => {
                headers.retain(|(other, _)| *other != name);
                headers.push((name, value));
            }
            Err(why) => reader.error(at, why),
        }
    }
    headers
}

/// Checks a header. The error does not repeat the value, which may be a secret.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let shown: String = name.chars().take(80).collect();
    let header = HeaderName::try_from(name).map_err(|_| format!("{shown:?} is not a valid header name"))?;
    if let Some((_, advice)) = RESERVED.iter().find(|(reserved, _)| header == *reserved) {
        return Err(format!("the header {header} cannot be set; {advice}"));
    }
    let mut value =
        HeaderValue::try_from(value).map_err(|_| format!("the value of the header {header} has characters that a header cannot have"))?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// `tls_config`, or that of `defaults`.
pub(super) fn tls(fields: SectionEntries<'_>, defaults: &PushTls, reader: &mut ConfigReader) -> PushTls {
    let Some(node) = fields.get("tls_config") else { return defaults.clone() };
    let Some(entries) = reader.fields(node, TLS) else { return PushTls::default() };
    let mut file = |key| entries.get(key).and_then(|node| path(node, key, reader));
    let (ca_file, certificate, key) = (file("ca_file"), file("cert_file"), file("key_file"));
    if entries.get("cert_file").is_some() != entries.get("key_file").is_some() {
        reader.error(node.at, "`cert_file` and `key_file` must be set together");
    }
    let server_name = entries.get("server_name").and_then(|node| reader.text(node, "`server_name`")).map(str::to_owned);
    let accept_any = entries.get("insecure_skip_verify").and_then(|node| reader.flag(node, "`insecure_skip_verify`")).unwrap_or(false);
    PushTls { ca_file, certificate: certificate.zip(key), server_name, accept_any }
}

/// `proxy_url` and `proxy_from_environment`, or the proxy of `defaults`.
pub(super) fn proxy(fields: SectionEntries<'_>, defaults: &Proxy, reader: &mut ConfigReader) -> Proxy {
    let from_environment = fields.get("proxy_from_environment").and_then(|node| reader.flag(node, "`proxy_from_environment`"));
    let Some(node) = fields.get("proxy_url") else {
        return match from_environment {
            Some(true) => Proxy::Environment,
            Some(false) => Proxy::None,
            None => defaults.clone(),
        };
    };
    if from_environment == Some(true) {
        reader.error(node.at, "`proxy_url` and `proxy_from_environment` cannot be used together; remove one of them");
    }
    let url = reader.text(node, "`proxy_url`").map(PushUrl::parse_proxy);
    match url {
        Some(Ok(url)) => Proxy::Url(url),
        Some(Err(why)) => {
            reader.error(node.at, format!("`proxy_url`: {why}"));
            Proxy::None
        }
        None => Proxy::None,
    }
}
