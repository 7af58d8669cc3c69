//! The HTTP client of subcommands that query a running bridge, from their flags. Must not send a request.

use std::path::Path;

use crate::program::ask::{self, Base, Client, ClientIdentity, Trust};
use crate::program::cli::Reach;
use crate::program::net::WebAddress;
use crate::program::running::{self, RunningWeb};
use crate::program::web::Gate;

/// The URL of a bridge with default flags.
const DEFAULT_URL: &str = "http://127.0.0.1:9102";

/// Creates the HTTP client from the flags.
pub(super) fn client(reach: &Reach) -> Result<Client, String> {
    let (base, is_local) = match &reach.url {
        Some(base) => (base.clone(), false),
        None => running_base()?,
    };
    let identity = reach.cert_file.clone().zip(reach.key_file.clone()).map(|(certificate, key)| ClientIdentity { certificate, key });
    let trust = match &reach.ca_file {
        Some(path) => Some(Trust::Authorities(path.clone())),
        // A bridge on this machine is reached by address, but its certificate is usually issued for a host name.
        None => (reach.insecure || is_local).then_some(Trust::Any),
    };
    let config = match trust {
        _ if !base.has_tls() => None,
        Some(trust) => Some(ask::client_config(&trust, identity.as_ref())?),
        None => return Err(format!("{base}: https requires --ca-file or --insecure")),
    };
    let password = reach.password_file.as_deref().map(first_line).transpose()?;
    Client::new(base, config, reach.user.as_deref().zip(password.as_deref()))
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines().next().map(str::to_owned).ok_or_else(|| format!("{}: the file is empty", path.display()))
}

/// The URL of the bridge that runs on this machine, and whether there is exactly one; otherwise the default URL.
fn running_base() -> Result<(Base, bool), String> {
    let Some(RunningWeb { address: WebAddress::Tcp(address), config, .. }) = running::web() else {
        return Base::parse(DEFAULT_URL).map(|base| (base, false));
    };
    let scheme = if config.is_some_and(|path| Gate::read(path).is_ok_and(|(gate, _)| gate.has_tls())) { "https" } else { "http" };
    let target = ask::target(&address)?;
    Base::parse(&format!("{scheme}://{target}")).map(|base| (base, true))
}
