//! The bridge that runs on this machine, or in this container, already: where it answers over HTTP, and what it asks of clients.
//!
//! Read from the command line of its process, so that a health check and `top` follow it without flags of their own. Flags that come
//! as variables are taken from this process' environment, which in a container is the same. Must not ask the bridge anything.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::program::cli::{self, Invocation};
use crate::program::net::WebAddress;
use crate::program::settings::Settings;

/// How a running bridge is reached over HTTP.
pub(super) struct RunningWeb {
    /// Its first address over TCP.
    pub(super) address: WebAddress,
    /// Its web configuration file.
    pub(super) config: Option<PathBuf>,
}

/// The bridge that runs here: the first process of a container, or the only one of this program.
pub(super) fn web() -> Option<RunningWeb> {
    let own = file_of(Path::new("/proc/self"))?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(number) = number.filter(|number| *number != std::process::id()) else { continue };
        if file_of(&entry.path()) == Some(own)
            && let Some(web) = web_of(&entry.path())
        {
            if number == 1 {
                return Some(web);
            }
            found.push(web);
        }
    }
    // Of several, nobody has said which one is meant.
    if found.len() == 1 { found.pop() } else { None }
}

/// Which file a process runs.
fn file_of(process: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(process.join("exe")).ok().map(|file| (file.dev(), file.ino()))
}

/// What the process says of itself; none if it does not run the bridge.
fn web_of(process: &Path) -> Option<RunningWeb> {
    let text = std::fs::read(process.join("cmdline")).ok()?;
    let arguments = text.strip_suffix(b"\0").unwrap_or(&text).split(|byte| *byte == 0);
    let arguments = arguments.map(|argument| OsString::from_vec(argument.to_vec()));
    let (Ok(Invocation::Run(settings)) | Ok(Invocation::Demo(settings, _))) = cli::parse(arguments) else { return None };
    let Settings { web, web_config, .. } = *settings;
    // A relative path begins where that process is.
    let config = web_config.map(|path| std::fs::read_link(process.join("cwd")).map_or(path.clone(), |folder| folder.join(path)));
    web.into_iter().find(|address| matches!(address, WebAddress::Tcp(_))).map(|address| RunningWeb { address, config })
}
