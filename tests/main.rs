//! Tests of the library and the program through their public interfaces. They are one binary, so that they are linked once.
//!
//! `cargo test --test it NAME::` runs one module. CONTRIBUTING.md lists the other programs that some tests need.

// In a binary, `pub` marks the items that other modules use.
#![allow(unreachable_pub)]

#[macro_use(apply)]
extern crate macro_rules_attribute;

// ---- shared by the tests ----

/// Finds, runs and counts the tests. It is declared first because every module uses its macros.
#[macro_use]
mod runner;
/// The table of docs/compatibility.md, which the comparisons with other programs write and check.
mod compatibility;
/// Starts the program under test on free ports, waits until it is ready, reads its output and ends it.
mod harness;
/// A strict parser of OpenMetrics, checked against the specification's cases.
mod openmetrics;
/// A strict parser of the text format, with expositions that it must accept and expositions that it must reject.
mod page;
/// Finds other programs that tests need, and skips tests whose programs are missing.
mod peers;

// ---- the library, without sockets ----

/// A sample of a known series allocates no memory.
mod alloc;
/// The cases of proto-examples: each gives its expected exposition.
mod examples;
/// Text, OpenMetrics and protobuf show the same samples; content negotiation.
mod formats;
/// The comparison of instruction counts with their baseline.
mod instructions;
/// The library as another program uses it: extreme times and limits, the examples, the package.
mod library;
/// Limits on everything that a sender can grow.
mod limits;
/// Rules are replaced while the bridge has series.
mod mapping;
/// Several workers and limits give the totals of one worker without limits, for each type.
mod merging;
/// Properties that hold for any input.
mod properties;
/// Months of random senders, expiry, reloads and restarts, compared with a small model.
mod simulation;
/// Which file in src/ may import which: layers, the facade, no cycles.
mod structure;

// ---- the program, over real sockets ----

/// Networks that may send lines.
mod allow_from;
/// Injected faults: readers, disks, files, sockets and clients that misbehave.
mod attack;
/// The page in a real browser.
mod browser;
/// The telemetry of DogStatsD clients beside what arrived from them.
mod client_telemetry;
/// The configuration in force: flags with their origin, secrets, reloads with their errors.
mod configuration;
/// `doctor`: probes over every transport, and why they do not arrive.
mod doctor;
/// Transports, the wire format, the exposition and the other HTTP paths.
mod end_to_end;
/// DogStatsD events and service checks: `/api/v1/events`, its limits, the log of events.
mod events;
/// The label of the origin: its identity, its limits, its name.
mod origin_label;
/// Who sent it over Unix sockets: processes, users and containers.
mod origins;
/// The relay to several targets over every transport: filters, dead targets, the accounting of lines.
mod relay;
/// Reloads of mapping files: by signal, by request and on change; mistakes; load; the API that describes rules.
mod reload;
/// Which series hit a limit, conflicting names, deletion by hand, `top`.
mod series;
/// All kinds of bad HTTP clients at once: a good client is served, no sample is lost, connections and memory stay bounded.
mod slow_clients;
/// The sums of each sender, and the limits of a sender.
mod sources;
/// Flags, environment variables, the first lines of output, signals, exit codes.
mod starting;
/// Series survive a restart: clean ends, crashes, bad files, limits, restarts under load.
mod state;
/// Sockets that systemd passes, for lines: restarts under load, names, buffers.
mod systemd;
/// Viewers of lines: `tail`, `capture`, limits, stops.
mod tail;
/// TLS over TCP for lines: clients, certificates, reloads, wrong protocols, stalled handshakes.
mod tcp_tls;
/// The commands `check`, `explain`, `replay` and `preset`: exit codes, text, JSON.
mod tools;
/// `statsd-bridge top` on a pseudoterminal: keys, sizes, signals, and a bridge that goes away.
mod top;
/// Unix stream sockets: frames and lines, half frames, vanishing senders, limits, the path.
mod unix_streams;
/// What the views of the page and their JSON say: rates, new series, rules that save series, searched lists.
mod views;
/// Access control: TLS, client certificates, users, rate limits, networks, sockets; also tested with curl, OpenSSL, Python,
/// Prometheus.
mod web_config;

// ---- the program, with other programs ----

/// The web applications of proto-examples/apps run and get requests; the Python modules that they use.
mod apps;
/// The demo of the automation platform of proto-examples/apps, compared with the table of its metrics.
mod automation;
/// The bridge is restarted while real clients send over every transport.
mod client_restarts;
/// Real StatsD clients, whose totals must be exact.
mod clients;
/// Prometheus evaluates every expression of the dashboards and rules of proto-examples; promtool's tests of the rules.
mod dashboards;
/// The files in deploy/: a tool for each format checks unit, manifests, chart and package, and the bridge checks flags and probes.
mod deploy;
/// Commands, client calls, rules and scrape configurations of the documents work as shown, and links are valid.
mod documents;
/// Five bridges in network namespaces, pushed and scraped into two databases, with a crash, a cut link and a restart: totals are exact.
mod fleet;
/// Gunicorn with the preset `gunicorn`: the exposition has every request.
mod gunicorn;
/// The senders of proto-examples/clients in ten languages: 10,000 samples each, and the table of docs/clients.md.
mod languages;
/// An OpenTelemetry collector reads the exposition with its Prometheus receiver.
mod otel;
/// Prometheus, promtool and Python's parser read the exposition.
mod prometheus;
/// Push: remote write to real databases and to a receiver with every fault.
mod push;
/// Restarts, crashes and bad state files, and the counters that Prometheus derives.
mod restarts;
/// The rules that `rules` writes for many bridges: promtool's checks and tests, and VictoriaMetrics with their stream aggregation.
mod rules;
/// statsd_exporter and the bridge, with the same lines and mapping files. Every difference has an explanation.
mod side_by_side;
/// VictoriaMetrics and vmagent: scrapes and stream aggregation.
mod victoria;

fn main() -> std::process::ExitCode {
    runner::main()
}
