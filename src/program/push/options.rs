//! The options of a target. Holds values only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use super::dialect::Coding;
use super::secret::Secret;
use super::url::PushUrl;
use crate::exposition::write::HistogramForm;

/// One receiver, and what it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PushTarget {
    /// The name in metrics, messages and the API. Unique.
    pub(crate) name: String,
    pub(crate) url: PushUrl,
    pub(crate) protocol: Protocol,
    /// The time between two cycles.
    pub(crate) interval: Duration,
    /// The time limit of a request, its response included.
    pub(crate) timeout: Duration,
    /// The labels of every series, with `job` and `instance`. Sorted by name.
    pub(crate) labels: Vec<(String, String)>,
    /// Attributes of the resource in OTLP, beside those for `job` and `instance`. Sorted by name.
    pub(crate) resource: Vec<(String, String)>,
    /// The compression of OTLP. Remote write always has snappy.
    pub(crate) compression: Coding,
    /// Headers of every request, without those of the protocol.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) credentials: Credentials,
    pub(crate) tls: PushTls,
    pub(crate) proxy: Proxy,
    pub(crate) histograms: HistogramForm,
    /// Selectors of the series to send. Without any, all.
    pub(crate) include: Vec<String>,
    /// Selectors of series not to send.
    pub(crate) exclude: Vec<String>,
    pub(crate) exemplars: bool,
    /// Whether the self-metrics are sent.
    pub(crate) self_metrics: bool,
    /// Whether a new counter is sent with a 0 at the time of the previous cycle.
    pub(crate) zero_samples: bool,
    /// Whether all series get stale markers at an orderly end.
    pub(crate) stale_at_end: bool,
    /// Whether the start timestamp of a series is also written to the field of older drafts, which Mimir reads.
    pub(crate) legacy_created: bool,
    /// Samples of a request.
    pub(crate) batch_samples: usize,
    /// Limits of the queue.
    pub(crate) queue: QueueLimits,
}

/// The limits of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    /// Bytes of compressed requests.
    pub(crate) bytes: usize,
    /// The age at which a cycle is dropped.
    pub(crate) age: Duration,
}

/// The protocol of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Remote write 2.0, or 1.0 if the receiver does not know it.
    Auto,
    V1,
    V2,
    /// OTLP over HTTP.
    Otlp,
}

impl Protocol {
    /// The names in flags and files.
    pub(crate) const NAMES: [(&str, Self); 4] = [("auto", Self::Auto), ("1.0", Self::V1), ("2.0", Self::V2), ("otlp", Self::Otlp)];
}

/// How requests are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    None,
    Basic {
        user: String,
        password: Secret,
    },
    /// A value of the header `Authorization`: the scheme, such as `Bearer`, which may be empty, and the token.
    Token {
        scheme: String,
        token: Secret,
    },
}

/// How an https receiver is verified, and what certificate it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PushTls {
    /// The file of the trusted issuers; `None` for those that the system trusts.
    pub(crate) ca_file: Option<PathBuf>,
    /// The files of the client certificate and its private key.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    /// The name to verify instead of the URL's host.
    pub(crate) server_name: Option<String>,
    /// Whether any certificate is accepted.
    pub(crate) accept_any: bool,
}

/// The proxy of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// No proxy.
    None,
    /// This one.
    Url(PushUrl),
}

/// The targets of the program.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Targets of flags.
    pub(crate) targets: Vec<PushTarget>,
    /// The file with further targets.
    pub(crate) file: Option<PathBuf>,
    /// A target with the defaults of all targets. Its URL is not used, and it has only the labels of flags.
    pub(crate) defaults: PushTarget,
    /// The variables of OpenTelemetry that flags do not override.
    pub(crate) otel: OtelVariables,
}

/// The variables of OpenTelemetry that are set. They take effect only for targets of OTLP.
#[derive(Clone, Default)]
pub(crate) struct OtelVariables(BTreeMap<&'static str, OsString>);

impl OtelVariables {
    /// The variables of the exporter: the name for metrics, which has precedence, and that for all signals.
    pub(crate) const EXPORTER: [(&str, &str); 8] = [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
    ];
    pub(crate) const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
    pub(crate) const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    pub(crate) const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
    pub(crate) const SERVICE: &str = "OTEL_SERVICE_NAME";

    /// Reads the variables. An empty one counts as absent.
    pub(crate) fn read(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let names = Self::EXPORTER.iter().flat_map(|(of_metrics, general)| [*of_metrics, *general]);
        let names = names.chain([Self::INTERVAL, Self::TEMPORALITY, Self::RESOURCE, Self::SERVICE]);
        Self(names.filter_map(|name| get(name).filter(|value| !value.is_empty()).map(|value| (name, value))).collect())
    }

    /// These variables without the time limits of requests.
    pub(crate) fn without_timeout(mut self) -> Self {
        self.0.retain(|name, _| !name.ends_with("_TIMEOUT"));
        self
    }

    /// These variables without the interval.
    pub(crate) fn without_interval(mut self) -> Self {
        self.0.remove(Self::INTERVAL);
        self
    }

    /// The value of a variable, with its name.
    pub(crate) fn get(&self, name: &str) -> Option<(&'static str, &OsStr)> {
        self.0.get_key_value(name).map(|(name, value)| (*name, &**value))
    }
}

/// The values may be secrets.
impl fmt::Debug for OtelVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PushTarget {
    /// The interval of cycles.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(15);
    /// The interval of a job, which ends before.
    const JOB_INTERVAL: Duration = Duration::from_secs(3600);
    /// The time limit of a request.
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
    /// Samples of a request.
    pub(crate) const BATCH_SAMPLES: usize = 2000;
    /// Limits of the queue.
    pub(crate) const QUEUE: QueueLimits = QueueLimits { bytes: 64 << 20, age: Duration::from_secs(3600) };

    /// A target with defaults.
    pub(crate) fn new(url: PushUrl) -> Self {
        Self {
            name: url.to_string(),
            url,
            protocol: Protocol::Auto,
            interval: Self::INTERVAL,
            timeout: Self::TIMEOUT,
            labels: Vec::new(),
            resource: Vec::new(),
            compression: Coding::Gzip,
            headers: Vec::new(),
            credentials: Credentials::None,
            tls: PushTls::default(),
            proxy: Proxy::Environment,
            histograms: HistogramForm::Classic,
            include: Vec::new(),
            exclude: Vec::new(),
            exemplars: true,
            self_metrics: true,
            zero_samples: true,
            stale_at_end: false,
            legacy_created: false,
            batch_samples: Self::BATCH_SAMPLES,
            queue: Self::QUEUE,
        }
    }

    /// These options for a job that pushes once and ends.
    pub(crate) fn of_job(mut self) -> Self {
        // The process is over when the database has its series, so it is not up, and its self-metrics have no reader.
        self.exclude.push("up".to_owned());
        Self { self_metrics: false, stale_at_end: false, interval: Self::JOB_INTERVAL, ..self }
    }

    /// These options for another URL, under the name of that URL.
    pub(crate) fn with_url(&self, url: PushUrl) -> Self {
        Self { name: url.to_string(), url, ..self.clone() }
    }
}
