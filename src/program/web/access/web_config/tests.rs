//! Tests of web configuration files: the settings of each section, errors with line and column, and exporter-toolkit's test files.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

/// A directory with the certificates that the test files name, and `web.yml`.
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

    fn read(&self, text: &str) -> Result<LoadedConfig<WebConfig>, Vec<String>> {
        std::fs::write(self.path(), text).expect("written");
        let start = format!("{}:", self.path().display());
        read(&self.path())
            .map_err(|error| error.lines.into_iter().map(|line| line.strip_prefix(&start).map(str::to_owned).unwrap_or(line)).collect())
    }

    /// The errors, each as `LINE:COLUMN: MESSAGE`.
    fn errors(&self, text: &str) -> Vec<String> {
        self.read(text).err().unwrap_or_else(|| panic!("accepted:\n{text}"))
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
fn all_settings_are_read() {
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
fn empty_sections_have_defaults() {
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
fn errors_have_a_position_and_advice() {
    let folder = Folder::new();
    let cases: [(&str, &str); 19] = [
        ("tls_server_config:\n  cert_filse: x\n", "2:3: `tls_server_config` has no key `cert_filse`; did you mean `cert_file`?"),
        ("basic_auth_user: {}\n", "1:1: the web configuration file has no key `basic_auth_user`; did you mean `basic_auth_users`?"),
        ("rate_limit: {interval: 5, burst: 1}", "1:24: `interval` needs a unit, for example 5s or 5ms"),
        ("rate_limit: {interval: soon}", "1:24: `interval`: expected a duration such as 250ms"),
        ("rate_limit: {interval: 1s, burst: -1}", "1:35: `burst` must be a non-negative integer"),
        ("http_server_config: {http2: maybe}", "1:29: `http2` must be true or false"),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "3:5: the header `Server` cannot be set; supported headers are Content-Security-Policy,",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: no\n",
            "3:22: invalid value `no` of X-Frame-Options; expected deny or sameorigin",
        ),
        ("basic_auth_users:\n  ann: secret\n", "2:8: the value of `ann` is not a bcrypt hash; create one with: htpasswd"),
        ("basic_auth_users:\n  ann: $2y$10$short\n", "2:8: the value of `ann` is not a bcrypt hash"),
        ("basic_auth_users:\n  \"a:b\": x\n", "2:3: the user `a:b` can never log in"),
        ("[a, b]", "1:1: the web configuration file must be a map; found a list"),
        ("rate_limit: {}\nrate_limit: {}\n", "2:1: the key `rate_limit` occurs twice"),
        ("tls_server_config:\n  cert_file: server.crt\n", "2:3: no private key; set `key_file`"),
        ("tls_server_config:\n  key_file: server.key\n", "2:3: no certificate; set `cert_file`"),
        ("tls_server_config:\n  cert_file: none.crt\n  key_file: server.key\n", "2:14: cert_file: cannot read "),
        (
            "tls_server_config:\n  cert_file: server.key\n  key_file: server.key\n",
            "2:14: `cert_file` contains no certificate; expected PEM",
        ),
        ("tls_server_config:\n  cert_file: server.crt\n  key_file: server.crt\n", "3:13: `key_file` contains no usable private key"),
        ("tls_server_config:\n  cert_file: server.crt\n  key_file: a.key\n", "3:13: the private key does not match the certificate"),
    ];
    for (text, expected) in cases {
        let errors = folder.errors(text);
        assert!(errors.iter().any(|line| line.starts_with(expected)), "{text}\n{errors:#?}\nexpected {expected}");
    }
}

#[test]
fn a_certificate_file_that_is_not_pem_is_reported_without_its_contents() {
    let folder = Folder::new();
    for broken in ["-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n", "-----BEGIN hunter2\n"] {
        std::fs::write(folder.0.path().join("server.crt"), broken).expect("written");
        let errors = folder.errors(GOOD).join("\n");
        assert!(errors.starts_with("2:14: `cert_file` is not valid PEM") && !errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn errors_never_show_a_password() {
    let folder = Folder::new();
    for text in ["basic_auth_users:\n  ann: hunter2\n", "basic_auth_users: hunter2\n", "basic_auth_users:\n  ann: [hunter2]\n"] {
        assert!(!folder.errors(text).join("\n").contains("hunter2"), "{text}");
    }
}

#[test]
fn all_errors_are_reported_at_once_in_order() {
    let text =
        "rate_limit: {interval: 5}\nhttp_server_config: {http2: 1}\ntls_server_config: {cert_file: x, key_file: y, min_version: TLS10}\n";
    let errors = Folder::new().errors(text);
    let lines: Vec<&str> = errors.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(lines, ["1", "2", "3", "3", "3"], "{errors:#?}");
}

#[test]
fn unsupported_tls_settings_are_rejected_or_ignored_by_name() {
    let folder = Folder::new();
    let rejected = |more: &str| folder.errors(&format!("{GOOD}{more}")).join("\n");
    for old in ["TLS10", "TLS11"] {
        assert!(rejected(&format!("  min_version: {old}\n")).contains(&format!("{old} is not supported")));
        assert!(rejected(&format!("  max_version: {old}\n")).contains(&format!("{old} is not supported")));
    }
    assert!(rejected("  min_version: TLS13\n  max_version: TLS12\n").contains("`min_version` is higher than `max_version`"));
    assert!(rejected("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n").contains("none of these cipher suites is supported"));
    let mixed = "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n";
    let loaded = folder.read(&format!("{GOOD}{mixed}")).unwrap();
    assert!(loaded.warnings[0].contains("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is ignored: CBC"), "{:?}", loaded.warnings);
}

#[test]
fn allowed_sans_require_client_certificates() {
    let folder = Folder::new();
    let rejected = |more: &str| folder.errors(&format!("{GOOD}{more}")).join("\n");
    assert!(rejected("  client_allowed_sans: [a]\n").contains("requires a certificate from every client"));
    assert!(rejected("  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a]\n").contains("requires a certificate"));
    assert!(rejected("  client_ca_file: client_selfsigned.pem\n").contains("no effect without `client_auth_type`"));
    assert!(rejected("  client_auth_type: Always\n").contains("expected one of NoClientCert"));
    for known in ["RequestClientCert", "RequireClientCert", "RequireAnyClientCert", "NoClientCert"] {
        let loaded = folder.read(&format!("{GOOD}  client_auth_type: {known}\n")).unwrap();
        assert!(loaded.warnings.is_empty(), "{known}");
    }
    for unproven in ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] {
        let loaded = folder.read(&format!("{GOOD}  client_auth_type: {unproven}\n")).unwrap();
        assert!(loaded.warnings[0].contains("every client certificate is rejected"), "{unproven}");
    }
}

#[test]
fn certificates_may_be_inline() {
    let folder = Folder::new();
    let inline = |key: &str, file: &str| {
        let text = std::fs::read_to_string(folder.0.path().join(file)).unwrap();
        format!("  {key}: |\n    {}\n", text.trim_end().replace('\n', "\n    "))
    };
    let text = format!("tls_server_config:\n{}{}", inline("cert", "server.crt"), inline("key", "server.key"));
    assert!(folder.read(&text).unwrap().config.tls.is_some());
    let both = format!("{GOOD}{}", inline("cert", "server.crt"));
    assert!(folder.read(&both).unwrap().warnings[0].contains("`cert` is ignored"));
}

#[test]
fn unreadable_files_are_named_in_errors() {
    let error = read(Path::new("no/such/file.yml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read no/such/file.yml: No such file or directory");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("big.yml");
    std::fs::File::create(&path).unwrap().set_len(crate::program::regular_file::MAX_BYTES + 1).unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("the file is larger than 16 MiB"));
    std::fs::write(&path, b"\xff\xfe").unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("is not valid UTF-8"));
}
