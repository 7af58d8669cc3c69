//! Builds the settings from the flags. Every error is one line that names the flag, or its environment variable if that was set.
//!
//! Knows what each flag means and the defaults that depend on other flags. Must not know how a setting takes effect.

mod listening;
mod push;
mod wrong_value;

use std::path::PathBuf;
use std::time::Duration;

use self::listening::{addresses, relay, tcp_options, udp_options, unix, unix_options, unixgram};
use self::push::push_options;
use self::wrong_value::{WrongValue, wrong};
use super::args::{
    Args, Compat, List, LogFormat, LogLevel, NameSet, NativeBucketsWhen, ObserverType, OpenMetricsWhen, OverflowPolicy,
    SignedGaugesMeaning, all,
};
use crate::options::{
    Buckets, Dialect, Limits, NameValidation, NativeHistograms, NativeOptions, NativeWhen, Observer, OpenMetrics, OriginLabel, OriginValue,
    Overflow, PackedValues, Prefix, SampleValueLimit, SignedGauges, SourceOptions, SummaryOptions, TagKey, Ttl,
};
use crate::program::flag_names::FlagNames;
use crate::program::logging::LogOptions;
use crate::program::net::{AllowedNetwork, WebAddress};
use crate::program::rulebook;
use crate::program::settings::{Settings, SnapshotOptions};
use crate::program::web;
use crate::registry::cell::schema_of;

/// Builds the settings.
///
/// # Errors
///
/// One line that names the flag with an invalid value, or its environment variable if that was set.
pub(super) fn settings(args: &Args, names: &FlagNames) -> Result<Settings, String> {
    build(args, names).map_err(|WrongValue { flag, why }| format!("{}: {why}", names.of(flag)))
}

fn build(args: &Args, flag_names: &FlagNames) -> Result<Settings, WrongValue> {
    let limits = limits(args);
    Ok(Settings {
        bridge: crate::options::Options {
            dialect: dialect(args),
            limits,
            observer: observer(args)?,
            native: native(args),
            ttl: ttl(args),
            grace_ms: millis(args.mapping.ttl_grace),
            counters_start_at_zero: args.mapping.counters_start_at_zero.then(|| millis(args.mapping.counters_zero_for)),
            counters_total_suffix: args.mapping.counters_total_suffix,
            gauges_set_time: args.mapping.gauges_set_time,
            openmetrics: openmetrics(args),
            created_lines: args.web.created_lines,
            // Set at the start, when the clock is read.
            started: None,
            prefix: prefix(args),
            prometheus_names: args.wire.allow_prometheus_names,
            without_process_metrics: !args.web.process_metrics,
            signed_gauges: match args.wire.signed_gauges {
                SignedGaugesMeaning::Change => SignedGauges::Change,
                SignedGaugesMeaning::Absolute => SignedGauges::Absolute,
            },
            names: names(args),
            exemplar_tag: exemplar_tag(args)?,
            sources: sources(args)?,
            origin_label: origin_label(args)?,
        },
        mapping: mapping(args),
        watch_interval: args.mapping.watch_interval,
        udp: addresses("statsd.listen-udp", &args.listening.listen_udp)?,
        udp_options: udp_options(args)?,
        tcp: addresses("statsd.listen-tcp", &args.listening.listen_tcp)?,
        tcp_options: tcp_options(args)?,
        tcp_tls: Some(args.listening.tls_config_file.clone()).filter(|path| !path.is_empty()).map(PathBuf::from),
        unixgram: unixgram(args)?,
        unix: unix(args)?,
        unix_options: unix_options(args),
        statsd_systemd: args.listening.statsd_systemd_socket,
        relay: relay(args)?,
        web: web_addresses("web.listen-address", &args.web.listen_address)?,
        web_admin: web_addresses("web.admin-listen-address", &args.web.admin_listen_address)?,
        web_systemd: args.web.systemd_socket,
        web_config: Some(args.web.config_file.clone()).filter(|path| !path.is_empty()).map(PathBuf::from),
        web_options: web_options(args)?,
        push: push_options(args)?,
        state: state(args),
        event_file: Some(args.logging.events_log_file.clone()).filter(|path| !path.is_empty()).map(PathBuf::from),
        log: log(args),
        drain: args.program.shutdown_drain,
        linger: args.program.shutdown_linger,
        flag_names: flag_names.clone(),
        unknown_variables: Vec::new(),
        flags: Vec::new(),
        without_effect: without_effect(args),
    })
}

fn web_addresses(flag: &'static str, texts: &[List<String>]) -> Result<Vec<WebAddress>, WrongValue> {
    all(texts).map(|text| WebAddress::parse(text).map_err(|why| wrong(flag, why))).collect()
}

fn web_options(args: &Args) -> Result<web::WebOptions, WrongValue> {
    let telemetry_path = args.web.telemetry_path.clone();
    if !telemetry_path.is_empty() && !telemetry_path.starts_with('/') {
        return Err(wrong("web.telemetry-path", format_args!("expected a path that begins with /, got {telemetry_path:?}")));
    }
    let allow_from = all(&args.web.allow_from).map(|text| AllowedNetwork::parse(text).map_err(|why| wrong("web.allow-from", why)));
    let allowed_hosts = web::AllowedHosts::parse(all(&args.web.allowed_hosts).map(String::as_str));
    Ok(web::WebOptions {
        telemetry_path,
        allowed_hosts: allowed_hosts.map_err(|why| wrong("web.allowed-hosts", why))?,
        allow_from: allow_from.collect::<Result<_, _>>()?,
        no_auth_paths: no_auth_paths(args)?,
        enable_lifecycle: args.web.enable_lifecycle,
        enable_admin_api: args.web.enable_admin_api,
        enable_tail: args.web.enable_tail,
        max_tails: args.web.max_tails,
        max_connections: args.web.max_connections,
        lobby_connections: args.web.max_waiting_connections,
        max_renders: args.web.max_renders,
        max_transfers: args.web.max_pages,
        write_timeout: args.web.write_timeout,
        idle_timeout: args.web.idle_timeout,
        drain_timeout: args.program.shutdown_drain,
        ..web::WebOptions::default()
    })
}

/// The paths as typed. Paths that change something always need a password.
fn no_auth_paths(args: &Args) -> Result<Vec<String>, WrongValue> {
    const NEVER: [&str; 3] = ["/-/quit", "/-/reload", "/api/v1/series/delete"];
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let checked = |path: &String| match path {
        path if !path.starts_with('/') => Err(wrong("web.no-auth-paths", format_args!("expected a path that begins with /, got {path:?}"))),
        path if NEVER.iter().any(|never| parts(never) == parts(path)) => {
            Err(wrong("web.no-auth-paths", format_args!("{path} changes something and always needs a password")))
        }
        path => Ok(path.clone()),
    };
    all(&args.web.no_auth_paths).map(checked).collect()
}

fn mapping(args: &Args) -> rulebook::Sources {
    rulebook::Sources {
        paths: all(&args.mapping.mapping_config).cloned().collect(),
        presets: all(&args.mapping.preset).cloned().collect(),
        labels: all(&args.mapping.label).cloned().collect(),
        names: names(args),
    }
}

fn exemplar_tag(args: &Args) -> Result<Option<TagKey>, WrongValue> {
    let key = &*args.wire.exemplars_tag;
    if key.is_empty() {
        return Ok(None);
    }
    TagKey::new(key).map(Some).map_err(|error| wrong("exemplars.tag", error))
}

fn names(args: &Args) -> NameValidation {
    match args.wire.name_validation {
        NameSet::Legacy => NameValidation::Legacy,
        NameSet::Utf8 => NameValidation::Utf8,
    }
}

fn ttl(args: &Args) -> Ttl {
    Ttl {
        counter_ms: Some(millis(args.mapping.ttl_counters)),
        gauge_ms: Some(millis(args.mapping.ttl_gauges)),
        observer_ms: Some(millis(args.mapping.ttl_observers)),
        set_ms: Some(millis(args.mapping.ttl_sets)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn state(args: &Args) -> Option<SnapshotOptions> {
    let path = Some(args.state.file.clone()).filter(|path| !path.is_empty())?.into();
    let max_age = Some(args.state.max_age).filter(|age| !age.is_zero());
    Some(SnapshotOptions { path, interval: args.state.interval, max_age })
}

fn log(args: &Args) -> LogOptions {
    LogOptions {
        level: match args.logging.level {
            LogLevel::Debug => tracing::Level::DEBUG,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Error => tracing::Level::ERROR,
        },
        json: args.logging.format == LogFormat::Json,
    }
}

fn compatible(args: &Args) -> bool {
    args.compatibility.compat == Some(Compat::StatsdExporter)
}

fn prefix(args: &Args) -> Prefix {
    if compatible(args) { Prefix::Exporter } else { Prefix::Bridge }
}

fn openmetrics(args: &Args) -> OpenMetrics {
    match args.web.openmetrics {
        Some(OpenMetricsWhen::Auto) => OpenMetrics::Auto,
        Some(OpenMetricsWhen::Always) => OpenMetrics::Always,
        Some(OpenMetricsWhen::Never) => OpenMetrics::Never,
        // statsd_exporter never sends OpenMetrics.
        None if compatible(args) => OpenMetrics::Never,
        None => OpenMetrics::Auto,
    }
}

fn dialect(args: &Args) -> Dialect {
    let base = if compatible(args) { Dialect::STATSD_EXPORTER } else { Dialect::default() };
    Dialect {
        dogstatsd_tags: args.wire.parse_dogstatsd_tags,
        influxdb_tags: args.wire.parse_influxdb_tags,
        librato_tags: args.wire.parse_librato_tags,
        signalfx_tags: args.wire.parse_signalfx_tags,
        graphite_tags: args.wire.parse_graphite_tags.unwrap_or(base.graphite_tags),
        bare_tags: args.wire.bare_tags.unwrap_or(base.bare_tags),
        container_id: args.wire.container_id.unwrap_or(base.container_id),
        packed_values: match args.wire.packed_values {
            Some(true) => PackedValues::All,
            Some(false) => PackedValues::Never,
            None => base.packed_values,
        },
        meters: args.wire.parse_meters.unwrap_or(base.meters),
        key_values: args.wire.parse_key_values.unwrap_or(base.key_values),
        service_checks: args.wire.parse_service_checks.unwrap_or(base.service_checks),
        events: args.wire.parse_events.unwrap_or(base.events),
        exporter_rules: base.exporter_rules,
    }
}

fn limits(args: &Args) -> Limits {
    Limits {
        series: args.limits.series,
        families: args.limits.families,
        series_per_family: args.limits.series_per_family,
        values_per_label: args.limits.values_per_label,
        labels_per_family: args.limits.labels_per_family,
        series_bytes: args.limits.series_bytes,
        line_bytes: args.limits.line_bytes,
        name_bytes: args.limits.name_bytes,
        tags_bytes: args.limits.tags_bytes,
        tags: args.limits.tags,
        overflow: match args.limits.overflow {
            OverflowPolicy::Fold => Overflow::Fold,
            OverflowPolicy::DropLabel => Overflow::DropLabel,
            OverflowPolicy::Refuse => Overflow::Reject,
        },
        resting_series: args.limits.resting_series,
        exemplar_series: args.limits.exemplar_series,
        events: args.limits.events_keep,
        event_bytes: args.limits.events_keep_bytes,
        sample_value: args.limits.sample_value.unwrap_or(if compatible(args) {
            SampleValueLimit::NONE
        } else {
            SampleValueLimit::default()
        }),
    }
}

fn sources(args: &Args) -> Result<SourceOptions, WrongValue> {
    let options = SourceOptions {
        max: args.sources.sources_max,
        lines_per_second: args.sources.sources_lines_per_second,
        new_series_per_second: args.sources.sources_new_series_per_second,
    };
    if options.max == 0 && (options.lines_per_second > 0 || options.new_series_per_second > 0) {
        return Err(wrong("sources.max", "the limits of a sender require at least 1"));
    }
    Ok(options)
}

fn origin_label(args: &Args) -> Result<Option<OriginLabel>, WrongValue> {
    const FLAG: &str = "statsd.origin-label";
    let text = &*args.wire.origin_label;
    if text.is_empty() {
        return Ok(None);
    }
    let (name, value) = text.split_once('=').unwrap_or(("origin", text));
    let value = match value {
        "address" => OriginValue::Address,
        "container-id" => OriginValue::ContainerId,
        _ => {
            return Err(wrong(
                FLAG,
                format_args!("expected address or container-id, or a name before it, as in pod_ip=address; got {text:?}"),
            ));
        }
    };
    OriginLabel::new(name, value).map(Some).map_err(|error| wrong(FLAG, error))
}

fn observer(args: &Args) -> Result<Observer, WrongValue> {
    const FLAG: &str = "statsd.histogram-buckets";
    let default = if compatible(args) { ObserverType::Summary } else { ObserverType::Histogram };
    let bounds: Vec<f64> = all(&args.wire.histogram_buckets).copied().collect();
    match (args.wire.observer_type.unwrap_or(default), &bounds[..]) {
        (ObserverType::Summary, []) => Ok(Observer::Summary(SummaryOptions::default())),
        (ObserverType::Summary, _) => Err(wrong(FLAG, "summaries have no buckets; add --statsd.observer-type=histogram")),
        (ObserverType::Histogram, []) => Ok(Observer::default()),
        (ObserverType::Histogram, bounds) => bucket_bounds(bounds).map_err(|why| wrong(FLAG, why)),
    }
}

fn bucket_bounds(bounds: &[f64]) -> Result<Observer, String> {
    /// Each series has a counter per bound.
    const MAX: usize = 200;
    // +Inf is implied, and accepted at the end.
    let bounds = bounds.strip_suffix(&[f64::INFINITY]).unwrap_or(bounds);
    if bounds.is_empty() || bounds.len() > MAX {
        return Err(format!("expected 1 to {MAX} bounds"));
    }
    Buckets::new(bounds.iter().copied()).map(Observer::histogram).map_err(|error| error.to_string())
}

fn native(args: &Args) -> NativeHistograms {
    let when = match args.wire.native_histograms {
        NativeBucketsWhen::Never => NativeWhen::Never,
        NativeBucketsWhen::Asked => NativeWhen::Asked,
        NativeBucketsWhen::Always => NativeWhen::Always,
    };
    let max_buckets = args.wire.native_histogram_max_buckets;
    let options = |schema| NativeOptions { schema, max_buckets, ..NativeOptions::default() };
    NativeHistograms { when, options: schema_of(args.wire.native_histogram_factor).map(options) }
}

/// The given flags that have no effect: they tune parts of statsd_exporter that the bridge does not have.
fn without_effect(args: &Args) -> Vec<&'static str> {
    let flags = [
        ("statsd.cache-size", args.compatibility.cache_size.is_some()),
        ("statsd.cache-type", args.compatibility.cache_type.is_some()),
        ("statsd.event-queue-size", args.compatibility.event_queue_size.is_some()),
        ("statsd.event-flush-threshold", args.compatibility.event_flush_threshold.is_some()),
        ("statsd.event-flush-interval", args.compatibility.event_flush_interval.is_some()),
        ("statsd.udp-packet-queue-size", args.compatibility.udp_packet_queue_size.is_some()),
        ("debug.dump-fsm", args.compatibility.dump_fsm.is_some()),
        ("push.stale-at-end", args.push.push_stale_at_end && !args.state.file.is_empty()),
    ];
    flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
}

#[cfg(test)]
mod tests;
