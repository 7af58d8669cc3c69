//! The web configuration files of exporter-toolkit's tests. A file's name says whether it is valid.

use std::fs;

use super::{TempDir, authority::Authority, plain_command, ready, run};
use crate::harness::Process;
use crate::peers;

/// Files that load, although their names say `bad`. exporter-toolkit finds their fault only in a handshake: a valid file has the
/// same text, or the named certificate exists only in this test.
const BAD_IN_A_HANDSHAKE: [&str; 2] = ["web_config_auth_clientCAs_missing.bad.yml", "web_config_auth_client_san.bad.yaml"];

/// A folder with the certificates that the files name.
fn folder() -> TempDir {
    let (folder, authority) = (TempDir::new().expect("a temporary folder"), Authority::new("the authority"));
    let path = |name: &str| folder.path().join(name);
    authority.issue("server", &["localhost"]).write(&path("server.crt"), &path("server.key"));
    for name in ["client_selfsigned.pem", "client2_selfsigned.pem"] {
        fs::write(path(name), Authority::new(name).pem()).expect("written");
    }
    folder
}

#[apply(test)]
fn the_files_of_exporter_toolkit_are_accepted_or_rejected_as_their_names_say() {
    let (mut good, mut bad) = (0, 0);
    let (shared, folder) = (peers::shared_web_configs(), folder());
    for entry in fs::read_dir(shared).expect("the folder can be read") {
        let from = entry.expect("an entry").path();
        let name = from.file_name().expect("a name").to_string_lossy().into_owned();
        let copy = folder.path().join(&name);
        fs::copy(&from, &copy).expect("copied");
        let mut command = plain_command();
        command.arg("--web.listen-address=127.0.0.1:0").arg(format!("--web.config.file={}", copy.display()));
        if (name.contains(".bad.") || name.contains("junk")) && !BAD_IN_A_HANDSHAKE.contains(&&*name) {
            let (code, output) = run(command);
            let start = format!("{}:", copy.display());
            let place = output.lines().find_map(|line| line.split_once(&start)).map(|(_, rest)| rest.splitn(3, ':').take(2));
            let has_place = place.is_some_and(|mut numbers| numbers.all(|number| number.parse::<u32>().is_ok()));
            assert!(code == Some(1) && has_place, "{name}: {code:?}\n{output}");
            bad += 1;
        } else {
            ready(&mut Process::start(command));
            good += 1;
        }
    }
    assert!(good >= 15 && bad >= 15, "{good} good ones, {bad} bad ones");
}
