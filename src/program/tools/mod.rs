//! The tools: subcommands about rules that need no running bridge.
//!
//! ```text
//! check     mapping files -> remarks: findings of the loader and of `lint`, and failing `tests:` stanzas
//! explain   a line -> how it is parsed, which rules are tried, and the resulting series
//! push_once lines -> one push
//! replay    a capture -> the exposition, or the difference between two expositions
//! preset    the built-in presets
//! rules     mapping files -> rules that add up the series of many bridges
//! run_tool  runs one of these and prints its output; no other module prints
//! ```
//! The tools use a real [`Bridge`](crate::bridge::Bridge), so their output matches the running program. Must not open a socket.

pub(super) mod advice;
pub(super) mod check;
pub(super) mod explain;
pub(super) mod parsed_exposition;
pub(super) mod preset;
mod push_once;
pub(super) mod replay;

mod capture;
mod lint;
mod packet;
mod pcap;
mod remark;
mod rules;
mod run_tool;
mod stanzas;

pub(super) use self::remark::{Remark, Severity};
pub(super) use self::run_tool::run_tool;
