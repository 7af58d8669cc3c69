//! Finds the bridge that runs on this machine or in this container, and its HTTP address.
//!
//! The settings are read from the command line of its process in /proc, so that `healthcheck` and `top` need no flags. Settings from
//! environment variables are read from the environment of this process, which is the same in a container. Must not send a request.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::program::cli::{self, Invocation};
use crate::program::net::WebAddress;
use crate::program::settings::Settings;

/// The HTTP server of a running bridge.
pub(super) struct RunningWeb {
    /// The first TCP address of the server.
    pub(super) address: WebAddress,
    /// The web configuration file of the server.
    pub(super) config: Option<PathBuf>,
    /// The process.
    pub(super) process: u32,
    /// Where clients send: UDP and TCP addresses, and the Unix socket's path.
    pub(super) receives: Vec<String>,
}

/// The running bridge: process 1 of a container, or the only other process of this program. `None` if there are several.
pub(super) fn web() -> Option<RunningWeb> {
    let own = file_of(Path::new("/proc/self"))?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(number) = number.filter(|number| *number != std::process::id()) else { continue };
        if file_of(&entry.path()) == Some(own)
            && let Some(web) = web_of(&entry.path(), number)
        {
            if number == 1 {
                return Some(web);
            }
            found.push(web);
        }
    }
    // With several bridges, the intended one is unknown.
    if found.len() == 1 { found.pop() } else { None }
}

/// The identity of the executable of a process: device and inode.
fn file_of(process: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(process.join("exe")).ok().map(|file| (file.dev(), file.ino()))
}

/// The HTTP server of a process; `None` if the process is not a bridge.
fn web_of(process: &Path, number: u32) -> Option<RunningWeb> {
    let text = std::fs::read(process.join("cmdline")).ok()?;
    let arguments = text.strip_suffix(b"\0").unwrap_or(&text).split(|byte| *byte == 0);
    let arguments = arguments.map(|argument| OsString::from_vec(argument.to_vec()));
    let (Ok(Invocation::Run(settings)) | Ok(Invocation::Demo(settings, _))) = cli::parse(arguments) else { return None };
    let Settings { web, web_config, udp, tcp, unixgram, unix, .. } = *settings;
    let udp = udp.iter().map(|address| format!("udp://{address}"));
    let mut receives: Vec<String> = udp.chain(tcp.iter().map(|address| format!("tcp://{address}"))).collect();
    receives.extend(unixgram.map(|unixgram| unixgram.path));
    receives.extend(unix.into_iter().map(|unix| unix.path));
    // A relative path is relative to the working directory of that process.
    let config = web_config.map(|path| std::fs::read_link(process.join("cwd")).map_or(path.clone(), |folder| folder.join(path)));
    web.into_iter().find(|address| matches!(address, WebAddress::Tcp(_))).map(|address| RunningWeb {
        address,
        config,
        process: number,
        receives,
    })
}
