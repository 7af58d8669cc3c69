//! What /proc says of a child: CPU, memory, and what the kernel dropped at a UDP port.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

/// A child that is killed by its handle when dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// User and system CPU of all its threads, ended ones included, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/stat", self.0.id());
        let stat = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        // The second field is the program's name in brackets, which may hold blanks and brackets.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|f| f.parse::<u64>().ok());
        match (ticks(11), ticks(12)) {
            (Some(user), Some(system)) => Ok((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64),
            _ => Err(format!("{path}: no user and system time in {stat:?}")),
        }
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let kibibytes = status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.map(|n| n * 1024).ok_or_else(|| format!("{path}: no VmRSS"))
    }

    /// Waits until its CPU stands still, so that nothing which was sent is still being worked on.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let start = Instant::now();
        let (mut last, mut since) = (self.cpu_seconds()?, start);
        while since.elapsed() < Duration::from_millis(200) {
            if start.elapsed() > Duration::from_secs(20) {
                return Err("a receiver is still busy 20 s after the last datagram".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
            let now = self.cpu_seconds()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Datagrams that the kernel dropped at IPv4 sockets of this port, since they were bound.
pub(crate) fn udp_drops(port: u16) -> Result<u64, String> {
    let table = fs::read_to_string("/proc/net/udp").map_err(|e| format!("/proc/net/udp: {e}"))?;
    let local = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|row| row.split_whitespace());
    let drops = rows.filter_map(|mut row| row.nth(1)?.ends_with(&local).then(|| row.last()?.parse::<u64>().ok()).flatten());
    Ok(drops.sum())
}
