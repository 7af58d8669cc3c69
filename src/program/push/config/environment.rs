//! The variables of OpenTelemetry, for targets of OTLP. Errors name the variable and what to write; they have no value, which may be a
//! secret.
//!
//! Endpoint, headers, certificates and the like belong together: they take effect only for a target whose URL is theirs, so that the
//! headers of one receiver are never sent to another. What describes the process takes effect for all targets of OTLP.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::access_section::header;
use super::limits;
use crate::exposition::write::IDENTITY;
use crate::program::net::error_text;
use crate::program::push::dialect::Coding;
use crate::program::push::options::{Credentials, OtelVariables, Protocol, PushTarget, PushTls};
use crate::program::push::secret::Secret;
use crate::program::push::url::PushUrl;
use crate::program::regular_file;

/// The endpoint without a variable, as OpenTelemetry has it.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318/v1/metrics";

/// Bytes of a list of headers or attributes.
const MAX_LIST: usize = 16 << 10;

/// The target of OTLP that the variables describe. `defaults` has what they do not say.
pub(crate) fn target_of(variables: &OtelVariables, defaults: &PushTarget) -> Result<PushTarget, String> {
    check(variables)?;
    let url = endpoint(variables)?;
    let tls = if url.has_tls() { tls(variables, &defaults.tls)? } else { defaults.tls.clone() };
    let mut target = PushTarget { protocol: Protocol::Otlp, tls, ..defaults.with_url(url) };
    if let Some((name, text)) = of_exporter(variables, 3)? {
        target.timeout = millis(name, text, limits::timeout)?;
    }
    if let Some((name, text)) = value(variables, OtelVariables::INTERVAL)? {
        target.interval = millis(name, text, limits::interval)?;
    }
    if let Some((name, text)) = of_exporter(variables, 4)? {
        let found = Coding::NAMES.iter().find(|(known, _)| *known == text).map(|(_, coding)| *coding);
        target.compression = found.ok_or_else(|| format!("{name}: write gzip or none"))?;
    }
    if let Some((name, text)) = of_exporter(variables, 2)? {
        headers(name, text, &mut target)?;
    }
    Ok(target)
}

/// Adds the labels and attributes that tell targets and resources apart: those of the variables for OTLP, defaults otherwise.
pub(crate) fn complete(variables: &OtelVariables, target: PushTarget) -> Result<PushTarget, String> {
    let mut target = target;
    if target.protocol == Protocol::Otlp {
        target.resource = attributes(variables)?;
        for (label, attribute) in IDENTITY {
            let Some(at) = target.resource.iter().position(|(name, _)| name == attribute) else { continue };
            let (_, value) = target.resource.swap_remove(at);
            limits::label(label, &value)
                .map_err(|why| format!("{} or {}: {attribute}: {why}", OtelVariables::SERVICE, OtelVariables::RESOURCE))?;
            add(&mut target.labels, label, value);
        }
        target.resource.sort();
    }
    add(&mut target.labels, "instance", rustix::system::uname().nodename().to_string_lossy().into_owned());
    add(&mut target.labels, "job", env!("CARGO_PKG_NAME").to_owned());
    target.labels.sort();
    Ok(target)
}

/// Adds a label, unless there is one of this name.
fn add(labels: &mut Vec<(String, String)>, name: &str, value: String) {
    if labels.iter().all(|(known, _)| known != name) {
        labels.push((name.to_owned(), value));
    }
}

/// Checks what other exporters can do and the bridge cannot.
fn check(variables: &OtelVariables) -> Result<(), String> {
    if let Some((name, text)) = of_exporter(variables, 1)?.filter(|(_, text)| *text != "http/protobuf") {
        let shown: String = text.chars().take(40).collect();
        return Err(format!(
            "{name} is {shown:?}, and the bridge sends http/protobuf only: write http/protobuf, and the URL of a receiver of OTLP over HTTP \
             (port 4318) in OTEL_EXPORTER_OTLP_ENDPOINT"
        ));
    }
    match value(variables, OtelVariables::TEMPORALITY)? {
        Some((name, text)) if !text.eq_ignore_ascii_case("cumulative") => Err(format!(
            "{name} is not cumulative, and the bridge sends cumulative values only: write cumulative, and let a collector convert them \
             (cumulativetodelta)"
        )),
        _ => Ok(()),
    }
}

fn endpoint(variables: &OtelVariables) -> Result<PushUrl, String> {
    let [(of_metrics, general), ..] = OtelVariables::EXPORTER;
    let (name, url) = match (value(variables, of_metrics)?, value(variables, general)?) {
        (Some((name, url)), _) => (name, Cow::Borrowed(url)),
        // The endpoint of all signals is the base of their paths.
        (None, Some((name, base))) => (name, Cow::Owned(format!("{}/v1/metrics", base.trim_end_matches('/')))),
        (None, None) => (general, Cow::Borrowed(DEFAULT_ENDPOINT)),
    };
    PushUrl::parse_otlp(&url).map_err(|why| format!("{name}: {why}"))
}

fn tls(variables: &OtelVariables, defaults: &PushTls) -> Result<PushTls, String> {
    let mut tls = defaults.clone();
    let file = |nth| of_exporter(variables, nth)?.map(|(name, path)| file(name, path)).transpose();
    if let Some(ca_file) = file(5)? {
        tls.ca_file = Some(ca_file);
    }
    match (file(6)?, file(7)?) {
        (Some(certificate), Some(key)) => tls.certificate = Some((certificate, key)),
        (None, None) => {}
        _ => {
            return Err("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY must be set together".to_owned());
        }
    }
    Ok(tls)
}

fn file(name: &str, path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match regular_file::read(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(format!("{name}: cannot read {}: {}; write the path of a PEM file", path.display(), error_text(&error))),
    }
}

/// Milliseconds within the bounds of a duration of the configuration.
fn millis(name: &str, text: &str, parse: fn(&str) -> Result<Duration, String>) -> Result<Duration, String> {
    let number: u64 = text.trim().parse().map_err(|_| format!("{name}: write a whole number of milliseconds"))?;
    parse(&format!("{number}ms")).map_err(|why| format!("{name}, in milliseconds: {why}"))
}

fn headers(variable: &'static str, text: &str, target: &mut PushTarget) -> Result<(), String> {
    for (name, value) in pairs(variable, text)? {
        if name.eq_ignore_ascii_case("authorization") {
            if target.credentials == Credentials::None {
                let (scheme, token) = value.split_once(' ').unwrap_or(("", &value));
                target.credentials = Credentials::Token { scheme: scheme.to_owned(), token: Secret::Value(token.trim().to_owned()) };
            }
            continue;
        }
        let (name, value) = header(&name, &value).map_err(|why| format!("{variable}: {why}"))?;
        if target.headers.iter().all(|(known, _)| *known != name) {
            target.headers.push((name, value));
        }
    }
    Ok(())
}

/// The attributes of the resource. `OTEL_SERVICE_NAME` has precedence over the list.
fn attributes(variables: &OtelVariables) -> Result<Vec<(String, String)>, String> {
    let mut all = match value(variables, OtelVariables::RESOURCE)? {
        Some((name, text)) => pairs(name, text)?,
        None => Vec::new(),
    };
    let service = value(variables, OtelVariables::SERVICE)?;
    all.extend(service.map(|(_, service)| ("service.name".to_owned(), service.to_owned())));
    let mut unique: Vec<(String, String)> = Vec::new();
    for (name, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
        unique.retain(|(known, _)| *known != name);
        unique.push((name, value));
    }
    Ok(unique)
}

/// The items of `NAME=VALUE,NAME=VALUE`, with values in percent-encoding.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    if text.len() > MAX_LIST {
        return Err(format!("{variable} has {} bytes; at most {MAX_LIST} are allowed", text.len()));
    }
    let items = text.split(',').enumerate().filter(|(_, item)| !item.trim().is_empty());
    let pair = |(nth, item): (usize, &str)| {
        let wrong = |why| format!("{variable}: item {} {why}; write NAME=VALUE,NAME=VALUE, and a comma in a value as %2C", nth + 1);
        let (name, value) = item.split_once('=').ok_or_else(|| wrong("has no `=`"))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(wrong("has no name"));
        }
        let value = decoded(value.trim()).ok_or_else(|| wrong("has a value whose percent-encoding is invalid"))?;
        match value.chars().any(char::is_control) {
            true => Err(wrong("has a control character in its value")),
            false => Ok((decoded(name).unwrap_or_else(|| name.to_owned()), value)),
        }
    };
    items.map(pair).collect()
}

/// A text whose percent-encoding is resolved; `None` if it is invalid.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
                after
            }
            (b'%', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

type NamedValue<'v> = Option<(&'static str, &'v str)>;

/// A variable of the exporter by its place in [`OtelVariables::EXPORTER`], in the form for metrics or else for all signals.
fn of_exporter(variables: &OtelVariables, nth: usize) -> Result<NamedValue<'_>, String> {
    let Some((of_metrics, general)) = OtelVariables::EXPORTER.get(nth) else { return Ok(None) };
    match value(variables, of_metrics)? {
        None => value(variables, general),
        found => Ok(found),
    }
}

/// The value of a variable, with its name.
fn value<'v>(variables: &'v OtelVariables, name: &str) -> Result<NamedValue<'v>, String> {
    let Some((name, value)) = variables.get(name) else { return Ok(None) };
    let text = value.to_str().ok_or_else(|| format!("{name} is not valid UTF-8"))?.trim();
    Ok((!text.is_empty()).then_some((name, text)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn variables(all: &[(&str, &str)]) -> OtelVariables {
        OtelVariables::read(|name| all.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    }

    fn defaults() -> PushTarget {
        PushTarget::new(PushUrl::unused())
    }

    fn target(all: &[(&str, &str)]) -> Result<PushTarget, String> {
        let variables = variables(all);
        target_of(&variables, &defaults()).and_then(|target| complete(&variables, target))
    }

    #[test]
    fn the_endpoint_is_the_url_or_the_base_of_it() {
        let url = |all: &[(&str, &str)]| target(all).unwrap().url.uri().to_string();
        assert_eq!(url(&[]), "http://localhost:4318/v1/metrics");
        for (base, full) in [
            ("http://c:4318", "http://c:4318/v1/metrics"),
            ("http://c:4318/", "http://c:4318/v1/metrics"),
            ("https://c/otlp/", "https://c/otlp/v1/metrics"),
            ("", "http://localhost:4318/v1/metrics"),
        ] {
            assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", base)]), full);
        }
        let both = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:2/own?a=b")];
        assert_eq!(url(&both), "http://m:2/own?a=b");
    }

    #[test]
    fn every_variable_is_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path
        };
        let text = |name: &str| path(name).display().to_string();
        let found = target(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3%20cret, X-Scope-OrgID = t ,Authorization=Bearer%20abc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &text("ca")),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &text("cert")),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &text("key")),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=x,service.namespace=shop,service.instance.id=i-1,a.b=c%2Cd,e="),
            ("OTEL_SERVICE_NAME", "cart"),
        ])
        .unwrap();
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let expected = PushTarget {
            protocol: Protocol::Otlp,
            timeout: Duration::from_millis(2500),
            interval: Duration::from_secs(5),
            compression: Coding::None,
            labels: [("instance", "i-1"), ("job", "cart")].map(pair).into(),
            resource: [("a.b", "c,d"), ("service.namespace", "shop")].map(pair).into(),
            headers: vec![header("api-key", "s3 cret").unwrap(), header("x-scope-orgid", "t").unwrap()],
            credentials: Credentials::Token { scheme: "Bearer".to_owned(), token: Secret::Value("abc".to_owned()) },
            tls: PushTls { ca_file: Some(path("ca")), certificate: Some((path("cert"), path("key"))), ..PushTls::default() },
            ..defaults().with_url(PushUrl::parse("https://c/v1/metrics").unwrap())
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn flags_come_before_variables() {
        let own = ("job".to_owned(), "own".to_owned());
        let headers = vec![header("api-key", "own").unwrap()];
        let defaults = PushTarget { labels: vec![own.clone()], headers: headers.clone(), ..defaults() };
        let all = variables(&[
            ("OTEL_SERVICE_NAME", "cart"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "API-KEY=other"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "x"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "x"),
        ]);
        let all = all.without_timeout().without_interval();
        let found = target_of(&all, &defaults).and_then(|target| complete(&all, target)).unwrap();
        assert_eq!((found.headers, found.timeout, found.interval), (headers, defaults.timeout, defaults.interval));
        assert!(found.labels.contains(&own) && found.resource.is_empty(), "{:?}", found.labels);
    }

    #[test]
    fn remote_write_has_nothing_of_the_variables() {
        let all = variables(&[("OTEL_SERVICE_NAME", "cart"), ("OTEL_RESOURCE_ATTRIBUTES", "no pair")]);
        let found = complete(&all, defaults()).unwrap();
        assert!(found.labels.contains(&("job".to_owned(), "statsd-bridge".to_owned())) && found.resource.is_empty());
    }

    #[test]
    fn an_error_names_the_variable_and_what_to_write() {
        let long = format!("a={}", "x".repeat(MAX_LIST));
        for (name, value, part) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317", "such as http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://c/x", "http://"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:s3cret@c", "user or a password"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "write http/protobuf"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json", "write http/protobuf"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "write cumulative"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1", "milliseconds"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "10", "milliseconds"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "no `=`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,=s3cret", "item 2 has no name"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%s3cret", "percent-encoding"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0A", "control character"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "content-type=s3cret", "content-type"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret", "header name"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c", "item 2 has no `=`"),
            ("OTEL_RESOURCE_ATTRIBUTES", &long, "at most"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "percent-encoding"),
        ] {
            let error = target(&[(name, value)]).expect_err(value);
            assert!(error.contains(name) && error.contains(part) && !error.contains("s3cret"), "{name}={value}: {error}");
        }
        let long = format!("service.instance.id={}", "x".repeat(2000));
        assert!(target(&[("OTEL_RESOURCE_ATTRIBUTES", &long)]).unwrap_err().contains("OTEL_RESOURCE_ATTRIBUTES"));
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c");
        let error = target(&[endpoint, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/absent.pem")]).unwrap_err();
        assert!(error.contains("OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read /absent.pem: No such file"), "{error}");
        let error = target(&[endpoint, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/dev/null")]).unwrap_err();
        assert!(error.contains("CLIENT_KEY"), "{error}");
    }
}
