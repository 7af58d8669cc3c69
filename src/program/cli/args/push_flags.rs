//! The flags of the heading Push: receivers of remote write and OTLP. Must not know how they are sent to.

use std::ffi::OsString;
use std::time::Duration;

use clap::ArgAction;

use super::lists::{List, list};
use super::numbers::within;
use crate::program::push::{self, BATCH_SAMPLES, PushUrl, QUEUE_BYTES};

/// The flags of the heading Push.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Push")]
pub(in crate::program::cli) struct PushFlags {
    /// URL of a remote-write receiver; repeatable.
    ///
    /// The series of the scrape are sent to it at every interval: http://prometheus:9090/api/v1/write for a
    /// Prometheus whose remote-write receiver is enabled. The file of the next flag can also have passwords, tokens and certificates.
    #[arg(long = "push.url", value_name = "URL", value_parser = list(PushUrl::parse))]
    pub(in crate::program::cli) push_url: Vec<List<PushUrl>>,
    /// YAML file with receivers and their credentials; "" for none.
    ///
    /// The other flags of this heading are defaults for its targets. The file is reloaded when it changes.
    #[arg(long = "push.config.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) push_config_file: OsString,
    /// Push by OTLP to the endpoint of the environment.
    ///
    /// The variables of OpenTelemetry say where and how: OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4318), _HEADERS, _TIMEOUT,
    /// _COMPRESSION, _CERTIFICATE and others. Without this flag they have no effect.
    #[arg(long = "push.otlp", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) push_otlp: bool,
    /// Protocol of the receivers: a version of remote write, or OTLP over HTTP.
    ///
    /// auto sends remote write 2.0, and 1.0 if the receiver does not know it. otlp sends OTLP to exactly the URL.
    #[arg(long = "push.protocol", value_name = "PROTOCOL", default_value = "auto", value_parser = ["auto", "1.0", "2.0", "otlp"])]
    pub(in crate::program::cli) push_protocol: String,
    /// Time between two pushes; at least 1s.
    ///
    /// Default: 15s. With --push.otlp, OTEL_METRIC_EXPORT_INTERVAL if it is set.
    #[arg(long = "push.interval", value_name = "DURATION", value_parser = push::interval)]
    pub(in crate::program::cli) push_interval: Option<Duration>,
    /// Time limit of a request.
    ///
    /// Default: 30s. With --push.otlp, OTEL_EXPORTER_OTLP_TIMEOUT if it is set.
    #[arg(long = "push.timeout", value_name = "DURATION", value_parser = push::timeout)]
    pub(in crate::program::cli) push_timeout: Option<Duration>,
    /// Label of every pushed series; repeatable.
    ///
    /// Default: job=statsd-bridge and instance=HOSTNAME; with OTLP, what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say. A series' own label of the same name becomes exported_NAME.
    #[arg(long = "push.label", value_name = "NAME=VALUE", value_parser = list(label))]
    pub(in crate::program::cli) push_label: Vec<List<(String, String)>>,
    /// Header of every request, such as X-Scope-OrgID=TENANT; repeatable.
    #[arg(long = "push.header", value_name = "NAME=VALUE", value_parser = list(header))]
    pub(in crate::program::cli) push_header: Vec<List<(String, String)>>,
    /// Form of histograms.
    ///
    /// classic sends a series for each bucket. native sends families with native buckets as native histograms. nhcb sends native
    /// histograms with the classic buckets, and requires remote write 2.0.
    #[arg(long = "push.histograms", value_name = "FORM", default_value = "classic", value_parser = ["classic", "native", "nhcb"])]
    pub(in crate::program::cli) push_histograms: String,
    /// Send exemplars.
    #[arg(long = "push.exemplars", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) push_exemplars: bool,
    /// Send the self-metrics.
    #[arg(long = "push.self-metrics", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) push_self_metrics: bool,
    /// Send a new counter with a 0 at the time of the previous push.
    ///
    /// rate() and increase() then include its first samples.
    #[arg(long = "push.zero-samples", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) push_zero_samples: bool,
    /// Mark all series as stale at an orderly shutdown.
    ///
    /// It has no effect with --state.file, because the series continue after a restart.
    #[arg(long = "push.stale-at-end", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) push_stale_at_end: bool,
    /// Also write start timestamps where drafts of remote write 2.0 had them.
    ///
    /// Mimir reads only that field.
    #[arg(long = "push.legacy-created", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) push_legacy_created: bool,
    /// Samples of one request.
    #[arg(long = "push.batch-samples", value_name = "N", default_value = "2000", value_parser = batch_samples)]
    pub(in crate::program::cli) push_batch_samples: usize,
    /// Bytes of compressed requests that wait for one receiver.
    ///
    /// When there are more, the values of the oldest push are dropped. Counters stay exact, because the next push has their totals.
    #[arg(long = "push.queue-bytes", value_name = "BYTES", default_value = "67108864", value_parser = queue_bytes)]
    pub(in crate::program::cli) push_queue_bytes: usize,
    /// Age at which waiting values are dropped.
    #[arg(long = "push.queue-age", value_name = "DURATION", default_value = "1h", value_parser = push::queue_age)]
    pub(in crate::program::cli) push_queue_age: Duration,
}

fn batch_samples(text: &str) -> Result<usize, String> {
    within(text, BATCH_SAMPLES.0, BATCH_SAMPLES.1)
}

fn queue_bytes(text: &str) -> Result<usize, String> {
    within(text, QUEUE_BYTES.0, QUEUE_BYTES.1)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| r"expected NAME=VALUE; a comma in a value is written \,".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    push::label(&name, &value).map(|()| (name, value))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    push::header(&name, &value).map(|_| (name, value))
}
