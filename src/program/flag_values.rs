//! The flags in force, for reports: value, default and origin of each. No value here contains a secret.
//!
//! Knows no flag by name. What may be a secret is decided by the form of names and values, so that a new flag is covered.

use crate::program::flag_names::variable;

/// What is shown in place of a secret.
pub(crate) const SECRET: &str = "<secret>";

/// Parts of names of flags, labels and parameters whose values are secrets.
const SECRET_WORDS: [&str; 11] =
    ["password", "passwd", "passphrase", "token", "secret", "credential", "header", "apikey", "api-key", "api_key", "authorization"];

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The flag was not given.
    Default,
    /// The flag was not given, and `--compat` changes its default.
    Compat,
    /// The command line.
    CommandLine,
    /// The environment variable of the flag.
    Environment,
}

impl Origin {
    /// Its name in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Compat => "compat",
            Self::CommandLine => "command_line",
            Self::Environment => "environment",
        }
    }
}

/// A flag in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagValue {
    /// Its name without dashes.
    pub flag: String,
    /// Its heading in the help.
    pub heading: String,
    /// Its line in the help.
    pub help: String,
    /// The value in force, without secrets. Items of a list are separated by commas.
    pub value: String,
    /// The default; empty if there is none.
    pub default: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// What the value does not say, such as a limit that the system lowers; empty for nothing.
    pub note: String,
}

impl FlagValue {
    /// Whether the value differs from the default.
    pub(crate) fn is_changed(&self) -> bool {
        self.value != self.default
    }

    /// What sets the value, as an operator finds it: `--log.level`, `STATSD_BRIDGE_LOG_LEVEL` or `--compat`; empty for the default.
    pub(crate) fn set_by(&self) -> String {
        match self.origin {
            Origin::Default => String::new(),
            Origin::Compat => "--compat".to_owned(),
            Origin::CommandLine => format!("--{}", self.flag),
            Origin::Environment => variable(&self.flag),
        }
    }
}

/// The value of a flag without secrets: passwords, tokens, headers, and users and queries of URLs. Paths of files are no secrets.
pub(crate) fn without_secrets(flag: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    let is_file = flag.ends_with("file");
    if is_secret(flag) && !is_file {
        return SECRET.to_owned();
    }
    let mut had_url = false;
    let items = value.split(',').map(|item| {
        if item.contains("://") {
            had_url = true;
            url(item)
        } else if had_url {
            // It may be the rest of a query with a comma.
            SECRET.to_owned()
        } else {
            pair(item)
        }
    });
    items.collect::<Vec<_>>().join(",")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A URL without user, query and fragment. What is before it in the item stays, such as the name of a pair.
fn url(item: &str) -> String {
    let Some((scheme, rest)) = item.split_once("://") else { return SECRET.to_owned() };
    let (before, after) = match rest.find(['?', '#']) {
        Some(end) => (rest.get(..end).unwrap_or_default(), format!("?{SECRET}")),
        None => (rest, String::new()),
    };
    // A user or a password may contain a slash that is not escaped, so that all before the last @ may be one.
    let place = match before.rsplit_once('@') {
        Some((_, place)) => format!("{SECRET}@{place}"),
        None => before.to_owned(),
    };
    let scheme = if scheme.contains(['@', '?']) { SECRET } else { scheme };
    format!("{scheme}://{place}{after}")
}

/// A text that is no URL: `NAME=VALUE` with a secret name loses its value, and `USER:PASSWORD@HOST` its user.
fn pair(item: &str) -> String {
    if let Some((name, value)) = item.split_once('=')
        && is_secret(name)
        && !value.is_empty()
    {
        return format!("{name}={SECRET}");
    }
    match item.rsplit_once('@') {
        Some((user, host)) if user.split_once(':').is_some_and(|(_, password)| !password.is_empty()) => format!("{SECRET}@{host}"),
        _ => item.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (flag, value, shown) in [
            ("push.header", "X-Scope-OrgID=t,Authorization=Bearer s3cret", "<secret>"),
            ("push.password", "s3cret", "<secret>"),
            ("push.bearer-token", "s3cret", "<secret>"),
            ("push.password-file", "/run/secrets/p", "/run/secrets/p"),
            ("web.config.file", "/etc/token.yml", "/etc/token.yml"),
            ("push.header", "", ""),
            ("push.url", "http://u:s3cret@h:9090/api?x=s3cret", "http://<secret>@h:9090/api?<secret>"),
            ("push.url", "http://a/x,https://h/w?k=a,s3cret", "http://a/x,https://h/w?<secret>,<secret>"),
            ("push.url", r"http://h/w?k=a\,s3cret,http://b/", r"http://h/w?<secret>,<secret>,http://b/"),
            ("push.url", "http://h/w#s3cret", "http://h/w?<secret>"),
            ("push.url", "http://u:s3c/ret@h/w", "http://<secret>@h/w"),
            ("statsd.relay-address", "u:s3cret@h:1", "<secret>@h:1"),
            ("label", "env=prod,api_token=s3cret", "env=prod,api_token=<secret>"),
            ("label", "dsn=postgres://u:s3cret@h/db", "dsn=postgres://<secret>@h/db"),
            ("statsd.listen-udp", ":9125,[::1]:9125", ":9125,[::1]:9125"),
            ("statsd.listen-unixgram", "@abstract", "@abstract"),
            ("web.no-auth-paths", "/metrics", "/metrics"),
        ] {
            assert_eq!(without_secrets(flag, value), shown, "{flag} {value}");
            assert!(!without_secrets(flag, value).contains("s3c"), "{flag} {value}");
        }
    }
}
