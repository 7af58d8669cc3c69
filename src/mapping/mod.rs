//! mapping: rules that say what a metric of the wire becomes. Asked only on a binding miss.
//!
//! ```text
//! config       YAML, as statsd_exporter has it and more -> spec, with file, line and column of every mistake
//! rules        spec -> compiled: one automaton for all globs, one set for all regexes -> which rule matches, and its captures
//! template     captures -> name and labels
//! label_steps  keep, drop, rename, set and map labels
//! ```
//! Knows no series, no limits and no I/O: whoever reads files hands their text in.

pub mod config;
pub mod glob;
pub mod label_steps;
pub mod rules;
pub mod spec;
pub mod template;
pub mod tried;
pub mod unit;

pub(crate) mod go_syntax;
mod regex;
mod trie;
mod wild;

pub(crate) use self::regex::Expression;
pub use self::rules::{Found, Rules};
pub use self::unit::Factor;
