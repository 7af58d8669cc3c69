//! Who may connect and who may ask.

pub(super) mod gate;
pub(super) mod networks;
mod passwords;
mod tls;
pub(super) mod web_config;
