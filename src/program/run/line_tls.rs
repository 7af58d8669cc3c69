//! TLS of the TCP listeners: reads the file at the start, and follows its changes. Must not know how a connection is served.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::start_error::StartError;
use crate::bridge::Bridge;
use crate::program::settings::Settings;
use crate::program::tls::listener_tls::ListenerTls;

/// Reads the file of the settings. Without one, TCP has no TLS.
pub(super) fn read(settings: &Settings, has_tcp: bool) -> Result<Option<Arc<ListenerTls>>, StartError> {
    let Some(path) = &settings.tcp_tls else { return Ok(None) };
    let (tls, warnings) = ListenerTls::read(path.clone()).map_err(StartError::Tls)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if !has_tcp {
        let flag = settings.flag_names.of(FLAG);
        tracing::warn!(flag, "this flag has no effect: no TCP address receives lines");
        return Ok(None);
    }
    Ok(Some(Arc::new(tls)))
}

/// The flag of the file.
pub(super) const FLAG: &str = "statsd.tls-config-file";

/// Puts the file in force again when it changes, until the task is aborted.
pub(super) fn follow(tls: Option<&Arc<ListenerTls>>, bridge: &Bridge) -> Option<JoinHandle<()>> {
    let metrics = bridge.telemetry().transport.tcp_tls_reloads.clone();
    metrics.last_was_good.set(1.0);
    tls.map(|tls| tokio::spawn(Arc::clone(tls).follow(metrics)))
}
