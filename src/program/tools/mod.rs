//! tools: what a person or a pipeline asks of rules without a running bridge. Library calls return values; printing is at the edge.
//!
//! ```text
//! check    mapping files -> remarks: what the loader says, what `lint` can prove, `tests:` stanzas that fail
//! explain  a line -> how it was read, which rules were tried, what came of it
//! replay   a capture -> the page, or the difference between two pages
//! preset   the presets by name
//! ```
//! Everything runs through a real [`Bridge`](crate::bridge::Bridge): what these tools say is what the running program does. They open no
//! socket.

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
