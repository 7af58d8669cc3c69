//! The flags of subcommands that query a running bridge over HTTP. Must not send a request.

use std::path::PathBuf;

use crate::program::ask::Base;

/// How to reach the HTTP server of a bridge.
#[derive(Debug, Clone, clap::Args)]
pub struct Reach {
    /// HTTP address of the bridge [default: that of the local bridge, else http://127.0.0.1:9102].
    #[arg(long, value_name = "URL", value_parser = Base::parse)]
    pub url: Option<Base>,
    /// For https: certificate of the authority that signed the bridge's certificate, in PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// For https: accept any certificate.
    ///
    /// Another server can then receive the password.
    #[arg(long, conflicts_with = "ca_file")]
    pub insecure: bool,
    /// For https: client certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// Private key of --cert-file, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
    /// User of the web configuration file; needs --password-file.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// File whose first line is the user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
}
