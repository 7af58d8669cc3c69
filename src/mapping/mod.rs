//! Rules that map the names of StatsD to families and labels of Prometheus. [`Rules::from_yaml`] reads them.
//!
//! The format is statsd_exporter's mapping file, with more keys: `config.example.yml` shows every key, and `docs/mappings.md` explains
//! them.
//!
//! ```
//! use statsd_bridge::mapping::Rules;
//! use statsd_bridge::{Bridge, Options, Timestamp};
//!
//! let rules = Rules::from_yaml("mappings:\n- match: shop.*.orders\n  name: orders\n  labels: {shop: $1}\n")?;
//! let bridge = Bridge::new(Options::default());
//! bridge.replace_rules(rules);
//!
//! let now = Timestamp::from_millis(1_700_000_000_000);
//! bridge.worker().ingest(b"shop.paris.orders:3|c", now);
//! assert!(bridge.text(now).contains("\norders{shop=\"paris\"} 3\n"));
//! # Ok::<(), statsd_bridge::mapping::RulesError>(())
//! ```
//!
//! All globs are tried before all regular expressions, each in the order of the file; the first match applies. The most frequent keys:
//!
//! ```
//! # statsd_bridge::mapping::Rules::from_yaml(r#"
//! mappings:
//! - match: web.*.latency          # a star is one segment of the name; `match_type: regex` for a regular expression
//!   name: web_latency_seconds
//!   labels: {host: $1}
//!   observer_type: histogram      # or summary, for the kinds ms, h and d
//!   histogram_options: {buckets: [0.1, 0.5, 1]}
//!   ttl: 10m
//! - match: debug.*
//!   action: drop
//!   name: dropped                 # as in statsd_exporter; not necessary with `syntax: extended`
//! # "#)?;
//! # Ok::<(), statsd_bridge::mapping::RulesError>(())
//! ```
// Overview of the code, not part of the public documentation:
//
// config       YAML -> spec, with file, line and column of every mistake
// rules        spec -> compiled: one automaton for all globs, one set for all regexes -> which rule matches, and its captures
// template     captures -> name and labels
// label_steps  keep, drop, rename, set and map labels
// reading      config and rules in one call
// report       findings as text
//
// Ingest uses this module only on a binding miss. It does no I/O: callers pass files as text. It does not depend on the registry.

pub(crate) mod config;
pub(crate) mod glob;
pub(crate) mod label_steps;
mod reading;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod spec;
pub(crate) mod template;
pub(crate) mod tried;
pub(crate) mod unit;

pub(crate) mod go_syntax;
mod regex;
mod trie;
mod wild;

pub use self::config::{MappingText, code};
pub use self::reading::RulesError;
pub(crate) use self::regex::Expression;
pub use self::rules::Rules;
pub use self::spec::{Action, Finding, MatchType, Position};
pub(crate) use self::unit::Factor;
