//! The TLS configuration of the listeners for lines: the file of `--statsd.tls-config-file`, which is put in force again when it changes.
//!
//! The file has the section `tls_server_config` of a web configuration file, and no other section. Once a second, the file and the
//! certificates that it names are hashed. A connection keeps the configuration that was in force when it was accepted. A file with an
//! error is never put in force. Must not know sockets or what a connection carries.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;

use super::config_file::{ConfigFileError, LoadedConfig, read_config};
use super::config_reader::{ConfigReader, shortened};
use super::files::hash_files;
use super::section::{TLS_SERVER, tls_server};
use crate::lock::lock;
use crate::mapping::config::nearest::nearest;
use crate::mapping::config::tree::{Key, Node, YamlValue};
use crate::program::load_record::LoadRecord;
use crate::telemetry::TlsReloads;

/// How often the files are checked for changes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The only section of the file.
const SECTION: &str = "tls_server_config";

/// The sections of a web configuration file that mean nothing to lines, and what to use instead.
const OF_HTTP: [(&str, &str); 3] = [
    (
        "basic_auth_users",
        "they carry no password; to restrict who may send, set `client_auth_type: RequireAndVerifyClientCert` in `tls_server_config`",
    ),
    ("http_server_config", "they are not HTTP; this section belongs in the file of --web.config.file"),
    ("rate_limit", "it limits HTTP requests; to limit each sender, set --sources.lines-per-second"),
];

/// The TLS configuration in force.
pub(in crate::program) struct ListenerTls {
    active: RwLock<Arc<ServerConfig>>,
    file: Mutex<WatchedFile>,
    record: Arc<LoadRecord>,
}

/// The file that the configuration was read from.
struct WatchedFile {
    path: PathBuf,
    /// The file itself, and the files that it names.
    files: Vec<PathBuf>,
    /// The hash of the last contents read, valid or not.
    last_hash: u64,
}

/// Validates a file and the files that it names, as at the start. Returns the warnings.
///
/// # Errors
///
/// All errors in the file.
pub(in crate::program) fn check(path: &Path) -> Result<Vec<String>, ConfigFileError> {
    read(path).map(|loaded| loaded.warnings)
}

fn read(path: &Path) -> Result<LoadedConfig<Arc<ServerConfig>>, ConfigFileError> {
    read_config(path, build)
}

impl ListenerTls {
    /// Reads a file and puts it in force. Also returns the warnings.
    ///
    /// # Errors
    ///
    /// All errors in the file.
    pub(in crate::program) fn read(path: PathBuf) -> Result<(Self, Vec<String>), ConfigFileError> {
        let LoadedConfig { config, warnings, files, hash, .. } = read(&path)?;
        let record = Arc::<LoadRecord>::default();
        record.put_paths_in_force(&files);
        let file = Mutex::new(WatchedFile { path, files, last_hash: hash });
        Ok((Self { active: RwLock::new(config), file, record }, warnings))
    }

    /// What is known of the file and of its last reload.
    pub(in crate::program) fn record(&self) -> Arc<LoadRecord> {
        Arc::clone(&self.record)
    }

    /// The configuration for the next connection.
    pub(in crate::program) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks the files every second, and puts them in force when they have changed. Runs until it is aborted.
    pub(in crate::program) async fn follow(self: Arc<Self>, metrics: TlsReloads) {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let (tls, metrics) = (Arc::clone(&self), metrics.clone());
            if tokio::task::spawn_blocking(move || tls.reload_if_changed(&metrics)).await.is_err() {
                tracing::error!("panic while reloading the TLS configuration of listeners; it will not be reloaded again");
                return;
            }
        }
    }

    /// Reads the file again if its contents have changed.
    fn reload_if_changed(&self, metrics: &TlsReloads) {
        let mut file = lock(&self.file);
        if hash_files(&file.files) == file.last_hash {
            return;
        }
        match read(&file.path) {
            Ok(LoadedConfig { config, warnings, files, hash, .. }) => {
                (file.files, file.last_hash) = (files, hash);
                self.record.followed(Ok(&file.files));
                *self.active.write().unwrap_or_else(PoisonError::into_inner) = config;
                metrics.good.increment(1);
                metrics.last_was_good.set(1.0);
                warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                tracing::info!(file = %file.path.display(), "TLS configuration of listeners reloaded");
            }
            Err(error) => {
                self.record.followed(Err(&error.lines));
                // Also watch files that only this version names: a change of one of them triggers a reload.
                file.last_hash = hash_files(&error.files);
                file.files = error.files;
                metrics.bad.increment(1);
                metrics.last_was_good.set(0.0);
                error.lines.iter().for_each(|line| tracing::error!("{line}"));
                tracing::error!("failed to reload the TLS configuration of listeners; the previous configuration stays active");
            }
        }
    }
}

fn build(root: &Node, reader: &mut ConfigReader) -> Option<Arc<ServerConfig>> {
    let entries = match &root.value {
        YamlValue::Map(entries) => &entries[..],
        YamlValue::Null => &[],
        _ => {
            reader.error(root.at, format!("the TLS configuration file must be a map with the section `{SECTION}`"));
            return None;
        }
    };
    entries.iter().filter(|(key, _)| key.name != SECTION).for_each(|(key, _)| reader.error(key.at, advice(key)));
    let Some((_, section)) = entries.iter().find(|(key, _)| key.name == SECTION) else {
        reader.error(root.at, format!("the TLS configuration file has no section `{SECTION}`; write it with `cert_file` and `key_file`"));
        return None;
    };
    let mut tls = tls_server(section, &[], reader);
    if let Some(tls) = &mut tls {
        // Senders of lines read nothing. A ticket that they leave unread makes their kernel reset the connection when they close it, and
        // discard the lines that it has not sent yet.
        tls.send_tls13_tickets = 0;
    }
    if tls.is_none() && reader.errors.is_empty() {
        reader.error(section.at, format!("`{SECTION}` has no certificate; set `cert_file` and `key_file`"));
    }
    tls.map(Arc::new)
}

/// What is wrong with a key of the file that is not the section, and what to write instead.
fn advice(key: &Key) -> String {
    let name = shortened(&key.name);
    if let Some((_, advice)) = OF_HTTP.iter().find(|(known, _)| *known == key.name) {
        return format!("`{name}` does not apply to lines: {advice}");
    }
    if TLS_SERVER.keys.contains(&key.name.as_str()) {
        return format!("`{name}` belongs to the section `{SECTION}`; indent it below `{SECTION}:`");
    }
    match nearest(&key.name, std::iter::once(SECTION)) {
        Some(near) => format!("the TLS configuration file has no key `{name}`; did you mean `{near}`?"),
        None => format!("the TLS configuration file has no key `{name}`; its only section is `{SECTION}`"),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;
    use crate::options::Prefix;
    use crate::telemetry::{Owner, Telemetry};

    const GOOD: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(TempDir::new().unwrap());
            folder.renew();
            folder
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("tls.yml")
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).unwrap();
        }

        /// Writes a new certificate and its key.
        fn renew(&self) {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
            self.write("server.crt", &pem("CERTIFICATE", certificate.der()));
            self.write("server.key", &pem("PRIVATE KEY", &key.serialize_der()));
        }

        fn errors(&self, text: &str) -> Vec<String> {
            self.write("tls.yml", text);
            let start = format!("{}:", self.path().display());
            let error = check(&self.path()).expect_err(text);
            error.lines.iter().map(|line| line.strip_prefix(&start).unwrap_or(line).to_owned()).collect()
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn only_the_section_of_tls_is_accepted_and_others_have_advice() {
        let folder = Folder::new();
        folder.write("tls.yml", GOOD);
        assert_eq!(check(&folder.path()), Ok(Vec::new()));
        assert!(ListenerTls::read(folder.path()).unwrap().0.config().alpn_protocols.is_empty());
        let cases = [
            ("basic_auth_users: {a: b}\n", "4:1: `basic_auth_users` does not apply to lines: they carry no password; to restrict"),
            ("rate_limit:\n", "4:1: `rate_limit` does not apply to lines: it limits HTTP requests; to limit each sender, set --sources"),
            ("http_server_config: {http2: true}\n", "4:1: `http_server_config` does not apply to lines: they are not HTTP"),
            ("key_file: x\n", "4:1: `key_file` belongs to the section `tls_server_config`; indent it"),
            ("tls_sever_config: {}\n", "4:1: the TLS configuration file has no key `tls_sever_config`; did you mean `tls_server_config`?"),
            ("x: {}\n", "4:1: the TLS configuration file has no key `x`; its only section is `tls_server_config`"),
            ("  cert_fil: x\n", "4:3: `tls_server_config` has no key `cert_fil`; did you mean `cert_file`?"),
            ("  curve_preferences: [x]\n", "4:23: unknown curve"),
        ];
        for (more, expected) in cases {
            let errors = folder.errors(&format!("{GOOD}{more}"));
            assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}\nexpected {expected}");
        }
        for (text, expected) in [
            ("", "1:1: the TLS configuration file has no section `tls_server_config`"),
            ("tls_server_config:\n", "1:18: `tls_server_config` has no certificate"),
            ("tls_server_config: {min_version: TLS13}\n", "1:20: `tls_server_config` has no certificate"),
            ("- a\n", "1:1: the TLS configuration file must be a map"),
        ] {
            let errors = folder.errors(text);
            assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}\nexpected {expected}");
        }
        std::fs::remove_file(folder.path()).unwrap();
        assert!(check(&folder.path()).unwrap_err().to_string().starts_with("cannot read "));
    }

    #[test]
    fn a_new_certificate_is_put_in_force_and_a_broken_one_is_not() {
        let folder = Folder::new();
        folder.write("tls.yml", GOOD);
        let tls = ListenerTls::read(folder.path()).unwrap().0;
        let telemetry = Telemetry::new(Prefix::Bridge, Owner::Program);
        let reload = || {
            let before = tls.config();
            tls.reload_if_changed(&telemetry.transport.tcp_tls_reloads);
            !Arc::ptr_eq(&before, &tls.config())
        };
        assert!(!reload(), "nothing has changed");
        folder.renew();
        assert!(reload());
        for broken in [("server.crt", ""), ("server.key", "no key"), ("tls.yml", "")] {
            folder.write(broken.0, broken.1);
            assert!(!reload() && !reload(), "{broken:?}");
        }
        folder.renew();
        assert!(!reload(), "the file itself is still empty");
        folder.write("tls.yml", GOOD);
        assert!(reload());
        let count = |outcome: &str| telemetry.count("tcp_tls_config_reloads_total", ("outcome", outcome));
        assert_eq!((count("success"), count("failure")), (2, 3));
        assert_eq!(telemetry.value("statsd_bridge_tcp_tls_config_last_reload_successful"), Some(1.0));
    }
}
