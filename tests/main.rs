//! Every test that sees the bridge from outside, in one binary: one link, one list.
//!
//! `cargo test --test it NAME::` runs one module. What a test needs beyond Rust it asks [`peers`] for; CONTRIBUTING.md says how.

// In a binary, `pub` says what a module offers to the others.
#![allow(unreachable_pub)]

#[macro_use(apply)]
extern crate macro_rules_attribute;

// ---- what the tests stand on ----

/// Finds, runs and counts the tests. First, because every module uses its macros.
#[macro_use]
mod runner;
/// The program under test: started on free ports, awaited, read, ended.
mod harness;
/// A strict reader of OpenMetrics, with the verdicts of the specification.
mod openmetrics;
/// A strict reader of the text page, with pages that it must accept and pages that it must refuse.
mod page;
/// Finding the programs of others; saying which are absent.
mod peers;

// ---- the library, without sockets ----

/// What a sample of a known series allocates: nothing.
mod alloc;
/// The cases of proto-examples, each the page that its lines give.
mod examples;
/// Text, OpenMetrics and protobuf of one page; which one a scraper gets.
mod formats;
/// What is objected to in a count of instructions.
mod instructions;
/// The library as another program uses it: extreme times and limits, the examples, the package.
mod library;
/// Limits on everything that a sender can grow.
mod limits;
/// Rules replaced in a bridge that has series.
mod mapping;
/// What workers and limits make of samples is what one worker without limits makes of them, kind by kind.
mod merging;
/// What holds for any input.
mod properties;
/// Months of random senders, expiry, reloads and restarts, against a model of a page of code.
mod simulation;
/// Which file under src/ may import which: layers, the facade, no cycles.
mod structure;

// ---- the program, over real sockets ----

/// Faults brought about on purpose: readers, disks, files, sockets and clients that do not do what they should.
mod attack;
/// Transports, the wire as a whole, the page and the other paths.
mod end_to_end;
/// Mapping files read again: signals, requests, changes, mistakes, load; the API that shows what rules do.
mod reload;
/// Who hit which limit, names in conflict, deletion by hand, `top`.
mod series;
/// Bad clients of every sort at once: a good one is served, nothing sent is lost, connections and memory stay bounded.
mod slow_clients;
/// Flags, the environment, the first lines, signals, exit codes.
mod starting;
/// Series kept over a restart: clean ends, crashes, bad files, limits, restarts under load.
mod state;
/// `check`, `explain`, `replay` and `preset`: exit codes, text, JSON.
mod tools;
/// Who may read: TLS, certificates of clients, users, rates, networks, sockets; also by curl, OpenSSL, Python and Prometheus.
mod web_config;

// ---- the program, with the programs of others ----

/// The web applications of proto-examples/apps, started for real and asked for real; and the Python modules that they stand on.
mod apps;
/// The automation platform of proto-examples/apps: its demo, against the table of its metrics.
mod automation;
/// Real StatsD clients, whose totals must come out to the sample.
mod clients;
/// Every expression of the dashboards and rules of proto-examples, asked of the real Prometheus; promtool's tests of the rules.
mod dashboards;
/// What is in deploy/: unit, manifests, chart, package, each by its own checker; flags and probes by the bridge itself.
mod deploy;
/// What the documents tell a new user to do, done: commands, calls of a client, rules, scrape configurations; where links lead.
mod documents;
/// The real Gunicorn with its preset: every request on the page.
mod gunicorn;
/// The senders of proto-examples/clients, in ten languages: 10,000 samples each, and the table of docs/clients.md.
mod languages;
/// The real Prometheus, promtool, and Python's parser reading the page.
mod prometheus;
/// Restarts, crashes and bad files, and what Prometheus makes of the counters.
mod restarts;

fn main() -> std::process::ExitCode {
    runner::main()
}
