//! Web configuration files: the settings of each section, and each mistake with line and column.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

/// A folder with the certificates that files here name, and `web.yml`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        for (certificate, key) in [("server.crt", "server.key"), ("client_selfsigned.pem", "a.key"), ("client2_selfsigned.pem", "b.key")] {
            let pair = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
            params.is_ca = if certificate == "server.crt" { IsCa::NoCa } else { IsCa::Ca(BasicConstraints::Unconstrained) };
            let made = params.self_signed(&pair).expect("a certificate");
            std::fs::write(folder.path().join(certificate), pem("CERTIFICATE", made.der())).expect("written");
            std::fs::write(folder.path().join(key), pem("PRIVATE KEY", &pair.serialize_der())).expect("written");
        }
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("web.yml")
    }

    fn read(&self, text: &str) -> Result<LoadedWebConfig, Vec<String>> {
        std::fs::write(self.path(), text).expect("written");
        let start = format!("{}:", self.path().display());
        read(&self.path())
            .map_err(|error| error.lines.into_iter().map(|line| line.strip_prefix(&start).map(str::to_owned).unwrap_or(line)).collect())
    }

    /// The mistakes in it, each as `LINE:COLUMN: ...`.
    fn mistakes(&self, text: &str) -> Vec<String> {
        self.read(text).err().unwrap_or_else(|| panic!("taken:\n{text}"))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

const GOOD: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

#[test]
fn everything_that_can_be_said() {
    let folder = Folder::new();
    let text = format!(
        "{GOOD}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client_selfsigned.pem\n  client_allowed_sans: [a, b]\n  \
         min_version: TLS12\n  max_version: TLS13\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  \
         prefer_server_cipher_suites: true\n  curve_preferences: [X25519, CurveP521]\nhttp_server_config:\n  http2: true\n  headers:\n    \
         X-Frame-Options: deny\n    X-XSS-Protection: 1\nbasic_auth_users:\n  ann: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n\
         rate_limit:\n  interval: 1m30s\n  burst: 5\n"
    );
    let loaded = folder.read(&text).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.files.len(), 4);
    let config = loaded.config;
    let tls = config.tls.unwrap();
    assert_eq!(tls.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(tls.ignore_client_order);
    assert_eq!(tls.crypto_provider().kx_groups.len(), 2);
    assert_eq!(config.headers.len(), 2);
    assert_eq!(config.rate, Some(RateLimit { interval: Duration::from_secs(90), burst: 5 }));
    assert_eq!(config.users.len(), 1);
}

#[test]
fn nothing_said_is_nothing_asked_for() {
    let folder = Folder::new();
    for text in
        ["", "{}", "tls_server_config:\n", "# nothing\n", "rate_limit: {interval: 0, burst: 0}", "http_server_config: {http2: false}"]
    {
        let loaded = folder.read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(loaded.config.tls.is_none() && loaded.config.users.is_empty() && loaded.config.rate.is_none(), "{text}");
        assert!(loaded.warnings.is_empty(), "{text}: {:?}", loaded.warnings);
    }
    assert!(folder.read("  \n").unwrap().is_blank && !folder.read("{}").unwrap().is_blank);
}

#[test]
fn a_mistake_has_its_place_and_says_what_to_write() {
    let folder = Folder::new();
    let cases: [(&str, &str); 19] = [
        ("tls_server_config:\n  cert_filse: x\n", "2:3: `tls_server_config` has no key `cert_filse`; did you mean `cert_file`?"),
        ("basic_auth_user: {}\n", "1:1: the web configuration file has no key `basic_auth_user`; did you mean `basic_auth_users`?"),
        ("rate_limit: {interval: 5, burst: 1}", "1:24: `interval` needs a unit: write it as 5s or 5ms"),
        ("rate_limit: {interval: soon}", "1:24: `interval`: expected a duration such as 250ms"),
        ("rate_limit: {interval: 1s, burst: -1}", "1:35: `burst` takes a whole number of 0 or more"),
        ("http_server_config: {http2: maybe}", "1:29: `http2` takes true or false"),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "3:5: the header `Server` cannot be set; write one of Content-Security-Policy,",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: no\n",
            "3:22: `no` is no value of X-Frame-Options; write deny or sameorigin",
        ),
        ("basic_auth_users:\n  ann: secret\n", "2:8: the value of `ann` is no bcrypt hash; make one with: htpasswd"),
        ("basic_auth_users:\n  ann: $2y$10$short\n", "2:8: the value of `ann` is no bcrypt hash"),
        ("basic_auth_users:\n  \"a:b\": x\n", "2:3: the user `a:b` can never log in"),
        ("[a, b]", "1:1: the web configuration file is a map of keys and values; here is a list"),
        ("rate_limit: {}\nrate_limit: {}\n", "2:1: the key `rate_limit` stands twice"),
        ("tls_server_config:\n  cert_file: server.crt\n", "2:3: there is no private key; write `key_file: FILE`"),
        ("tls_server_config:\n  key_file: server.key\n", "2:3: there is no certificate; write `cert_file: FILE`"),
        ("tls_server_config:\n  cert_file: none.crt\n  key_file: server.key\n", "2:14: cert_file: cannot read "),
        ("tls_server_config:\n  cert_file: server.key\n  key_file: server.key\n", "2:14: `cert_file` holds no certificate; it takes PEM"),
        ("tls_server_config:\n  cert_file: server.crt\n  key_file: server.crt\n", "3:13: `key_file` holds no private key"),
        ("tls_server_config:\n  cert_file: server.crt\n  key_file: a.key\n", "3:13: this key does not belong to the certificate"),
    ];
    for (text, expected) in cases {
        let mistakes = folder.mistakes(text);
        assert!(mistakes.iter().any(|line| line.starts_with(expected)), "{text}\n{mistakes:#?}\nexpected {expected}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let folder = Folder::new();
    for text in ["basic_auth_users:\n  ann: hunter2\n", "basic_auth_users: hunter2\n", "basic_auth_users:\n  ann: [hunter2]\n"] {
        assert!(!folder.mistakes(text).join("\n").contains("hunter2"), "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_by_place() {
    let text =
        "rate_limit: {interval: 5}\nhttp_server_config: {http2: 1}\ntls_server_config: {cert_file: x, key_file: y, min_version: TLS10}\n";
    let mistakes = Folder::new().mistakes(text);
    let lines: Vec<&str> = mistakes.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(lines, ["1", "2", "3", "3", "3"], "{mistakes:#?}");
}

#[test]
fn what_rustls_does_not_do_is_refused_or_left_out_by_name() {
    let folder = Folder::new();
    let refused = |more: &str| folder.mistakes(&format!("{GOOD}{more}")).join("\n");
    for old in ["TLS10", "TLS11"] {
        assert!(refused(&format!("  min_version: {old}\n")).contains(&format!("{old} is not offered")));
        assert!(refused(&format!("  max_version: {old}\n")).contains(&format!("{old} is not offered")));
    }
    assert!(refused("  min_version: TLS13\n  max_version: TLS12\n").contains("no version is left"));
    assert!(refused("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n").contains("none of these cipher suites is offered"));
    let mixed = "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n";
    let loaded = folder.read(&format!("{GOOD}{mixed}")).unwrap();
    assert!(loaded.warnings[0].contains("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is never used: CBC"), "{:?}", loaded.warnings);
}

#[test]
fn names_of_clients_need_clients_that_are_known() {
    let folder = Folder::new();
    let refused = |more: &str| folder.mistakes(&format!("{GOOD}{more}")).join("\n");
    assert!(refused("  client_allowed_sans: [a]\n").contains("needs certificates of all clients"));
    assert!(refused("  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a]\n").contains("needs certificates of all"));
    assert!(refused("  client_ca_file: client_selfsigned.pem\n").contains("no effect without `client_auth_type`"));
    assert!(refused("  client_auth_type: Always\n").contains("write one of NoClientCert"));
    for known in ["RequestClientCert", "RequireClientCert", "RequireAnyClientCert", "NoClientCert"] {
        let loaded = folder.read(&format!("{GOOD}  client_auth_type: {known}\n")).unwrap();
        assert!(loaded.warnings.is_empty(), "{known}");
    }
    for unproven in ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] {
        let loaded = folder.read(&format!("{GOOD}  client_auth_type: {unproven}\n")).unwrap();
        assert!(loaded.warnings[0].contains("every certificate of a client is refused"), "{unproven}");
    }
}

#[test]
fn certificates_may_stand_in_the_file_itself() {
    let folder = Folder::new();
    let inline = |key: &str, file: &str| {
        let text = std::fs::read_to_string(folder.0.path().join(file)).unwrap();
        format!("  {key}: |\n    {}\n", text.trim_end().replace('\n', "\n    "))
    };
    let text = format!("tls_server_config:\n{}{}", inline("cert", "server.crt"), inline("key", "server.key"));
    assert!(folder.read(&text).unwrap().config.tls.is_some());
    let both = format!("{GOOD}{}", inline("cert", "server.crt"));
    assert!(folder.read(&both).unwrap().warnings[0].contains("`cert` is not used"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = read(Path::new("no/such/file.yml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read no/such/file.yml: No such file or directory");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("big.yml");
    std::fs::File::create(&path).unwrap().set_len(crate::program::regular_file::MOST_BYTES + 1).unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("it has more than 16 MiB, which is the most that is read"));
    std::fs::write(&path, b"\xff\xfe").unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("is no text in UTF-8"));
}
