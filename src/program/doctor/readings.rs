//! What the exposition of the bridge says about received data, and where it receives. Must not send probes.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::program::ask::Client;

/// The counter of the probes. Expositions may append `_total` to its name.
pub(super) const PROBES: &str = "statsd_doctor_probes";
/// The largest exposition that is read.
const MAX_PAGE_BYTES: usize = 256 << 20;

/// One exposition.
pub(super) struct Readings {
    text: String,
    prefix: &'static str,
}

impl Readings {
    /// Reads the exposition of a bridge.
    pub(super) fn take(client: &Client, path: &str) -> Result<Self, String> {
        let answer = client.get(path, MAX_PAGE_BYTES)?;
        if answer.status != 200 {
            return Err(format!("{}{path} returned {}; set --user and --password-file, or --metrics-path", client.base(), answer.status));
        }
        Self::of(String::from_utf8_lossy(&answer.body).into_owned())
            .ok_or_else(|| format!("{}{path} is not the exposition of a bridge; set --url or --metrics-path", client.base()))
    }

    /// The readings of an exposition; `None` if it has no self-metrics of a bridge.
    pub(super) fn of(text: String) -> Option<Self> {
        let prefixes = ["statsd_bridge_", "statsd_exporter_"];
        let prefix = prefixes.into_iter().find(|prefix| text.contains(&format!("\n{prefix}lines_total")))?;
        Some(Self { text, prefix })
    }

    /// The value of the probes' counter.
    pub(super) fn probes(&self) -> f64 {
        self.sum(PROBES) + self.sum(&format!("{PROBES}_total"))
    }

    /// Whether the probes' counter is exposed.
    pub(super) fn has_probes(&self) -> bool {
        self.text.contains(&format!("\n# TYPE {PROBES}"))
    }

    /// The sum of a self-metric.
    pub(super) fn own(&self, name: &str) -> f64 {
        self.sum(&format!("{}{name}", self.prefix))
    }

    /// All values of a label of a self-metric.
    pub(super) fn labels(&self, name: &str, label: &str) -> Vec<&str> {
        let begins = format!("{}{name}{{", self.prefix);
        let label = format!("{label}=\"");
        let lines = self.text.lines().filter_map(|line| line.strip_prefix(&*begins));
        let mut values: Vec<&str> = lines.filter_map(|rest| rest.split_once(&*label)?.1.split('"').next()).collect();
        values.dedup();
        values
    }

    /// The UDP addresses of the bridge, as clients reach it that reach its HTTP server at `host`.
    pub(super) fn udp(&self, host: &str) -> impl Iterator<Item = String> {
        self.labels("udp_receive_buffer_bytes", "address").into_iter().map(move |address| {
            let bound = address.parse::<SocketAddr>().ok().filter(|bound| bound.ip().is_unspecified());
            bound.map_or_else(|| address.to_owned(), |bound| format!("{host}:{}", bound.port()))
        })
    }

    /// The paths of its Unix datagram sockets that are on this machine.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        let is_here = |path: &&str| !fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        self.labels("unixgram_queue_datagrams", "path").into_iter().filter(is_here).map(str::to_owned)
    }

    fn sum(&self, name: &str) -> f64 {
        let of = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let value = if rest.starts_with('{') { rest.rsplit_once("} ")?.1 } else { rest.strip_prefix(' ')? };
            value.split(' ').next()?.parse::<f64>().ok()
        };
        self.text.lines().filter_map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_labels_are_read() {
        let text = "# HELP a x\n\nstatsd_bridge_lines_total 3\nstatsd_bridge_udp_receive_buffer_bytes{address=\"[::]:9125\",worker=\"0\"} 5\n\
                    statsd_bridge_udp_receive_buffer_bytes{address=\"[::]:9125\",worker=\"1\"} 6\nstatsd_doctor_probes_total{env=\"a} b\"} 7\n\
                    statsd_doctor_probes_other 9\n";
        let readings = Readings::of(text.to_owned()).expect("a bridge");
        assert_eq!((readings.probes(), readings.own("udp_receive_buffer_bytes"), readings.own("lines_total")), (7.0, 11.0, 3.0));
        assert_eq!(readings.labels("udp_receive_buffer_bytes", "address"), ["[::]:9125"]);
        assert_eq!(readings.udp("bridge.example").collect::<Vec<_>>(), ["bridge.example:9125"]);
        assert!(Readings::of("up 1\n".to_owned()).is_none());
    }
}
