//! The tools: what a person or a pipeline asks about rules without a running bridge.
//!
//! ```text
//! check     mapping files -> remarks: what the loader says, what `lint` can prove, `tests:` stanzas that fail
//! explain   a line -> how it was read, which rules were tried, what came of it
//! replay    a capture -> the exposition, or the difference between two
//! preset    the presets by name
//! run_tool  runs one of these and prints its answer; only this one prints
//! ```
//! Everything runs through a real [`Bridge`](crate::bridge::Bridge), so the tools say what the running program does. Must not
//! open a socket.

pub(super) mod check;
pub(super) mod explain;
pub(super) mod parsed_exposition;
pub(super) mod preset;
pub(super) mod replay;

mod advice;
mod capture;
mod lint;
mod packet;
mod pcap;
mod remark;
mod run_tool;
mod stanzas;

pub(super) use self::remark::{Remark, Severity};
pub(super) use self::run_tool::run_tool;
